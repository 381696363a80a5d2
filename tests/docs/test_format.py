"""docs/format.md is enough to write a reader: this is one, made from nothing but what the page says."""

import json
import re
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from pydantic.alias_generators import to_camel

from docs.generate.events import told_fields
from opentask_mcp.dispatch import perform
from registry.core.run import Actor, NodeState, Refs, RunState
from registry.core.workflow import Defaults, Driver, InputDeclaration, NodeDefinition, Outputs, Retry, WaitFor
from registry.operations.caller import Caller
from registry.registry import Registry
from registry.settings import Settings
from tests.docs.pages import ROOT

_PAGE = (ROOT / "docs/format.md").read_text(encoding="utf-8")
_WORKFLOW = """\
---
workflowId: audit
title: Audit
nodes:
  - {id: gather, title: Gather, kind: session_turn, prompt: Look., outputs: {mode: report}}
  - {id: review, title: Review, kind: subagent, prompt: Read., needs: [gather], retry: {maxAttempts: 2}}
  - {id: gate, title: Gate, kind: approval, needs: [review]}
---
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run in which much has happened."""
    registry = Registry.open(Settings(root=tmp_path, durability="process"))
    caller = Caller(registry=registry, actor=Actor(kind="agent", id="cc", via="mcp"), agent_id="cc")

    def call(name: str, **arguments: object) -> dict[str, Any]:
        answer: dict[str, Any] = perform(name, {"run_id": "a-1", **arguments}, caller).plain()
        return answer

    def work(node_id: str, **outcome: object) -> None:
        fence = call("claim_node", node_id=node_id)["fence"]
        call("finish_node", fence=fence, **outcome)

    call("scaffold_run", workflow_text=_WORKFLOW)
    call("bind_session", node_id="review", child_session_key="agent:cc:subagent:1", cron_job_id="job-1")
    work("gather", outcome="completed", summary="seen", report="# Seen", payload={"found": 2})
    work("review", outcome="failed", error="no luck")
    call("write_handoff", node_id="review", goal="Look again.")
    call("append_event", event="run.progress", message="half way")
    call("append_event", event="note.decision", message="go on", payload={"why": "time"})
    call(
        "change_plan", action="add_node", node_id="more", node={"title": "More", "kind": "subagent", "prompt": "More."}
    )
    work("review", outcome="completed", summary="fine")
    call("request_control", action="pause", message="stop")
    call("request_control", action="resume", message="go")
    call("request_control", action="approve", node_id="gate", message="yes")
    call("request_control", action="skip", node_id="more", message="no time")
    registry.store.close()
    return tmp_path / "runs" / "a-1"


def _lines(run_dir: Path) -> list[bytes]:
    return (run_dir / "events.jsonl").read_bytes().splitlines()


def test_a_line_ends_with_the_checksum_of_what_stands_before_it(run_dir: Path) -> None:
    """Readers in other languages check lines by this sentence of the page."""
    for line in _lines(run_dir):
        text, _, crc = line.rpartition(b',"crc":')
        assert crc == b'"%08x"}' % crc32(text)


def test_events_and_mutations_are_counted_without_gaps(run_dir: Path) -> None:
    """A missing number means a missing line."""
    lines = [json.loads(line) for line in _lines(run_dir)]

    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["rev"] for line in lines if line["txn"][0] == 1] == list(range(1, lines[-1]["rev"] + 1))


def test_a_replay_by_the_page_leads_to_the_state_that_is_written(run_dir: Path) -> None:
    """The trail alone says it all."""
    run: dict[str, Any] = {}
    for line in map(json.loads, _lines(run_dir)):
        index, count = line["txn"]
        if index < count:
            continue
        if "snapshot" in line:
            run = line["snapshot"]
        for part, ops in line.get("patch", {}).items():
            for verb, path, *value in ops:
                target = run[part]
                for key in path[:-1]:
                    target = target.setdefault(key, {})
                if verb == "set":
                    target[path[-1]] = value[0]
                else:
                    target.pop(path[-1], None)
    replayed = run["state"]
    replayed["nodes"] = [replayed["nodes"][node_id] for node_id in replayed.pop("nodeOrder")]
    written = json.loads((run_dir / "state.json").read_text(encoding="utf-8"))
    log = written.pop("log")

    assert replayed == written
    assert run["log"]["stateRev"] == log["stateRev"]
    assert log["offset"] == (run_dir / "events.jsonl").stat().st_size
    assert log["tip"] == json.loads(_lines(run_dir)[-1])["crc"]


def test_a_payload_has_the_fields_that_the_reference_names(run_dir: Path) -> None:
    """Nobody has to guess what an event carries."""
    told = told_fields()
    unnamed = [
        (line["event"], sorted(set(line["payload"]) - set(told[line["event"]])))
        for line in map(json.loads, _lines(run_dir))
        if line["event"] in told and set(line["payload"]) - set(told[line["event"]])
    ]

    assert unnamed == []


@pytest.mark.parametrize(
    "model", [RunState, NodeState, Refs, NodeDefinition, WaitFor, Retry, Driver, Defaults, Outputs]
)
def test_the_page_names_every_field_that_a_file_can_have(model: type[Any]) -> None:
    """A field that the page leaves out is one that no other reader knows."""
    names = {to_camel(name) for name in model.model_fields}

    assert names - set(re.findall(r"\w+", _PAGE)) == set()


def test_the_page_names_every_key_of_an_input() -> None:
    """The same for what a workflow asks for."""
    assert all(f"`{to_camel(name)}" in _PAGE for name in InputDeclaration.model_fields)
