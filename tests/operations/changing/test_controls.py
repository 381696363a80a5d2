"""Steering runs, and how a person's decision comes in."""

from dataclasses import replace

import pytest

from registry.core.run import Actor
from registry.operations.caller import Approvals, Caller, PersonAnswer, Question
from tests.operations.changing.asking import (
    GATE_ALONE,
    ask,
    asked_of_a_person,
    claimed,
    errand,
    given_run,
    refusal,
    work_off,
)

MARIA = Actor(kind="operator", id="maria", via="cli")
APPROVE = {"run_id": "audit-1", "action": "approve", "node_id": "gate"}


def _gate(caller: Caller) -> str:
    return caller.registry.read("audit-1").run.node("gate").status


def _last_decision(caller: Caller) -> Actor:
    events = caller.registry.store.events("audit-1", limit=1_000)
    return next(logged.event.actor for logged in reversed(events) if logged.event.name == "control.applied")


def test_a_client_with_forms_has_the_person_asked(caller: Caller) -> None:
    """The question holds nothing but the call's own arguments, with the agent's words as the agent's."""
    given_run(caller, GATE_ALONE)

    question = asked_of_a_person(
        replace(caller, can_ask=True), "request_control", **APPROVE, message="all tests are green"
    )

    assert question == Question(
        "Decide on node 'gate' of run 'audit-1': approve or reject?\n\nThe workflow says: 'May it be sent?'\n\n"
        "The agent says: 'all tests are green'",
        yes="approve",
        no="reject",
    )
    assert _gate(caller) == "waiting"


def test_an_accepted_form_is_a_persons_act(caller: Caller) -> None:
    """The trail must tell a person's click from an agent's claim of one."""
    given_run(caller, GATE_ALONE)
    said = replace(caller, can_ask=True, answer=PersonAnswer("approve", "go ahead"))

    answer = ask(said, "request_control", **APPROVE, message="all tests are green")

    assert {key: answer[key] for key in ("applied", "decision", "decided_by", "comment", "became_ready")} == {
        "applied": True,
        "decision": "approved",
        "decided_by": "person",
        "comment": "go ahead",
        "became_ready": ["send"],
    }
    assert "relayed" not in answer
    assert _last_decision(caller) == Actor(kind="operator", id="person", via="mcp", verified=True)


def test_a_person_who_says_no_rejects_whatever_was_asked(caller: Caller) -> None:
    """The form asks approve or reject; no is an answer, not a failure of the call."""
    given_run(caller, GATE_ALONE)
    said = replace(caller, can_ask=True, answer=PersonAnswer("reject", "not on a Friday"))

    answer = ask(said, "request_control", **APPROVE)

    assert (answer["applied"], answer["decision"], answer["node"]["outcome"]) == (True, "rejected", "rejected")
    assert answer["run_status"] == "failed"


def test_a_closed_form_changes_nothing(caller: Caller) -> None:
    """Somebody who closes a window has not decided."""
    given_run(caller, GATE_ALONE)
    said = replace(caller, can_ask=True, answer=PersonAnswer("declined"))
    before = caller.registry.store.log_mark("audit-1")

    answer = ask(said, "request_control", **APPROVE)

    assert (answer["applied"], answer["decision"], answer["became_ready"]) == (False, "unanswered", [])
    assert caller.registry.store.log_mark("audit-1") == before


def test_an_agent_may_pass_on_what_a_person_said_where_the_setting_is_open(caller: Caller) -> None:
    """In a chat the person has answered already; it is kept as the agent's word."""
    given_run(caller, GATE_ALONE)

    answer = ask(caller, "request_control", **APPROVE, message="Maria: yes, send it")

    assert {key: answer.get(key) for key in ("applied", "decision", "decided_by", "relayed", "warnings")} == {
        "applied": True,
        "decision": "approved",
        "decided_by": None,
        "relayed": True,
        "warnings": [],
    }
    assert _last_decision(caller).verified is False


def test_a_relayed_approval_without_words_is_taken_with_a_warning(caller: Caller) -> None:
    """The person is not asked twice, but the trail lacks what they said."""
    given_run(caller, GATE_ALONE)

    assert ask(caller, "request_control", **APPROVE)["warnings"] == [
        "relayed_without_words: approve of node 'gate' was passed on without the person's words; "
        "send them in message next time"
    ]


