"""What is written reads back equal: the plan of a run is kept in such a file."""

from typing import Any, TypeVar

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.record import Record
from registry.core.workflow import (
    Defaults,
    Driver,
    InputDeclaration,
    NodeDefinition,
    Outputs,
    Retry,
    WaitFor,
    Workflow,
)
from registry.formats.frontmatter import split_front_matter
from registry.formats.workflow_file import require_workflow
from registry.formats.workflow_writer import write_workflow

RecordT = TypeVar("RecordT", bound=Record)

# NUL is refused in every text; half a surrogate pair is none.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=40),
    st.lists(
        st.sampled_from(["  a", "b: c", "- d", "# e", "", "---", "...", "\t", "f ", "'", '"', "{{ inputs.x }}"])
    ).map("\n".join),
    st.sampled_from(["yes", "1", "1e5", "~", "2026-01-31", "12:30", "=", "<<", "0o17", "*a", "&a", "!x", "|", "1.0"]),
)
TITLE = TEXT.filter(lambda text: text.strip() != "")
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,6}[A-Za-z0-9]", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
BAGS = st.dictionaries(TEXT, JSON, max_size=3)
PATHS = st.from_regex(r"nodes/[a-z0-9]{1,4}/[a-z0-9]{1,4}\.md", fullmatch=True)


def made(record: type[RecordT], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[RecordT]:
    """Records of drawn fields; `st.builds` would draw each field again under its name on disk."""
    return st.fixed_dictionaries(fields).map(lambda drawn: record(**drawn))


RETRIES = made(
    Retry,
    max_attempts=st.integers(1, 100),
    backoff_seconds=st.floats(0, 86_400),
    factor=st.floats(1, 100),
    max_lost=st.integers(0, 100),
)
WAITS = st.one_of(
    st.sampled_from([WaitFor(), WaitFor(type="next_tick"), WaitFor(type="event", event="deploy.finished")]),
    st.builds(lambda path: WaitFor(type="file_exists", path=path), PATHS),
    st.builds(lambda seconds: WaitFor(type="until", seconds=seconds), st.floats(0, 1e6)),
    st.just(WaitFor(type="until", at="2030-01-31T09:00:00.000+00:00")),
)
DECLARATIONS = st.one_of(
    made(InputDeclaration, type=st.just("string"), description=TEXT, default=st.none() | TEXT),
    made(InputDeclaration, type=st.just("integer"), default=st.none() | st.integers(), required=st.booleans()),
    made(InputDeclaration, type=st.just("list"), default=st.none() | st.lists(TEXT | st.integers(), max_size=3)),
    st.builds(
        lambda choices: InputDeclaration(type="choice", choices=tuple(choices), default=choices[0]),
        st.lists(TEXT, min_size=1, max_size=3),
    ),
)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[NodeDefinition, ...]:
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique_by=str.lower))
    definitions = []
    for place, node_id in enumerate(ids):
        kind = draw(st.sampled_from(["session_turn", "subagent", "wait", "approval", "summary"]))
        fields: dict[str, Any] = {
            "id": node_id,
            "title": draw(TITLE),
            "kind": kind,
            "needs": tuple(draw(st.lists(st.sampled_from(ids[:place]), unique=True))) if place else (),
            "prompt": draw(TITLE if kind in ("session_turn", "subagent") else TEXT),
            "outputs": draw(
                made(
                    Outputs,
                    mode=st.sampled_from(["notify", "report"]),
                    path=st.none() | PATHS,
                    required_files=st.lists(PATHS, max_size=2).map(tuple),
                )
            ),
            "timeout_ms": draw(st.none() | st.integers(1, 1 << 40)),
            "session_key": draw(st.none() | TEXT),
            "wait_for": draw(st.none() | WAITS),
            "metadata": draw(st.none() | BAGS),
            "agent_id": draw(st.none() | IDS),
            "priority": draw(st.integers(1, 10)),
            "retry": draw(st.none() | RETRIES),
            "deadline_seconds": draw(st.none() | st.floats(0.001, 1e9)),
            "when": draw(st.none() | st.sampled_from(["true", "not\n(false)", 'inputs.a == "x: #"'])),
            "tags": tuple(draw(st.lists(TEXT, max_size=3))),
        }
        definitions.append(NodeDefinition(**fields))
    return tuple(definitions)


WORKFLOWS = made(
    Workflow,
    workflow_id=IDS,
    title=TITLE,
    nodes=nodes(),
    defaults=made(
        Defaults,
        agent_id=st.none() | IDS,
        model=st.none() | TEXT,
        timeout_ms=st.integers(0, 10),
        retry=st.none() | RETRIES,
    ),
    driver=st.none() | made(Driver, cron=TEXT, session_key_template=st.none() | TEXT),
    inputs=st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True), DECLARATIONS, max_size=2).map(
        lambda declared: {"a": InputDeclaration(), **declared}
    ),
    extras=st.dictionaries(st.from_regex(r"x-[a-z0-9]{0,5}", fullmatch=True), JSON, max_size=2),
    body=st.text(CHARACTERS, max_size=60),
)


@settings(max_examples=150)
@given(WORKFLOWS)
def test_a_written_workflow_reads_back_equal(workflow: Workflow) -> None:
    """workflow.lock.md is compared with the plan; a text that comes back changed would look like an edit."""
    written = write_workflow(workflow)

    assert require_workflow(written, form="plan") == workflow
    assert write_workflow(require_workflow(written, form="plan")) == written


@settings(max_examples=50)
@given(WORKFLOWS)
def test_other_yaml_readers_find_the_same_texts(workflow: Workflow) -> None:
    """People's scripts read these files with a YAML 1.1 reader; a prompt must not become a date there."""
    front = yaml.safe_load(split_front_matter(write_workflow(workflow)).yaml)

    assert [node["title"] for node in front["nodes"]] == [node.title for node in workflow.nodes]
    assert [node.get("prompt", "") for node in front["nodes"]] == [node.prompt for node in workflow.nodes]
    assert front.get("x-a") == workflow.extras.get("x-a")


def test_a_workflow_is_written_as_an_author_would() -> None:
    """The lock file is read by people: what a node is stands first, prompts are blocks, nothing empty is there."""
    workflow = Workflow(
        workflow_id="audit",
        title="Audit",
        driver=Driver(),
        inputs={"repo": InputDeclaration(required=True)},
        extras={"x-owner": "me"},
        nodes=(
            NodeDefinition(
                id="gather",
                title="yes",
                kind="session_turn",
                prompt="Look at {{ inputs.repo }}.\n\nThen stop.\n",
                outputs=Outputs(mode="report"),
            ),
            NodeDefinition(id="hold", title="Hold", kind="wait", needs=("gather",), wait_for=WaitFor()),
        ),
        body="\n# Audit\n",
    )

    assert write_workflow(workflow) == (
        """---
workflowId: audit
title: Audit
driver: {}
inputs:
  repo:
    type: string
    required: true
nodes:
- id: gather
  title: 'yes'
  kind: session_turn
  prompt: |
    Look at {{ inputs.repo }}.

    Then stop.
  outputs:
    mode: report
- id: hold
  title: Hold
  kind: wait
  needs: [gather]
  waitFor:
    type: manual
x-owner: me
---

# Audit
"""
    )
