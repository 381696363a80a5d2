"""What others have to do for a run, what people say to its workers, and what it is bound to."""

import pytest
from pydantic import JsonValue

from registry.core.commands import Bind
from registry.core.record import Bag
from registry.core.run import DeliveryContext, Message, Run
from registry.errors import IllegalTransition, InvalidRequest, NotFound
from tests.core.given import (
    AGENT,
    CRON,
    PERSON,
    at,
    claim,
    control,
    decided,
    event,
    fence,
    finish,
    given_run,
    in_turn,
    inbox,
    refused,
    tick,
)


def _cron(run: Run) -> list[Bag]:
    """The patches of the cron job that are to be made."""
    return [effect.params for effect in run.refs.pending_effects.values() if effect.kind == "cron.update"]


def _patch(**fields: JsonValue) -> Bag:
    return {"jobId": CRON, "patch": dict(fields)}


def test_a_pause_slows_the_timer_and_a_resume_restores_it() -> None:
    """Switched off, nobody would notice the resume."""
    run = given_run(nodes={"a": "ready"}, cron=CRON)

    paused = decided(run, control("pause"))
    assert _cron(paused.run) == [_patch(schedule="*/30 * * * *")]
    assert paused.answer["effects"] == list(paused.run.refs.pending_effects)
    resumed = decided(paused.run, control("resume")).run

    assert _cron(resumed) == [_patch(schedule="*/5 * * * *", enabled=True)], "the later one replaces the unsent one"


def test_an_ended_run_stops_its_timer_and_a_reopened_one_starts_it() -> None:
    """A timer of a run that is over wakes an agent for nothing; without one nothing goes on."""
    run = given_run(nodes={"a": "running"}, cron=CRON)
    failed = decided(run, finish("a", "failed", with_fence=fence())).run
    assert _cron(failed) == [_patch(enabled=False)]

    reopened = decided(failed, control("retry", "a")).run
    assert _cron(reopened) == [_patch(schedule="*/5 * * * *", enabled=True)]

    cancelled = decided(reopened, control("cancel")).run
    assert _cron(cancelled) == [_patch(enabled=False)]


def test_a_run_without_a_timer_asks_for_none() -> None:
    """There is nothing to change."""
    assert decided(given_run(nodes={"a": "ready"}), control("pause")).run.refs.pending_effects == {}


def test_a_timer_bound_too_late_is_slowed_or_stopped_at_once() -> None:
    """It was not there when the run was paused or ended."""
    bind = Bind(actor=AGENT, cron_job_id=CRON)
    paused = given_run(nodes={"a": "ready"}, status="paused")

    assert _cron(decided(paused, bind).run) == [_patch(schedule="*/30 * * * *")]
    assert _cron(decided(given_run(nodes={"a": "completed"}), bind).run) == [_patch(enabled=False)]
    assert _cron(decided(given_run(nodes={"a": "ready"}), bind).run) == []


def test_effects_on_other_targets_stand_beside_each_other() -> None:
    """Two of one mutation must not share an id, or one would be lost."""
    run = given_run(nodes={"a": "ready"}, cron=CRON)
    lines = (
        control("pause", control_id="1"),
        control("resume", control_id="2"),
        control("send_message", actor=AGENT, message="hello", control_id="3"),
        control("send_message", actor=AGENT, message="again", control_id="4"),
    )

    run = decided(run, inbox(*lines)).run

    assert [(effect.kind, effect.params.get("message")) for effect in run.refs.pending_effects.values()] == [
        ("cron.update", None), ("message.send", "hello"), ("message.send", "again"),
    ]  # fmt: skip
    assert all(key == effect.id for key, effect in run.refs.pending_effects.items())


def test_an_effect_is_confirmed_by_its_id() -> None:
    """At least once: until then it is told to every agent that looks."""
    run = decided(given_run(nodes={"a": "ready"}, cron=CRON), control("pause")).run
    effect_id = next(iter(run.refs.pending_effects))

    done = decided(run, tick(effect_id, "effect-9-9"))

    assert done.event_names == ("effect.confirmed",)
    assert done.answer == {"advanced": [], "unknownEffects": ["effect-9-9"]}
    assert done.run.refs.pending_effects == {}
    door = decided(run, event("cron.patched", payload={"effectId": effect_id}))
    assert door.event_names == ("effect.confirmed", "cron.patched")
    refused(door.run, event("cron.patched", payload={"effectId": effect_id}), error=InvalidRequest)
    refused(run, event("cron.patched"), error=InvalidRequest)


def test_an_effect_that_failed_stays_and_is_counted() -> None:
    """It is tried again, and a person can see that it does not work."""
    run = decided(given_run(nodes={"a": "ready"}, cron=CRON), control("pause")).run
    effect_id = next(iter(run.refs.pending_effects))

    decision = decided(run, tick(effects_failed={effect_id: "no such job", "x": "?"}))

    assert decision.event_names == ("effect.failed",)
    assert decision.run.refs.pending_effects[effect_id].tries == 1
    assert decision.answer["unknownEffects"] == ["x"]


