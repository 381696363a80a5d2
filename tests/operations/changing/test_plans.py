"""Changes of the plan of a run that goes."""

from dataclasses import replace

from registry.operations.caller import Caller, PersonAnswer
from tests.operations.changing.asking import GATE_ALONE, ask, asked_of_a_person, claimed, given_run, refusal, work_off

ADD = {"run_id": "audit-1", "action": "add_node", "node_id": "extra"}
NODE = {"title": "One more look", "kind": "session_turn", "prompt": "Look again."}


def test_a_node_is_added_in_the_words_of_a_workflow_file(caller: Caller) -> None:
    """Whoever can write a workflow can change a plan."""
    given_run(caller)

    answer = ask(
        caller, "change_plan", **ADD, node={**NODE, "needs": "gather", "agentId": "sec", "outputs": {"mode": "report"}},
        needed_by=["gate"],
    )  # fmt: skip

    assert answer["node"] == {
        "node_id": "extra",
        "title": "One more look",
        "kind": "session_turn",
        "status": "pending",
        "needs": ["gather"],
        "agent_id": "sec",
    }
    assert caller.registry.read("audit-1").run.node("gate").needs == ("security", "speed", "extra")


def test_every_fault_of_a_node_is_named_at_once(caller: Caller) -> None:
    """The same kindness as for a whole workflow."""
    given_run(caller)

    told = refusal(caller, "change_plan", **ADD, node={"kind": "session", "promt": "x", "priority": "high"})

    assert told.splitlines()[:2] == [
        "invalid_request: node has no key 'promt'; did you mean 'prompt'?; node needs title; "
        "node.kind is 'session'; it must be session_turn, subagent, wait, approval or summary; "
        "node.priority is the string 'high'; it must be a whole number",
        "hint: node has the keys of a workflow file: id, title, kind, needs, prompt, outputs, timeoutMs, sessionKey, "
        "waitFor, metadata, agentId, priority, retry, deadlineSeconds, when, tags",
    ]


def test_a_node_that_breaks_a_rule_of_workflows_is_refused(caller: Caller) -> None:
    """A plan that validate_workflow would refuse must not come in by the back door."""
    given_run(caller)

    def first_line(**node: object) -> str:
        return refusal(caller, "change_plan", **ADD, node={**NODE, **node}).splitlines()[0]

    assert first_line(prompt="") == (
        "invalid_request: node 'extra' of kind session_turn has no prompt (add prompt: with what the agent shall do)"
    )
    assert first_line(when="nodes.gather.status == 'completed'") == (
        "invalid_request: when of node 'extra' asks about 'gather', which it does not need (add gather to its needs)"
    )
    assert first_line(needs=["gathr"]).startswith(
        "not_found: run 'audit-1' has no node 'gathr'; did you mean 'gather'?"
    )
    assert first_line(outputs={"mode": "report", "path": "../x"}).startswith(
        "invalid_request: node 'extra' names the file '../x'; it may not lead upwards (..)"
    )


def test_a_cycle_is_named_whole(caller: Caller) -> None:
    """Two nodes that wait for each other would wait for ever."""
    given_run(caller)

    told = refusal(caller, "change_plan", run_id="audit-1", action="rewire_node", node_id="gather", needs=["summary"])

    assert told == (
        "invalid_request: this would make a cycle: gather -> summary -> gate -> security -> gather\n"
        "hint: leave out one of these needs"
    )


def test_a_removal_that_leaves_a_condition_in_the_air_is_refused(caller: Caller) -> None:
    """The condition would fail its node when the time comes, far from the cause."""
    given_run(caller)
    ask(caller, "change_plan", **ADD, node={**NODE, "needs": ["speed"], "when": "nodes.speed.status == 'completed'"})

    told = refusal(caller, "change_plan", run_id="audit-1", action="remove_node", node_id="speed")

    assert told.splitlines()[0].startswith(
        "invalid_request: when of node 'extra' asks about 'speed', which does not exist"
    )


