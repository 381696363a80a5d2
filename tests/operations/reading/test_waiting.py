"""wait_for_run, a look at a time."""

from datetime import timedelta
from typing import Any

import pytest

from registry.core.names import iso
from registry.errors import Forbidden, InvalidRequest, RegistryError, StorageFault, StorageFull
from registry.registry import Registry
from tests.operations.conftest import Hands
from tests.operations.reading.asking import Asker, start, work


@pytest.fixture
def ask(registry: Registry) -> Asker:
    asker = Asker(registry)
    start(asker)
    return asker


def test_a_node_that_ends_ends_the_wait(ask: Asker) -> None:
    """An orchestrator waits for the child it spawned."""
    assert ask.look(0.0, run_id="audit-1", node_id="gather") is None

    work(ask, "gather")
    seen = ask.look(30.0, run_id="audit-1", node_id="gather")

    assert seen is not None
    assert (seen["reached"], seen["why"]) == (True, "node 'gather' is completed")
    assert seen["node"] == {
        "node_id": "gather", "status": "completed", "summary": "done", "report": "nodes/gather/report.md",
    }  # fmt: skip
    assert {"node_id": "security", "status": "ready"} in seen["changed"]  # type: ignore[operator]


def test_time_running_out_is_an_answer(ask: Asker) -> None:
    """A tool that fails because nothing happened teaches a model to give up."""
    seen = ask("wait_for_run", run_id="audit-1", timeout_s=0)

    assert (seen["reached"], seen["why"]) == (False, "not within 0 s: the run is running")


def test_a_status_that_cannot_come_any_more_is_not_waited_for(ask: Asker) -> None:
    """Forty-five seconds for what is known at once."""
    work(ask, "gather")
    seen = ask.look(0.0, run_id="audit-1", node_id="gather", status="running")

    assert seen is not None
    assert (seen["reached"], seen["why"]) == (False, "node 'gather' is completed; it stays so")


@pytest.mark.parametrize(
    ("node_id", "why"),
    [(None, "the run is running; a run is never queued"), ("gather", "node 'gather' is ready; a node is never queued")],
)
def test_a_status_of_something_else_is_not_waited_for(ask: Asker, node_id: str | None, why: str) -> None:
    """Words of flows fit no run and no node; a wait for one would never end."""
    seen = ask.look(0.0, run_id="audit-1", status="queued", **({"node_id": node_id} if node_id else {}))

    assert seen is not None
    assert (seen["reached"], seen["why"]) == (False, why)


def test_an_event_counts_only_when_it_came_after_the_wait_began(ask: Asker) -> None:
    """Yesterday's `build.done` must not end today's wait; one that came meanwhile must."""
    ask("append_event", run_id="audit-1", event="build.done")
    rev = ask("get_run", run_id="audit-1", view="events")["events"][0]["rev"]  # type: ignore[index,call-overload]

    assert ask.look(0.0, run_id="audit-1", event="build.done", since_rev=rev) is None
    seen = ask.look(3600.0, run_id="audit-1", event="build.done")
    assert seen is not None
    assert (seen["reached"], seen["why"]) == (True, "event build.done came")


def test_an_event_is_found_behind_many_others(ask: Asker) -> None:
    """A busy run writes more than a look shows; the wait went on for what had long come."""
    ask("append_event", run_id="audit-1", event="build.done", message="sound")
    rev: Any = ask("get_run", run_id="audit-1", view="events")["events"][0]["rev"]  # type: ignore[index,call-overload]
    for number in range(120):
        ask("append_event", run_id="audit-1", event="note.more", message=f"{number}")

    for arguments, waited_s in (({"since_rev": rev - 1}, 0.0), ({}, 3600.0)):
        seen = ask.look(waited_s, run_id="audit-1", event="build.done", **arguments)
        assert seen is not None
        assert (seen["reached"], seen["why"]) == (True, "event build.done came")
        assert seen["events"][0]["message"] == "sound"  # type: ignore[index,call-overload]
    assert ask.look(0.0, run_id="audit-1", event="build.done", since_rev=rev) is None, "it is no new one"