def test_a_persons_message_reaches_the_workers_until_it_is_followed() -> None:
    """An agent's words go to the chat, a person's to the agents."""
    run = decided(given_run(nodes={"a": "ready"}), control("send_message", "a", message="be brief")).run
    assert run.state.messages == (
        Message(id="message-2-1", at=at(), by="maria", node_id="a", message="be brief"),
    )  # fmt: skip
    assert run.refs.pending_effects == {}

    by_tick = decided(run, tick("message-2-1"))
    by_door = decided(run, event("run.message.sent", payload={"effectId": "message-2-1"}))

    assert [decision.event_names for decision in (by_tick, by_door)] == [("run.message.sent",)] * 2
    assert [decision.run.state.messages for decision in (by_tick, by_door)] == [(), ()]


def test_an_agents_message_goes_to_the_runs_chat() -> None:
    """Where it goes was said when the run was made."""
    chat = DeliveryContext(channel="telegram", to="42", thread_id=7)
    run = given_run(nodes={"a": "ready"}, delivery_context=chat)

    run = decided(run, control("send_message", actor=AGENT, message="half way")).run

    (effect,) = run.refs.pending_effects.values()
    assert effect.params == {
        "message": "half way", "deliveryContext": {"channel": "telegram", "to": "42", "threadId": 7},
    }  # fmt: skip


def test_a_message_needs_words_and_a_node_that_is_there() -> None:
    """An empty message would be an errand for nothing."""
    run = given_run(nodes={"a": "ready"})

    refused(run, control("send_message"), error=InvalidRequest)
    refused(run, control("send_message", "b", message="x"), error=NotFound)


def test_a_timer_is_patched_where_there_is_one() -> None:
    """And the patch must say something."""
    run = given_run(nodes={"a": "ready"}, cron=CRON)

    assert _cron(decided(run, control("patch_cron", patch={"schedule": "*/9 * * * *"})).run) == [
        _patch(schedule="*/9 * * * *")
    ]
    refused(run, control("patch_cron"), error=InvalidRequest)
    bare = given_run(nodes={"a": "ready"})
    assert refused(bare, control("patch_cron", patch={"enabled": False}), error=IllegalTransition).next[0].tool == (
        "bind_session"
    )


def test_several_bindings_are_one_mutation() -> None:
    """What sessions_spawn answers is one call, not two."""
    run = given_run(nodes={"a": "running"})
    bind = Bind(
        actor=AGENT, node_id="a", session_key="s", child_session_key="c", worker_run_id="w", cron_job_id=CRON,
        driver_run_id="d", source_session_key="agent:x:y", source_agent_id="x", driver_session_key="dk",
        delivery_context=DeliveryContext(channel="slack", to="#ops"),
    )  # fmt: skip

    decision = decided(run, bind)

    assert decision.event_names == (
        "node.session_bound", "node.child_session_bound", "node.run_bound", "run.cron_bound", "run.driver_bound",
        "run.bound",
    )  # fmt: skip
    state, refs = decision.run.state, decision.run.refs
    assert (state.nodes["a"].session_key, state.nodes["a"].child_session_key, state.nodes["a"].run_id) == (
        "s",
        "c",
        "w",
    )
    assert (refs.node_sessions, refs.child_sessions, refs.node_run_ids) == ({"a": "s"}, {"a": "c"}, {"a": "w"})
    assert (state.cron_job_id, refs.cron_job_id, refs.driver_run_id) == (CRON, CRON, "d")
    assert (state.source_session_key, refs.source_session_key) == ("agent:x:y", "agent:x:y")
    assert decision.events[-1].payload == {
        "sourceSessionKey": "agent:x:y", "driverSessionKey": "dk", "sourceAgentId": "x",
        "deliveryContext": {"channel": "slack", "to": "#ops"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "bind", [Bind(actor=AGENT), Bind(actor=AGENT, node_id="a"), Bind(actor=AGENT, session_key="s")]
)
def test_binding_nothing_or_nowhere_is_refused(bind: Bind) -> None:
    """The caller left something out."""
    refused(given_run(nodes={"a": "ready"}), bind, error=InvalidRequest)


def test_a_claim_after_a_release_goes_on_while_the_old_session_is_stopped() -> None:
    """The effect outlives the node's next worker."""
    run = given_run(nodes={"a": "running"}, states={"a": {"child_session_key": "agent:cc:child"}})

    run = in_turn(run, control("release", "a", actor=PERSON), claim("a", agent="next", secret="bbbbbbbb"))

    assert [effect.target for effect in run.refs.pending_effects.values()] == ["session:agent:cc:child"]
