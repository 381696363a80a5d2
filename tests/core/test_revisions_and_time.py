"""Numbers and times: which revision callers see, when to look again, what is remembered how long."""

import pytest

from registry.core.commands import AnyCommand, Bind, WriteArtifact, WriteHandoff
from registry.core.decide import questions, reconcile
from registry.core.draft import monotone
from registry.core.events import Facts
from registry.core.limits import ANSWER_BYTES_MAX, OPERATIONS_KEPT
from registry.core.run import Log, Run
from registry.core.workflow import Outputs, WaitFor
from registry.errors import IllegalTransition, LeaseLost, LimitExceeded
from tests.core.given import (
    AGENT,
    T0,
    after,
    at,
    claim,
    control,
    created,
    decided,
    event,
    fence,
    finish,
    given_run,
    heartbeat,
    in_turn,
    node,
    refused,
    tick,
)

OPEN = given_run(nodes={"a": "running", "b": "ready", "gate": "waiting"}, kinds={"gate": "approval"})


@pytest.mark.parametrize(
    "command",
    [
        heartbeat("a", with_fence=fence(), message="x"), event("run.progress", message="x"), event("note.x", "b"),
        control("send_message", message="x"),
        WriteArtifact(actor=AGENT, node_id="a", path="nodes/a/x.md", content=b"x", mode="replace"),
    ],
)  # fmt: skip
def test_what_no_decision_rests_on_leaves_the_revision_alone(command: AnyCommand) -> None:
    """A guard that fails on every heartbeat would be left out."""
    run = decided(OPEN, command).run

    assert (run.log.rev, run.log.state_rev) == (2, 1)
    assert {state.rev for state in run.state.nodes.values()} == {0}


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        (claim("b", secret="b" * 8), ["b"]), (finish("a", with_fence=fence()), ["a"]),
        (control("approve", "gate"), ["gate"]), (control("pause"), []),
        (Bind(actor=AGENT, node_id="b", child_session_key="c"), ["b"]), (Bind(actor=AGENT, driver_run_id="d"), []),
        (event("run.cron_bound", payload={"value": "j"}), []),
    ],
)  # fmt: skip
def test_statuses_the_plan_and_bindings_move_it(command: AnyCommand, changed: list[str]) -> None:
    """And a node says when it last changed, for readers who only want what is new."""
    run = decided(OPEN, command).run

    assert run.log.state_rev == 2
    assert [key for key, state in run.state.nodes.items() if state.rev == 2] == changed


def test_a_refusal_and_an_answer_without_change_use_up_no_number() -> None:
    """A tick a minute must not fill the trail."""
    assert decided(OPEN, tick()).run is OPEN
    refused(OPEN, claim("a"))


def test_timestamps_never_go_back_unless_the_trail_is_a_day_ahead() -> None:
    """A clock that was wrong once must neither break the order nor rule for ever."""
    assert monotone(T0, "") == at()
    assert monotone(T0, at(-5)) == at()
    assert monotone(T0, at(60)) == at(60)
    assert monotone(T0, at(86_399)) == at(86_399)
    assert monotone(T0, at(86_400)) == at()


def test_leases_and_deadlines_go_by_the_plain_clock() -> None:
    """A trail that is ahead must not lengthen them."""
    run = given_run(nodes={"a": "ready"}, plans={"a": {"deadline_seconds": 50}})
    ahead = run.model_copy(update={"log": run.log.model_copy(update={"last_at": at(3600)})})

    decision = decided(ahead, claim("a", lease_s=100))

    state = decision.run.node("a")
    assert decision.events[0].timestamp == at(3600)
    assert state.lease is not None
    assert (state.lease.expires_at, state.deadline, state.started_at) == (at(100), at(50), at(3600))


def test_wake_at_is_the_first_moment_at_which_something_changes() -> None:
    """`serve` sleeps until then."""
    run = given_run(
        nodes={"a": "ready", "b": "ready"}, plans={"b": {"deadline_seconds": 30}}, kinds={"b": "session_turn"}
    )
    run = decided(run, claim("a", lease_s=60)).run
    assert run.state.wake_at == at(60)
    run = decided(run, claim("b", lease_s=60, secret="b" * 8)).run
    assert run.state.wake_at == at(30)
    run = decided(run, control("pause"), now=after(10)).run
    assert run.state.wake_at == at(60), "a deadline stands still while paused, a lease does not"
    run = decided(run, control("cancel"), now=after(20)).run
    assert run.state.wake_at is None


def test_a_run_that_waits_for_people_only_is_not_woken() -> None:
    """Nothing would change by looking."""
    run = created(node("gate", "approval"), node("b", needs=("gate",))).run

    assert run.state.wake_at is None


def test_the_answer_is_kept_under_the_request_id() -> None:
    """A repeat after a time-out must get the same fence."""
    run = decided(given_run(nodes={"a": "ready"}), claim("a"), keep=("req-1", "hash")).run

    kept = run.refs.operations["req-1"]
    assert (kept.request, kept.at, kept.rev) == ("hash", at(), 2)
    assert kept.answer["fence"] == fence()
    idle = decided(given_run(nodes={"a": "running"}), claim(), keep=("req-2", "hash"))
    assert idle.run.refs.operations == {}, "nothing was done, so asking again may do it"