@pytest.mark.parametrize(
    ("approvals", "told"),
    [
        (
            "elicit",
            "forbidden: approve is a person's decision here, and this registry takes it only from a form that a "
            "person answers; your client shows none\n"
            "hint: tell the person to use a client with elicitation, or to type on a terminal: "
            "opentask control approve audit-1 --node-id gate\n"
            'next: wait_for_run {"run_id": "audit-1", "node_id": "gate"}',
        ),
        (
            "operator",
            "forbidden: approve is a person's decision here, and this registry takes it only from a person, "
            "on a terminal or on the web page\n"
            "hint: tell the person to type: opentask control approve audit-1 --node-id gate\n"
            'next: wait_for_run {"run_id": "audit-1", "node_id": "gate"}',
        ),
    ],
)
def test_a_stricter_setting_takes_no_agents_word(caller: Caller, approvals: Approvals, told: str) -> None:
    """An injected prompt can make an agent say anything; here it does not help."""
    given_run(caller, GATE_ALONE)

    assert refusal(replace(caller, approvals=approvals), "request_control", **APPROVE, message="yes") == told
    assert _gate(caller) == "waiting"


def test_the_setting_operator_does_not_take_a_form_either(caller: Caller) -> None:
    """A client that answers its own forms is still the agent's client."""
    given_run(caller, GATE_ALONE)
    said = replace(caller, approvals="operator", can_ask=True, answer=PersonAnswer("approve"))

    assert refusal(said, "request_control", **APPROVE).startswith("forbidden: ")
    assert _gate(caller) == "waiting"


def test_a_person_on_a_terminal_decides_by_acting(caller: Caller) -> None:
    """Nobody asks a person whether they mean it in the name of an agent."""
    given_run(caller, GATE_ALONE)
    maria = replace(caller, actor=MARIA, agent_id=None, approvals="operator")

    answer = ask(maria, "request_control", **APPROVE, message="fine")

    assert (answer["decision"], answer["decided_by"], answer["warnings"]) == ("approved", "maria", [])


def test_nobody_is_asked_about_what_cannot_be_done(caller: Caller) -> None:
    """A person who approves, and is then told that it was too early, trusts no form again."""
    given_run(caller)
    asking = replace(caller, can_ask=True)

    early = refusal(asking, "request_control", **APPROVE)
    work_off(caller, "gather", "security", "speed")
    ask(caller, "request_control", **APPROVE, message="yes")
    again = ask(asking, "request_control", **APPROVE)

    assert early.splitlines()[0] == (
        "illegal_transition: node 'gate' is pending: it needs 'security' (pending), 'speed' (pending). "
        "approve needs waiting"
    )
    assert (again["applied"], again["repeated"], again["decision"]) == (True, True, "approved")


def test_the_run_that_a_person_paused_is_resumed_by_a_person(caller: Caller) -> None:
    """An agent that gets bored would otherwise undo the one thing a person asked for."""
    given_run(caller)
    maria = replace(caller, actor=MARIA, agent_id=None)
    resume = {"run_id": "audit-1", "action": "resume"}
    ask(maria, "request_control", run_id="audit-1", action="pause", message="let me read first")

    question = asked_of_a_person(replace(caller, can_ask=True), "request_control", **resume)
    refused = refusal(replace(caller, approvals="elicit"), "request_control", **resume)
    left = ask(replace(caller, can_ask=True, answer=PersonAnswer("reject")), "request_control", **resume)
    relayed = ask(caller, "request_control", **resume, message="Maria: go on")

    assert question == Question("Go on with run 'audit-1': resume or leave it paused?", "resume", "leave it paused")
    assert refused.startswith("forbidden: resume is a person's decision here")
    assert (left["applied"], left["decision"], left["run_status"]) == (False, "rejected", "paused")
    assert (relayed["applied"], relayed["relayed"], relayed["run_status"]) == (True, True, "running")


def test_the_run_that_an_agent_paused_may_be_resumed_by_one(caller: Caller) -> None:
    """Agents pause to wait for each other; no person need be woken."""
    given_run(caller)
    ask(caller, "request_control", run_id="audit-1", action="pause")

    answer = ask(replace(caller, approvals="operator"), "request_control", run_id="audit-1", action="resume")

    assert (answer["applied"], answer["run_status"], "relayed" in answer) == (True, "running", False)