def test_any_change_ends_a_wait_since_a_revision(ask: Asker) -> None:
    """A monitor needs no list of what might happen."""
    rev = ask("get_run", run_id="audit-1")["rev"]
    assert ask.look(0.0, run_id="audit-1", since_rev=rev) is None

    ask("claim_node", run_id="audit-1", node_id="gather")
    seen = ask.look(1.0, run_id="audit-1", since_rev=rev)
    assert seen is not None
    assert (seen["reached"], seen["changed"]) == (True, [{"node_id": "gather", "status": "running"}])


def test_a_run_that_is_over_is_not_waited_for(ask: Asker) -> None:
    """Nothing more will come, whatever was hoped for."""
    Asker(ask.registry, person=True)("request_control", run_id="audit-1", action="cancel")
    seen = ask.look(0.0, run_id="audit-1", event="build.done")

    assert seen is not None
    assert (seen["reached"], seen["why"]) == (False, "the run is cancelled; nothing more will come")


def test_a_wait_records_what_time_has_brought(registry: Registry) -> None:
    """With nobody else running, the waiting caller is the one who lets a timer fire."""
    ask = Asker(registry)
    nodes = "  - {id: nap, title: Nap, kind: wait, waitFor: {type: until, at: '2020-01-01T00:00:00+00:00'}}\n"
    nodes += "  - {id: work, title: W, kind: session_turn, prompt: p, needs: [nap]}\n"
    file_wait = "  - {id: file, title: F, kind: wait, waitFor: {type: file_exists, path: nodes/work/findings.md}}\n"
    text = f"---\nworkflowId: w\ntitle: W\nnodes:\n{nodes}{file_wait}---\n"
    ask("scaffold_run", workflow_text=text, run_id="w-1")
    ask("write_artifact", run_id="w-1", node_id="work", path="findings.md", content="x")

    seen = ask.look(0.0, run_id="w-1", node_id="file")
    assert seen is not None
    assert seen["reached"] is True


@pytest.mark.parametrize("failure", [Forbidden, StorageFault, StorageFull])
def test_a_wait_ends_though_its_end_cannot_be_written(
    registry: Registry, hands: Hands, monkeypatch: pytest.MonkeyPatch, failure: type[RegistryError]
) -> None:
    """Whoever watches a mounted copy, or a disk that is full, must not be told of that instead."""
    ask = Asker(registry)
    until = iso(hands.at + timedelta(hours=1))
    nap = f"  - {{id: nap, title: Nap, kind: wait, waitFor: {{type: until, at: '{until}'}}}}\n"
    ask("scaffold_run", workflow_text=f"---\nworkflowId: w\ntitle: W\nnodes:\n{nap}---\n", run_id="w-1")
    hands.move(hours=2)
    rev = ask("get_run", run_id="w-1")["rev"]

    def refuse(*_: object, **__: object) -> None:
        raise failure("the disk is read-only")

    monkeypatch.setattr(registry.store, "locked", refuse)
    seen = ask.look(0.0, run_id="w-1", node_id="nap")

    assert seen is not None
    assert (seen["reached"], seen["why"], seen["rev"]) == (True, "node 'nap' is completed", rev)
    assert seen["warnings"] == ["not_recorded: what time has ended is told and not written (the disk is read-only)"]


@pytest.mark.parametrize("timeout_s", [51, -1, 3600])
def test_a_wait_longer_than_hosts_allow_is_refused(ask: Asker, timeout_s: int) -> None:
    """Hosts end a call after 60 s and take it for a failure."""
    with pytest.raises(InvalidRequest, match="it must be 0 to 50; for longer waits end your turn"):
        ask("wait_for_run", run_id="audit-1", timeout_s=timeout_s)