def test_answers_are_kept_for_a_day_and_the_last_256() -> None:
    """Who repeats later than that has forgotten as well."""
    run = given_run(nodes={"a": "ready"})
    for number in range(OPERATIONS_KEPT + 3):
        run = decided(run, event("note.x"), now=after(number), keep=(f"r{number}", "h")).run
    assert list(run.refs.operations) == [f"r{number}" for number in range(3, OPERATIONS_KEPT + 3)]

    later = decided(run, event("note.x"), now=after(86_400 + 100), keep=("late", "h")).run

    assert list(later.refs.operations) == [*(f"r{number}" for number in range(101, OPERATIONS_KEPT + 3)), "late"]


def test_a_kept_answer_is_small_and_keeps_what_cannot_be_made_anew() -> None:
    """Lists can be read from the run again; ids and fences cannot."""
    nodes = {f"n{number}": "running" for number in range(200)}
    run = given_run(nodes=nodes, states={key: {"child_session_key": f"agent:x:{key}"} for key in nodes})  # type: ignore[arg-type]

    decision = decided(run, control("cancel"), keep=("r", "h"))

    assert len(decision.answer["effects"]) == 200  # type: ignore[arg-type]
    kept = decision.run.refs.operations["r"].answer
    assert kept == {"applied": True, "controlId": "control-cancel"}
    assert len(str(kept)) < ANSWER_BYTES_MAX


def test_a_handoff_is_headed_and_refused_once_a_node_has_ended() -> None:
    """A child session knows nothing but this text."""
    run = given_run(
        nodes={"a": "completed", "b": "running"}, needs={"b": ["a"]}, kinds={"b": "subagent"},
        plans={"b": {"outputs": Outputs(mode="report")}}, states={"b": {"outputs_mode": "report"}},
    )  # fmt: skip

    decision = decided(run, WriteHandoff(actor=AGENT, node_id="b", content="Look at the locks."))

    (file,) = decision.files
    text = file.content.decode()
    assert file.path == "nodes/b/handoff.md"
    for part in ("run: demo-1", "node: b", "attempt: 1", "/runs/demo-1", "nodes/a/report.md", "nodes/b/report.md"):
        assert part in text
    assert text.endswith("Look at the locks.\n")
    refused(run, WriteHandoff(actor=AGENT, node_id="a", content="x"), error=IllegalTransition)
    refused(run, WriteHandoff(actor=AGENT, node_id="b", content="x" * 40_000), error=LimitExceeded)


def test_an_artifact_is_written_before_it_is_named_also_on_ended_nodes() -> None:
    """Late findings are kept; only a fence that is given must be right."""
    run = given_run(nodes={"a": "completed", "b": "running"})

    def write(node_id: str, **fields: str) -> WriteArtifact:
        path = f"nodes/{node_id}/late.md"
        return WriteArtifact(actor=AGENT, node_id=node_id, path=path, content=b"x", mode="replace", **fields)

    decision = decided(run, write("a"))
    assert decision.run.node("a").artifact_paths == ("nodes/a/late.md",)
    assert [file.path for file in decision.files] == ["nodes/a/late.md"]
    assert decided(run, write("b", fence=fence())).event_names == ("node.artifact_written",)
    refused(run, write("b", fence="1-zzzzzzzz"), error=LeaseLost)
    refused(run, write("a", fence=fence()), error=LeaseLost)


def test_making_a_run_is_one_mutation_with_its_first_nodes_ready() -> None:
    """From the first event on a run can be worked on."""
    decision = created(
        node("a"), node("sub", "subagent"), node("w", "wait", wait_for=WaitFor(type="until", seconds=5)),
        source_session_key="agent:main:telegram", tags=("x",), inputs={"n": 1},
    )  # fmt: skip

    run = decision.run
    assert decision.event_names == (
        "run.created", "node.added", "node.ready", "node.ready", "node.ready", "node.waiting",
    )  # fmt: skip
    assert run.log == Log(rev=1, state_rev=1, seq=6, last_at=at())
    assert (run.state.source_agent_id, run.state.root_session_key) == ("main", "agent:main:telegram")
    assert run.node("a").session_key == "agent:main:opentask:demo-1:a"
    assert [file.path for file in decision.files] == ["nodes/sub/handoff.md"]


def test_session_keys_that_nobody_gave_are_made() -> None:
    """Readers of the earlier implementation want them always."""
    state = created(node("a")).run.state

    key = "agent:opentask:opentask:demo-1"
    assert {state.source_session_key, state.root_session_key, state.planner_session_key, state.driver_session_key} == {
        key
    }
    assert state.source_agent_id == "opentask"


def test_facts_are_asked_for_what_a_command_may_look_at() -> None:
    """The core opens nothing; what it is not told it takes for absent."""
    run = given_run(
        nodes={"a": "running", "w": "pending"}, needs={"w": ["a"]}, kinds={"w": "wait"},
        plans={"w": {"wait_for": WaitFor(type="file_exists", path="go.md")}, "a": {"outputs": Outputs(path="out.md")}},
        states={"a": {"depends_on": ("x:work",)}},
    )  # fmt: skip

    assert questions(run, tick()) == (("go.md",), ("x:work",))
    assert questions(run, finish(None, with_fence=fence())) == (("go.md", "nodes/a/report.md", "out.md"), ("x:work",))
    wait_for = WaitFor(type="file_exists", path="other.md")
    assert "other.md" in questions(run, finish("a", "waiting", with_fence=fence(), wait_for=wait_for))[0]
    assert questions(run, None) == (("go.md",), ("x:work",))


def test_reading_an_ended_run_changes_nothing() -> None:
    """Whatever its clock says."""
    run: Run = in_turn(given_run(nodes={"a": "running"}), finish("a", with_fence=fence()))

    assert reconcile(run, Facts(now=after(10**6))) == (run, frozenset())
