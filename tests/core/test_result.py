"""`result.json`: what it says, and when the state alone has it."""

import json

import pytest

from registry.core.result import leaves_result, result_at, result_text, results_since
from registry.core.run import Run
from registry.core.workflow import NodeKind
from tests.core.given import claim, control, decided, event, fence, finish, given_run


def begun() -> Run:
    return decided(given_run(nodes={"a": "ready", "b": "pending"}, needs={"b": ["a"]}), claim("a")).run


def test_a_completed_nodes_result_is_made_from_its_state() -> None:
    """What the trail has need not be on the disk a second time before a worker is answered."""
    run = begun()
    decision = decided(run, finish("a", with_fence=fence(), payload={"files": 12}))

    assert (decision.files, decision.answer["written"]) == ((), ["nodes/a/result.json"])
    node = decision.run.node("a")
    assert results_since(run.state, decision.run.state) == [node]
    text = result_text(decision.run.state.run_id, node)
    assert text == result_at(decision.run, "nodes/a/result.json")
    assert list(json.loads(text).items()) == [
        ("runId", "demo-1"),
        ("nodeId", "a"),
        ("status", "completed"),
        ("summary", "done"),
        ("artifacts", []),
        ("sessionKey", node.session_key),
        ("childSessionKey", ""),
        ("workingMemory", node.working_memory.model_dump(by_alias=True, exclude_none=True)),
        ("payload", {"files": 12, "attempt": 1}),
    ]
    assert text.startswith(b'{\n  "runId"')
    assert text.endswith(b"}\n")


def test_the_event_door_leaves_the_same_result() -> None:
    """Scripts that only write events are read by the same dashboards."""
    by_event = decided(begun(), event("node.completed", "a", fence=fence(), message="done", payload={"files": 12}))
    by_tool = decided(begun(), finish("a", with_fence=fence(), payload={"files": 12}))

    assert by_event.files == ()
    assert result_at(by_event.run, "nodes/a/result.json") == result_at(by_tool.run, "nodes/a/result.json") != b""


def test_what_a_failure_left_is_written_with_its_events() -> None:
    """No state keeps the payload of a failure, so its file must be as durable as the event."""
    decision = decided(begun(), finish("a", "failed", with_fence=fence(), payload={"tried": 2}))

    assert [file.path for file in decision.files] == decision.answer["written"] == ["nodes/a/result.json"]
    told = json.loads(decision.files[0].content)
    assert (told["status"], told["summary"], told["payload"]) == ("failed", "it broke", {"tried": 2, "attempt": 1})
    assert result_at(decision.run, "nodes/a/result.json") == b""


@pytest.mark.parametrize("kind", ["wait", "approval"])
def test_what_a_person_or_a_wait_completes_has_no_result(kind: NodeKind) -> None:
    """A result is the word of a worker; doctor must not miss one where there was none."""
    run = given_run(nodes={"a": "waiting"}, kinds={"a": kind})
    done = decided(run, control("approve", "a")).run

    assert done.node("a").status == "completed"
    assert not leaves_result(done.node("a"))


def test_a_wait_for_a_result_ends_with_the_mutation_that_leaves_it() -> None:
    """The file comes right after the events; nobody ticks a second time for it."""
    wait = {"wait": {"type": "file_exists", "path": "nodes/a/result.json"}}
    run = given_run(nodes={"a": "running", "b": "waiting"}, kinds={"b": "wait"}, states={"b": wait})

    done = decided(run, finish("a", with_fence=fence()))

    assert done.run.node("b").status == "completed"


@pytest.mark.parametrize("path", ["nodes/b/result.json", "nodes/a/report.md", "a", "a/result.json"])
def test_no_other_path_has_a_text_of_its_own(path: str) -> None:
    """An answer made up for a file that never was would be believed."""
    done = decided(begun(), finish("a", with_fence=fence())).run

    assert result_at(done, path) == b""
