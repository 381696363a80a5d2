"""Workflow files that are good, odd, old, or suspicious."""

import re

import pytest

from registry.core.record import Json
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
from registry.errors import WorkflowInvalid
from registry.formats.workflow_file import read_workflow, require_node, require_workflow

FULL = """---
# Comments are for people.
workflowId: audit
title: "Audit {{ inputs.repo }}"
defaults:
  agentId: main
  model: large
  thinking: high
  timeoutMs: 60000
  retry: {maxAttempts: 2}
driver:
  cron: "*/5 * * * *"
  wakeMode: next-heartbeat
x-owner: {team: [red, 7]}
inputs:
  repo: {type: string, description: Which one., required: true}
  mode: {type: choice, choices: [fast, 1.0], default: 1.0}
nodes:
  - id: gather
    title: Gather
    kind: session_turn
    prompt: |
      Look at {{ inputs.repo }}.

      ---
      Then stop.
  - id: check
    title: Check
    kind: subagent
    needs: [gather]
    prompt: Check.
    outputs: {mode: report, path: nodes/check/report.md, requiredFiles: [nodes/check/a.md, nodes/check/b.md]}
    timeoutMs: 5000
    sessionKey: agent:main:x
    metadata: {a: [1, 2.5, true, null, "1"], b: {c: no}}
    agentId: other
    priority: 9
    retry: {}
    deadlineSeconds: 90
    when: inputs.mode == "fast" and nodes.gather.status == "completed"
    tags: [red, blue]
  - {id: gate, title: Gate, kind: approval, needs: [check]}
  - {id: hold, title: Hold, kind: wait, needs: [gate], waitFor: {type: until, at: 2030-01-31T10:00:00+01:00}}
---

# Audit

What it is for.
"""


def minimal(**keys: str) -> str:
    lines = {"workflowId": "demo", "title": "Demo", "nodes": "[{id: a, title: A, kind: summary}]", **keys}
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in lines.items()) + "---\n"


def test_a_workflow_with_everything_is_read_whole() -> None:
    """Every key of the format has its field."""
    assert require_workflow(FULL) == Workflow(
        workflow_id="audit",
        title="Audit {{ inputs.repo }}",
        defaults=Defaults(
            agent_id="main", model="large", thinking="high", timeout_ms=60_000, retry=Retry(max_attempts=2)
        ),
        driver=Driver(cron="*/5 * * * *", wake_mode="next-heartbeat"),
        extras={"x-owner": {"team": ["red", 7]}},
        inputs={
            "repo": InputDeclaration(type="string", description="Which one.", required=True),
            "mode": InputDeclaration(type="choice", choices=("fast", "1.0"), default="1.0"),
        },
        nodes=(
            NodeDefinition(
                id="gather",
                title="Gather",
                kind="session_turn",
                prompt="Look at {{ inputs.repo }}.\n\n---\nThen stop.\n",
            ),
            NodeDefinition(
                id="check",
                title="Check",
                kind="subagent",
                needs=("gather",),
                prompt="Check.",
                outputs=Outputs(
                    mode="report",
                    path="nodes/check/report.md",
                    required_files=("nodes/check/a.md", "nodes/check/b.md"),
                ),
                timeout_ms=5_000,
                session_key="agent:main:x",
                metadata={"a": [1, 2.5, True, None, "1"], "b": {"c": "no"}},
                agent_id="other",
                priority=9,
                retry=Retry(),
                deadline_seconds=90.0,
                when='inputs.mode == "fast" and nodes.gather.status == "completed"',
                tags=("red", "blue"),
            ),
            NodeDefinition(id="gate", title="Gate", kind="approval", needs=("check",)),
            NodeDefinition(
                id="hold",
                title="Hold",
                kind="wait",
                needs=("gate",),
                wait_for=WaitFor(type="until", at="2030-01-31T09:00:00.000+00:00"),
            ),
        ),
        body="\n# Audit\n\nWhat it is for.\n",
    )


def test_a_file_of_the_earlier_implementation_reads() -> None:
    """People have such files: no outputs, waits given as objects, null where nothing is meant."""
    text = """---
workflowId: weekly
title: Weekly
driver:
defaults: {agentId: null, timeoutMs: 30000}
nodes:
  - {id: a, title: A, kind: session_turn, prompt: Do it., needs: [], waitFor: null, outputs: {requiredFiles: []}}
  - {id: b, title: B, kind: wait, needs: [a], waitFor: {type: manual}}
  - {id: c, title: C, kind: wait, needs: [b], waitFor: next_tick}
  - {id: d, title: D, kind: approval, needs: [c], waitFor: {type: manual}}
---
"""

    nodes = require_workflow(text).nodes

    assert nodes == (
        NodeDefinition(id="a", title="A", kind="session_turn", prompt="Do it."),
        NodeDefinition(id="b", title="B", kind="wait", needs=("a",), wait_for=WaitFor(type="manual")),
        NodeDefinition(id="c", title="C", kind="wait", needs=("b",), wait_for=WaitFor(type="next_tick")),
        NodeDefinition(id="d", title="D", kind="approval", needs=("c",), wait_for=WaitFor(type="manual")),
    )