def test_a_removed_nodes_dependants_need_what_it_needed(caller: Caller) -> None:
    """The order of what is left stays what it was."""
    given_run(caller)

    answer = ask(caller, "change_plan", run_id="audit-1", action="remove_node", node_id="speed")

    assert (answer["applied"], "node" in answer) == (True, False)
    assert caller.registry.read("audit-1").run.node("gate").needs == ("security", "gather")


def test_what_has_started_stays_as_it_is(caller: Caller) -> None:
    """A worker's node must not be pulled from under it."""
    given_run(caller)
    claimed(caller)

    told = refusal(caller, "change_plan", run_id="audit-1", action="remove_node", node_id="gather")

    assert told.splitlines()[0] == (
        "illegal_transition: node 'gather' is running; change_plan remove_node changes only nodes that have not started"
    )


def test_a_change_decided_on_an_older_run_is_refused_with_the_present_revision(caller: Caller) -> None:
    """Two orchestrators must not undo each other without seeing it."""
    given_run(caller)
    work_off(caller, "gather")
    rev = caller.registry.read("audit-1").run.log.state_rev

    assert refusal(caller, "change_plan", **ADD, node=NODE, expected_rev=1) == (
        f"revision_conflict: run 'audit-1' is at rev {rev}; you decided at rev 1\n"
        "hint: look at what changed, then send the call again with the new rev\n"
        'next: get_run {"run_id": "audit-1", "since_rev": 1}'
    )
    assert ask(caller, "change_plan", **ADD, node=NODE, expected_rev=rev)["applied"] is True


def test_taking_an_approval_out_of_the_plan_is_a_persons_decision(caller: Caller) -> None:
    """It is approving by another name, and rewiring around it is a third."""
    given_run(caller, GATE_ALONE)
    remove = {"run_id": "audit-1", "action": "remove_node", "node_id": "gate"}
    around = {"run_id": "audit-1", "action": "rewire_node", "node_id": "send", "needs": []}
    strict, asking = replace(caller, approvals="elicit"), replace(caller, can_ask=True)

    assert refusal(strict, "change_plan", **remove).startswith(
        "forbidden: change_plan remove_node is a person's decision"
    )
    assert refusal(strict, "change_plan", **around).startswith(
        "forbidden: change_plan rewire_node is a person's decision"
    )
    assert asked_of_a_person(asking, "change_plan", **around).message == (
        "Change what waits for what, around an approval, at node 'send' of run 'audit-1': change it or keep it?"
        "\n\nThe workflow says: 'Send it.'"
    )
    kept = ask(replace(asking, answer=PersonAnswer("reject")), "change_plan", **remove)
    gone = ask(replace(asking, answer=PersonAnswer("approve")), "change_plan", **remove)
    assert (kept["applied"], kept["decision"]) == (False, "rejected")
    assert (gone["applied"], gone["decision"], gone["became_ready"]) == (True, "approved", ["send"])


def test_arguments_of_another_action_are_named(caller: Caller) -> None:
    """A rewire that changes nothing, or a removal with needs, is a mistake about the tool."""
    given_run(caller)
    here = {"run_id": "audit-1", "node_id": "speed"}

    lines = [
        refusal(caller, "change_plan", **here, action="rewire_node").splitlines()[0],
        refusal(caller, "change_plan", **here, action="rewire_node", node=NODE).splitlines()[0],
        refusal(caller, "change_plan", **here, action="remove_node", needs=["gather"]).splitlines()[0],
        refusal(caller, "change_plan", **here, action="add_node").splitlines()[0],
    ]

    assert lines == [
        "invalid_request: rewire_node needs needs, needed_by or both",
        "invalid_request: node belongs to add_node; action is 'rewire_node'",
        "invalid_request: remove_node takes no needs and no needed_by: dependants inherit what the node needed",
        "invalid_request: node needs title; node needs kind",
    ]
