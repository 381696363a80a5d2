"""Putting finished runs away, and what is still found of them."""

import json
from datetime import timedelta

import pytest

from registry.core.commands import CreateRun
from registry.core.run import Actor
from registry.errors import Conflict, NotFound
from registry.flows import Flows
from registry.operations.archives import Archived, Kept, archive_before, restore_run
from registry.operations.caller import Caller
from registry.registry import Registry
from registry.storage.memory import MemoryStore
from tests.operations.changing.asking import ask, errand, given_run
from tests.operations.conftest import Hands

MARIA = Actor(kind="operator", id="maria", via="cli", verified=True)
MONTH = "2026-01"


def ended_run(caller: Caller, run_id: str) -> None:
    given_run(caller, errand(agent_id="sec"), run_id)
    ask(caller, "request_control", run_id=run_id, action="cancel")


def put_away(registry: Registry, hands: Hands, *, days: float = 1, dry_run: bool = False) -> list[Archived | Kept]:
    told: list[Archived | Kept] = []
    assert archive_before(registry, hands.at - timedelta(days=days), dry_run=dry_run, tell=told.append) == ()
    return told


def listed(caller: Caller, *status: str) -> list[str]:
    return [row["run_id"] for row in ask(caller, "list_runs", status=[*status])["runs"]]


def test_only_runs_that_are_over_and_old_are_put_away(caller: Caller, hands: Hands) -> None:
    """A run that somebody works on, or may still look for, stays where it is."""
    ended_run(caller, "old")
    given_run(caller, errand(agent_id="sec"), "at-work")
    hands.move(days=2)
    ended_run(caller, "young")

    would_go = put_away(caller.registry, hands, dry_run=True)
    went = put_away(caller.registry, hands)

    at = "2026-01-01T09:00:00.000+00:00"
    assert would_go == [Archived("old", "cancelled", at, None)]
    assert went == [Archived("old", "cancelled", at, MONTH)]
    assert put_away(caller.registry, hands) == []
    assert (listed(caller, "all"), listed(caller, "archived")) == (["young", "at-work"], ["old"])


def test_an_archived_run_is_read_as_ever_and_told_as_such(caller: Caller, hands: Hands) -> None:
    """Nobody should have to know where a run is to look at it."""
    ended_run(caller, "old")
    before = ask(caller, "get_run", run_id="old", view="events")["events"]
    hands.move(days=2)
    put_away(caller.registry, hands)

    assert ask(caller, "get_run", run_id="old")["status"] == "cancelled"
    assert ask(caller, "get_run", run_id="old", view="events")["events"] == before
    assert ask(caller, "validate_run", run_id="old")["ok"]
    row = ask(caller, "list_runs", status=["archived", "cancelled"])["runs"][0]
    assert (row["run_id"], row["attention"]) == ("old", f"in the archive ({MONTH})")
    assert listed(caller, "archived", "completed") == []
    assert ask(caller, "get_task", task_id="old:work")["task"]["status"] == "cancelled"


def test_an_archived_run_takes_no_change_until_it_is_back(caller: Caller, hands: Hands) -> None:
    """A retry of last year's run must not happen where nobody would see it."""
    ended_run(caller, "old")
    hands.move(days=2)
    put_away(caller.registry, hands)
    note = {"run_id": "old", "event": "note.late", "message": "one more thing"}

    with pytest.raises(Conflict, match=r"run 'old' is in the archive.*, where nothing is changed"):
        ask(caller, "append_event", **note)
    with pytest.raises(Conflict, match="exists already"):
        caller.registry.create(CreateRun(run_id="old", workflow=errand(), actor=MARIA, request="another"))
    assert restore_run(caller.registry, "old") == MONTH
    ask(caller, "append_event", **note)

    assert (listed(caller, "all"), listed(caller, "archived")) == (["old"], [])