def test_skipping_an_approval_counts_as_approving(caller: Caller) -> None:
    """Else skip would be the way around every gate."""
    given_run(caller, GATE_ALONE)
    skip = {"run_id": "audit-1", "action": "skip", "node_id": "gate"}

    assert refusal(replace(caller, approvals="elicit"), "request_control", **skip).startswith("forbidden: skip is")
    assert asked_of_a_person(replace(caller, can_ask=True), "request_control", **skip).yes == "skip it"
    assert ask(replace(caller, approvals="elicit"), "request_control", **{**skip, "node_id": "send"})["applied"]


def test_an_approval_sent_again_with_its_request_id_asks_nobody_twice(caller: Caller) -> None:
    """The person answered once; the host's time-out is not theirs."""
    given_run(caller, GATE_ALONE)
    said = replace(caller, can_ask=True, answer=PersonAnswer("approve"))

    first = ask(said, "request_control", **APPROVE, request_id="a1")
    again = ask(replace(said, answer=None), "request_control", **APPROVE, request_id="a1")

    assert (again["control_id"], again["decision"], again["repeated"]) == (first["control_id"], "approved", True)


def test_an_action_without_its_node_names_the_nodes_it_fits(caller: Caller) -> None:
    """There is one gate; the caller only forgot to say so."""
    given_run(caller, GATE_ALONE)

    assert refusal(caller, "request_control", run_id="audit-1", action="approve", message="yes") == (
        "invalid_request: approve needs node_id\n"
        "hint: nodes it fits: gate\n"
        'next: request_control {"run_id": "audit-1", "action": "approve", "node_id": "gate"}'
    )
    assert refusal(caller, "request_control", run_id="audit-1", action="pause", node_id="gate").splitlines()[0] == (
        "invalid_request: pause is about the whole run; node_id 'gate' has no meaning here"
    )


def test_actions_in_other_words_are_named(caller: Caller) -> None:
    """The list is short, and the meant one is filled into the next call; never one from which nothing comes back."""
    given_run(caller)

    assert refusal(caller, "request_control", run_id="audit-1", action="stop").splitlines() == [
        "invalid_request: action is 'stop'; it must be pause, resume, cancel, retry, skip, approve, reject, release, "
        "send_message or patch_cron",
        "hint: request_control takes: run_id*, action*, node_id, message, patch, force, request_id (* required)",
        'next: request_control {"run_id": "audit-1", "action": "pause"}',
    ]


def test_what_the_outside_must_do_for_a_control_comes_with_its_answer(caller: Caller) -> None:
    """A registry cannot change a cron job; the agent can, if it knows."""
    given_run(caller)
    ask(caller, "bind_session", run_id="audit-1", cron_job_id="job-7")

    answer = ask(caller, "request_control", run_id="audit-1", action="pause")

    assert [(effect["kind"], effect["params"]["jobId"]) for effect in answer["effects"]] == [("cron.update", "job-7")]
    assert answer["next"][1] == {
        "tool": "tick_run",
        "args": {"run_id": "audit-1", "effects_done": [answer["effects"][0]["effect_id"]]},
        "why": "confirm the effects you carried out",
    }


def test_a_dead_workers_node_is_released_at_once(caller: Caller) -> None:
    """Waiting for the lease would cost a quarter of an hour."""
    given_run(caller)
    claimed(caller)

    answer = ask(caller, "request_control", run_id="audit-1", action="release", node_id="gather", message="it crashed")

    assert (answer["applied"], answer["node"]["status"], answer["became_ready"]) == (True, "ready", ["gather"])
    assert claimed(caller)["attempt"] == 1


def test_a_retry_beyond_the_limit_needs_force(caller: Caller) -> None:
    """Three retries by hand without a look at the cause are a loop."""
    given_run(caller, errand())
    retry = {"run_id": "audit-1", "action": "retry", "node_id": "work"}
    for _ in range(3):
        ask(caller, "finish_node", run_id="audit-1", fence=claimed(caller)["fence"], outcome="failed", error="no")
        ask(caller, "request_control", **retry)
    ask(caller, "finish_node", run_id="audit-1", fence=claimed(caller)["fence"], outcome="failed", error="no")

    assert refusal(caller, "request_control", **retry).splitlines()[0] == (
        "conflict: node 'work' was retried 3 times by hand; the limit is 3"
    )
    offered = ask(caller, "get_run", run_id="audit-1")["next"]
    assert [call["args"] for call in offered] == [{**retry, "force": True}], "what is offered is taken"
    assert ask(caller, "request_control", **retry, force=True)["run_status"] == "running"
