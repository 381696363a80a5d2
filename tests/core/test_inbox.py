"""Requests from the inbox, and lines that others wrote into the trail."""

from registry.core.commands import AdoptLines, ForeignLine
from registry.core.decide import questions
from registry.core.limits import CONTROL_IDS_KEPT
from registry.core.workflow import Outputs
from tests.core.given import (
    AGENT,
    PERSON,
    UNKNOWN,
    control,
    decided,
    event,
    given_run,
    inbox,
    statuses,
)


def _adopt(*lines: ForeignLine) -> AdoptLines:
    return AdoptLines(actor=UNKNOWN, offset=100, size=50, sha256="ab", lines=lines)


def _foreign(name: str, node_id: str | None = None, **fields: object) -> ForeignLine:
    return ForeignLine(event=event(name, node_id, actor=UNKNOWN, **fields))


def test_each_line_is_applied_once_or_refused_once_and_none_blocks_another() -> None:
    """A person clicks a button that came too late; the next click must still count."""
    run = given_run(nodes={"a": "ready", "b": "pending"}, needs={"b": ["a"]})
    lines = (
        ("sha256:0123456789ab", "not JSON"),
        control("retry", "a", control_id="1", from_inbox=True),
        control("skip", "nobody", control_id="2", from_inbox=True),
        control("skip", "a", control_id="3", from_inbox=True),
        control("skip", "a", control_id="3", from_inbox=True),
        control("pause", control_id="4", message="wait", from_inbox=True),
    )

    decision = decided(run, inbox(*lines))

    assert decision.event_names == (
        "control.rejected", "control.rejected", "control.rejected", "control.applied", "node.skipped",
        "control.applied", "run.paused", "node.ready",
    )  # fmt: skip
    refusals = [(told.payload["controlId"], told.node_id) for told in decision.events[:3]]
    assert refusals == [("sha256:0123456789ab", None), ("1", "a"), ("2", None)]
    assert decision.events[0].message == "not JSON"
    assert decision.run.refs.applied_control_ids == {
        "sha256:0123456789ab": False, "1": False, "2": False, "3": True, "4": True,
    }  # fmt: skip
    assert decided(decision.run, inbox(*lines)).events == (), "nothing is judged twice"


def test_a_refused_line_leaves_nothing_of_itself() -> None:
    """What it did before it was refused must be undone, and only that."""
    run = given_run(nodes={"a": "ready", "b": "completed"}, cron="cron-7")
    lines = (
        control("pause", control_id="1", from_inbox=True),
        control("release", "b", control_id="2", from_inbox=True),
        control("resume", control_id="3", from_inbox=True),
    )

    decision = decided(run, inbox(*lines))

    assert decision.event_names == (
        "control.applied", "run.paused", "control.rejected", "control.applied", "run.resumed",
    )  # fmt: skip
    assert len(decision.run.refs.pending_effects) == 1


def test_every_line_is_told_as_its_own_author() -> None:
    """Who asked is what an audit asks first."""
    run = given_run(nodes={"a": "ready"})
    lines = (
        control("pause", actor=AGENT, control_id="1", from_inbox=True),
        control("retry", "a", actor=UNKNOWN, control_id="2", from_inbox=True),
        control("resume", actor=PERSON, control_id="3", from_inbox=True),
    )

    told = decided(run, inbox(*lines)).events

    assert [(line.name, line.actor.id) for line in told] == [
        ("control.applied", "cc"), ("run.paused", "cc"), ("control.rejected", "file"),
        ("control.applied", "maria"), ("run.resumed", "maria"),
    ]  # fmt: skip


def test_a_line_that_asks_for_what_is_so_is_still_noted() -> None:
    """The page that wrote it waits for word of it."""
    run = given_run(nodes={"a": "ready"}, status="paused")

    decision = decided(run, inbox(control("pause", control_id="1", from_inbox=True)))

    assert decision.event_names == ("control.applied",)
    assert decision.run.refs.applied_control_ids == {"1": True}


def test_the_end_of_the_run_is_the_last_event_also_where_more_lines_follow() -> None:
    """Who reads a trail up to the end has read all of the mutation."""
    run = given_run(nodes={"a": "running"})
    lines = (
        control("cancel", control_id="1", from_inbox=True),
        control("pause", control_id="2", from_inbox=True),
        control("send_message", control_id="3", message="why?", from_inbox=True),
    )

    decision = decided(run, inbox(*lines))

    assert decision.event_names == (
        "control.applied", "node.skipped", "control.rejected", "control.applied", "run.cancelled",
    )  # fmt: skip


def test_only_the_last_thousand_control_ids_are_kept() -> None:
    """The bindings must not grow with the age of a run."""
    run = given_run(nodes={"a": "ready"})
    lines = [(f"sha256:{number}", "bad") for number in range(CONTROL_IDS_KEPT + 5)]

    kept = decided(run, inbox(*lines)).run.refs.applied_control_ids

    assert next(iter(kept)) == "sha256:5"
    assert len(kept) == CONTROL_IDS_KEPT


def test_lines_of_others_go_through_the_event_door_one_by_one() -> None:
    """A helper that appends events by itself is heard, with all rules and consequences."""
    run = given_run(nodes={"a": "ready", "b": "pending"}, needs={"b": ["a"]})

    decision = decided(
        run,
        _adopt(
            _foreign("node.started", "a"),
            ForeignLine(event=None, refusal="line 8 is not JSON"),
            _foreign("node.completed", "b"),
            _foreign("node.completed", "a"),
            _foreign("note.seen"),
        ),
    )

    assert decision.event_names == (
        "log.adopted", "node.started", "control.rejected", "control.rejected", "node.completed", "note.seen",
        "node.ready",
    )  # fmt: skip
    assert decision.events[0].payload == {"offset": 100, "bytes": 50, "lines": 5, "sha256": "ab"}
    assert statuses(decision.run) == {"a": "completed", "b": "ready"}
    assert {told.actor for told in decision.events[:6]} == {UNKNOWN}
    assert [warning.partition(":")[0] for warning in decision.warnings] == ["foreign_line_refused"] * 2


def test_a_line_of_others_is_never_a_persons_decision() -> None:
    """Whoever can write a file could otherwise approve everything."""
    gate = given_run(nodes={"gate": "waiting"}, kinds={"gate": "approval"})
    paused = given_run(nodes={"a": "ready"}, status="paused")

    skipped = decided(
        gate,
        _adopt(_foreign("node.skipped", "gate"), _foreign("node.completed", "gate"), _foreign("node.ready", "gate")),
    )
    resumed = decided(paused, _adopt(_foreign("run.resumed")))

    assert skipped.event_names == ("log.adopted", *["control.rejected"] * 3)
    assert statuses(skipped.run) == {"gate": "waiting"}
    assert resumed.event_names == ("log.adopted", "control.rejected")
    assert resumed.run.state.status == "paused"


def test_a_leased_node_is_not_ended_by_a_line_without_its_fence() -> None:
    """The one who claimed it is working on it."""
    decision = decided(given_run(nodes={"a": "running"}), _adopt(_foreign("node.completed", "a")))

    assert statuses(decision.run) == {"a": "running"}


def test_adopted_lines_are_judged_with_the_files_they_name() -> None:
    """A report that is there must not be called missing."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"outputs": Outputs(required_files=("nodes/a/x.md",))}})

    asked, _ = questions(run, _adopt(_foreign("node.completed", "a"), _foreign("node.completed", "nobody")))

    assert asked == ("nodes/a/report.md", "nodes/a/x.md")