def test_what_somebody_still_has_to_do_keeps_a_run_where_it_is(caller: Caller, hands: Hands) -> None:
    """A cron job that was never switched off would call into an empty place for ever."""
    given_run(caller, errand(agent_id="sec"), "tied")
    ask(caller, "bind_session", run_id="tied", cron_job_id="job-7")
    ask(caller, "request_control", run_id="tied", action="cancel")
    hands.move(days=2)

    effects = [effect["effect_id"] for effect in ask(caller, "get_run", run_id="tied")["effects"]]
    assert put_away(caller.registry, hands) == [
        Kept(
            "tied",
            f"effects are not carried out yet ({effects[0]}); tick_run takes them off with effects_done",
        )
    ]
    ask(caller, "tick_run", run_id="tied", effects_done=effects)
    hands.move(days=2)
    assert [type(one) for one in put_away(caller.registry, hands)] == [Archived]


def test_a_request_that_was_left_in_the_inbox_is_heard_first(registry: Registry, caller: Caller, hands: Hands) -> None:
    """A person who asked for a retry with an editor must not find the run put away instead."""
    given_run(caller, errand(agent_id="sec"), "failed")
    claimed = ask(caller, "claim_node", run_id="failed", node_id="work")
    ask(caller, "finish_node", run_id="failed", node_id="work", fence=claimed["fence"], outcome="failed", error="no")
    hands.move(days=2)
    line = {"id": "c-1", "action": "retry", "runId": "failed", "timestamp": "2026-01-02T09:00:00Z", "nodeId": "work"}
    if isinstance(registry.store, MemoryStore):
        registry.store.put_control("failed", json.dumps(line).encode())
    else:
        with open(f"{registry.store.run_dir('failed')}/control.jsonl", "a", encoding="utf-8") as inbox:
            inbox.write(json.dumps(line) + "\n")

    assert put_away(caller.registry, hands) == [Kept("failed", "it is running")]
    assert listed(caller, "running") == ["failed"]


def test_what_is_not_in_the_archive_cannot_be_brought_back(caller: Caller) -> None:
    """The refusal tells a run that is there from one that is nowhere."""
    ended_run(caller, "here")

    with pytest.raises(Conflict, match="run 'here' is not in the archive"):
        restore_run(caller.registry, "here")
    with pytest.raises(NotFound):
        restore_run(caller.registry, "nowhere")


def test_a_task_that_others_depend_on_counts_from_the_archive(caller: Caller, hands: Hands) -> None:
    """Work must not stand still because what it waited for was done long ago."""
    done = ask(caller, "create_task", name="first", agent_id="anna")["task_id"]
    claimed = ask(caller, "claim_node", agent_id="anna")
    ask(caller, "finish_node", run_id=claimed["run_id"], node_id="work", fence=claimed["fence"], outcome="completed")
    hands.move(days=2)
    put_away(caller.registry, hands)

    ask(caller, "create_task", name="second", agent_id="anna", depends_on=[done])

    assert listed(caller, "archived") == [claimed["run_id"]]
    assert ask(caller, "claim_node", agent_id="anna")["claimed"]


def test_a_flow_whose_child_is_still_at_work_stays(caller: Caller, hands: Hands) -> None:
    """In the archive the child's end could not be reported any more."""
    flows = Flows(caller.registry, actor=MARIA, owner_key="agent:main:main")
    flow_id = flows.create(controller_id="release", goal="ship 2.1", notify_policy="silent").flow.flow_id
    flows.run_task(flow_id, runtime="cli", task="upload it", status="running")
    flows.finish(flow_id, expected_revision=0)
    hands.move(days=2)

    (kept,) = put_away(caller.registry, hands)
    ask(caller, "append_event", run_id=flow_id, node_id="task-1", event="node.completed", message="it is up")
    hands.move(days=2)

    assert kept == Kept(
        flow_id, "children have not ended yet (task-1); append_event reports their end, cancel_task ends them"
    )
    assert [type(one) for one in put_away(caller.registry, hands)] == [Archived]