@pytest.mark.parametrize(
    "written", ["2026-01-31", "1.10", "12:30", "0x1F", "yes", "on", "true", "1e5", "007", "=", ".inf", "null point"]
)
def test_a_title_is_what_its_author_typed(written: str) -> None:
    """YAML would make a date, a float, 750 seconds or a boolean of these."""
    assert require_workflow(minimal(title=written)).title == written


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("true", True),
        ("~", None),
        ("007", 7),
        ("0o17", 15),
        ("0xff", 255),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-3", -3),
        ("'1'", "1"),
        ("! 1", "1"),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
        ("!!float 1", 1),
        ("!!null ''", None),
        ("[*a, *a]", None),
    ],
)
def test_a_free_value_means_what_yaml_1_2_and_json_say(written: str, value: Json) -> None:
    """YAML 1.1 made booleans of yes and on, and numbers of times of day; nobody meant that."""
    if "*" in written:
        written, value = "[&a {b: 1}, *a]", [{"b": 1}, {"b": 1}]

    assert require_workflow(minimal(**{"x-free": written})).extras == {"x-free": value}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode(),
        lambda text: re.sub("(?m)^---$", "---  ", text),
        lambda text: text.encode(),
    ],
    ids=["byte order mark", "windows lines", "both, as bytes", "blanks behind the fence", "bytes"],
)
def test_what_editors_add_to_a_file_changes_nothing(change: object) -> None:
    """Authors use every editor there is."""
    assert callable(change)
    assert require_workflow(change(FULL)) == require_workflow(FULL)


def test_a_file_may_end_with_its_front_matter() -> None:
    """No newline behind the last fence is still a fence."""
    assert require_workflow(minimal().rstrip("\n")).body == ""


def test_places_are_right_beside_wide_characters_and_odd_separators() -> None:
    """Columns count characters, lines count line feeds, as editors do."""
    text = "---\ntitle: '😀\u2028é'\nworkflowId: w\nnodes: [{title: 😀, id: a, kind: summary, needs: [😀]}]\n---\n"

    (fault,) = read_workflow(text).faults

    assert (fault.line, fault.column) == (4, text.split("\n")[3].index("[😀]") + 2)


def test_traces_of_one_run_in_a_reusable_file_are_warned_of() -> None:
    """An agent that saves its plan as a workflow leaves paths in it that mislead every later run."""
    text = """---
workflowId: demo
title: Demo
nodes:
  - id: a
    title: A
    kind: session_turn
    prompt: |
      Read runs/audit-1/nodes/a/report.md and runs/<run>/x and runs/other/y.
      Then /srv/reg/workflows, not /srv/registry.
  - {id: b, title: B, kind: wait}
---
## Run information
"""

    reading = read_workflow(text, source="w", existing_runs=lambda run_id: run_id == "audit-1", root="/srv/reg/")

    assert [str(warning).splitlines()[0] for warning in reading.warnings] == [
        "w:9:12: runs/audit-1 is one run, and this file is for many",
        "w:10:12: the path '/srv/reg/' is this machine's registry",
        "w:11:5: node 'b' waits without a waitFor, so only a person can end it",
        "w:13:1: a heading 'Run Information' is about one run, and this file is for many",
    ]
    assert reading.workflow is not None and reading.faults == ()


def test_a_runs_own_plan_may_have_what_a_definition_may_not() -> None:
    """Its inputs are filled in, so braces are text; it may be empty at first, and longer than a definition."""
    prompt = "x" * 30_000
    nodes = ", ".join(f"{{id: n{number}, title: N, kind: summary, prompt: {prompt}}}" for number in range(10))
    text = minimal(title="'{{ inputs.gone }}'", inputs="{repo: {type: string}}", nodes=f"[{nodes}]")

    assert read_workflow(text).faults != ()
    assert len(require_workflow(text, form="plan").nodes) == 10
    assert require_workflow(minimal(nodes="[]"), form="plan").nodes == ()


def test_a_prompt_over_its_limit_is_told_at_its_node() -> None:
    """A run would refuse it later, when its author is gone."""
    text = minimal(nodes=f"[{{id: a, title: A, kind: summary, prompt: {'x' * 33_000}}}]")

    (fault,) = read_workflow(text, source="w").faults

    assert str(fault) == (
        "w:4:50: the prompt of node 'a' is 33,000 bytes; the limit is 32,768\n"
        "  keep the long part in a file and name it in the prompt"
    )


def test_more_nodes_than_a_run_may_have_are_told_once() -> None:
    """At the first node too many."""
    nodes = ", ".join(f"{{id: n{number}, title: N, kind: summary}}" for number in range(1_001))

    (fault,) = read_workflow(minimal(nodes=f"[{nodes}]")).faults

    assert fault.message == "the workflow has 1,001 nodes; the limit is 1,000"


def test_an_input_used_only_in_a_broken_condition_is_not_unused_as_well() -> None:
    """One mistake is one fault."""
    text = minimal(inputs="{mode: {type: string}}", nodes="[{id: a, title: A, kind: summary, when: inputs.mode = 1}]")

    assert [fault.message for fault in read_workflow(text).faults] == ["when of node 'a': '=' is not of this language"]


def test_a_node_sent_as_an_object_is_read_like_one_in_a_file() -> None:
    """change_plan takes a node with the file's keys; its faults have no line to stand on."""
    node = require_node({"id": "a", "title": "A", "kind": "wait", "priority": 1, "waitFor": "next_tick"})

    assert node == NodeDefinition(id="a", title="A", kind="wait", priority=1, wait_for=WaitFor(type="next_tick"))
    with pytest.raises(WorkflowInvalid) as refused:
        require_node({"id": "a b", "title": "A", "kind": "subagent", "promt": "x", "priority": True})
    assert [str(fault) for fault in refused.value.faults] == [
        "node: unknown key 'promt' in node 'a b'\n  did you mean 'prompt'?",
        "node: priority of node 'a b' is 'true'; it must be a whole number\n"
        "  write the number alone, without quotes or unit",
        "node: node id is 'a b'; ids are letters, digits, '.', '_' and '-', beginning with a letter or digit, "
        "at most 128, no dot at the end\n  write a-b",
    ]
