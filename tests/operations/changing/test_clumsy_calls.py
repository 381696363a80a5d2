"""Calls as small models send them, each with the whole text that it is answered."""

from registry.operations.caller import Caller
from tests.operations.changing.asking import (
    ask,
    claimed,
    finished,
    given_run,
    named,
    refusal,
    work_off,
)
from tests.operations.conftest import Hands


def test_a_claim_of_nothing_asks_which_run_or_queue(caller: Caller) -> None:
    """The caller can copy the next line; it need not guess a run's name."""
    given_run(caller)

    assert refusal(caller, "claim_node") == (
        "invalid_request: say run_id (any ready node of it) or agent_id (that agent's queue)\n"
        'next: claim_node {"run_id": "audit-1"}\n'
        'next: list_runs {"status": "open"}'
    )


def test_a_task_id_where_a_run_id_belongs_is_taken_apart(caller: Caller) -> None:
    """Task ids stand in every list, so they are what models copy."""
    given_run(caller)

    assert refusal(caller, "claim_node", run_id="audit-1:gather").splitlines() == [
        "invalid_request: 'audit-1:gather' is a task id; send run_id 'audit-1', node_id 'gather'",
        "hint: claim_node takes: run_id, node_id, agent_id, session_key, lease_s, min_priority, inline_inputs, "
        "exclusive, request_id",
        'next: claim_node {"run_id": "audit-1", "node_id": "gather"}',
    ]


def test_a_claim_too_early_says_what_is_missing_and_what_is_ready(caller: Caller) -> None:
    """A worker sent to the wrong node finds the right one in the same answer."""
    given_run(caller)

    assert refusal(caller, "claim_node", run_id="audit-1", node_id="summary") == (
        "illegal_transition: node 'summary' is pending: it needs 'gate' (pending). claim_node needs ready\n"
        "hint: get_run shows what is ready\n"
        'next: claim_node {"run_id": "audit-1", "node_id": "gather"}'
    )


def test_a_finish_without_the_fence_says_whose_node_it_is(caller: Caller) -> None:
    """Release is offered to the node's own worker only; another's work must not be taken by mistake."""
    given_run(caller)
    claimed(named(caller, "worker"))

    assert refusal(caller, "finish_node", run_id="audit-1", node_id="gather", outcome="completed") == (
        "invalid_request: node 'gather' was claimed with a lease; "
        "finish_node needs the fence that claim_node returned\n"
        "hint: it belongs to 'worker' until 09:15\n"
        'next: get_run {"run_id": "audit-1", "node_id": "gather"}'
    )


def test_the_worker_who_lost_the_fence_is_told_how_to_get_another(caller: Caller) -> None:
    """A context that was cut in the middle has lost the fence, and nobody else has it."""
    given_run(caller)
    claimed(caller)

    assert "If you lost it: request_control release, then claim_node" in refusal(
        caller, "finish_node", run_id="audit-1", node_id="gather", outcome="completed"
    )


def test_a_placeholder_that_was_copied_is_refused(caller: Caller) -> None:
    """`next` shows placeholders, and some models send them back."""
    given_run(caller)

    assert refusal(caller, "finish_node", run_id="audit-1", fence="<fence>", outcome="completed").splitlines()[0] == (
        "invalid_request: fence is still the placeholder '<fence>'; use the value from claim_node"
    )


def test_a_placeholder_inside_an_object_is_refused_where_it_is_its_own_key(caller: Caller) -> None:
    """A run about `<project>` would begin; an object of the caller's own may hold brackets all the same."""
    (caller.registry.root / "workflows").mkdir(exist_ok=True)

    assert (
        refusal(caller, "scaffold_run", workflow_path="audit", inputs={"project": "<project>"}).splitlines()[0]
        == "invalid_request: inputs.project is still the placeholder; put the real value in its place"
    )
    given_run(caller)
    assert ask(caller, "append_event", run_id="audit-1", event="note.tag", payload={"tag": "<div>"})["event"] == (
        "note.tag"
    )


def test_a_completion_without_its_report_names_the_file_and_the_same_call_with_it(caller: Caller) -> None:
    """The work is done; only the report is missing, and the call is one argument away from right."""
    given_run(caller)
    fence = claimed(caller)["fence"]

    assert refusal(caller, "finish_node", run_id="audit-1", fence=fence, outcome="completed", summary="ok") == (
        "invalid_request: node 'gather' must leave nodes/gather/report.md; it is not there\n"
        "hint: send report in finish_node, or write_artifact first, "
        "or accept_missing_outputs: true if there is truly nothing\n"
        f'next: finish_node {{"run_id": "audit-1", "fence": "{fence}", "outcome": "completed", "summary": "ok", '
        '"node_id": "gather", "report": "<Markdown>"}'
    )


def test_an_approval_is_never_finished_to_get_on(caller: Caller) -> None:
    """The shortest way past a gate is the one that must not exist."""
    given_run(caller)
    work_off(caller, "gather", "security", "speed")

    assert refusal(caller, "finish_node", run_id="audit-1", node_id="gate", outcome="completed") == (
        "illegal_transition: 'gate' is an approval: a person decides. finish_node cannot end it\n"
        "hint: request_control approve asks them\n"
        'next: request_control {"run_id": "audit-1", "action": "approve", "node_id": "gate", '
        '"message": "<the person\'s words>"}'
    )


def test_a_retry_of_what_succeeded_names_the_ways_to_do_it_again(caller: Caller) -> None:
    """Completed work stays; doing it again is new work."""
    given_run(caller)
    work_off(caller, "gather")

    assert refusal(caller, "request_control", run_id="audit-1", action="retry", node_id="gather") == (
        "illegal_transition: node 'gather' is completed; retry needs failed or skipped\n"
        "hint: to do it again: change_plan add_node, or scaffold_run a new run\n"
        'next: get_run {"run_id": "audit-1", "node_id": "gather"}'
    )


def test_misspelt_events_are_refused_and_never_become_notes(caller: Caller) -> None:
    """A note called node.complete would look like progress and be none."""
    given_run(caller)

    for sent, meant in (
        ("Node Started", "node.started"),
        ("node_completed", "node.completed"),
        ("node.complete", "node.completed"),
    ):
        assert refusal(caller, "append_event", run_id="audit-1", event=sent, node_id="gather") == (
            f"invalid_request: event is {sent!r}; did you mean {meant!r}?\n"
            "hint: names are lower case with dots; a note takes a name of your own, such as note.decision\n"
            f'next: append_event {{"run_id": "audit-1", "event": "{meant}", "node_id": "gather"}}'
        )
    assert ask(caller, "append_event", run_id="audit-1", event="note.decision", message="why")["kind"] == "note"


def test_empty_and_mistyped_texts_are_named(caller: Caller) -> None:
    """An empty brief sends a child away with nothing."""
    given_run(caller)

    handoff = refusal(caller, "write_handoff", run_id="audit-1", node_id="security", content="")
    finish = refusal(caller, "finish_node", run_id="audit-1", outcome="completed", summary={"a": 1})

    assert handoff.splitlines()[0] == "invalid_request: content is empty"
    assert finish.splitlines()[0] == "invalid_request: summary is an object; it must be a string"


def test_the_same_finish_twice_after_a_time_out_gives_the_first_answer(caller: Caller) -> None:
    """The host gave up, the change was made; the model cannot know and sends it again."""
    given_run(caller)
    claim = claimed(caller)

    first, again = finished(caller, claim), finished(caller, claim)

    assert {**first, "repeated": True, "became_ready": []} == again
    assert first["repeated"] is False


def test_a_held_node_is_told_with_its_worker_and_another_way(caller: Caller, hands: Hands) -> None:
    """Two workers were sent to one node; the second can go on at once."""
    given_run(caller)
    claimed(named(caller, "worker"))
    hands.move(seconds=40)

    assert refusal(caller, "claim_node", run_id="audit-1", node_id="gather") == (
        "conflict: node 'gather' is with 'worker' (attempt 1, last heard 40 s ago) until 09:15\n"
        "hint: wait_for_run, or take another: claim_node {run_id}\n"
        'next: claim_node {"run_id": "audit-1"}\n'
        'next: wait_for_run {"run_id": "audit-1", "node_id": "gather"}'
    )


def test_an_invented_run_is_answered_with_the_open_ones(caller: Caller) -> None:
    """After a restart models make up run-001; the open runs are what they were looking for."""
    given_run(caller)

    assert refusal(caller, "finish_node", run_id="run-001", fence="1-aaaaaaaa", outcome="completed").splitlines()[
        0
    ] == ("not_found: no run 'run-001'; newest open: 'audit-1'")


def test_a_misspelt_node_is_answered_with_all_of_them(caller: Caller) -> None:
    """One letter is the usual mistake."""
    given_run(caller)

    assert refusal(caller, "claim_node", run_id="audit-1", node_id="secuirty") == (
        "not_found: run 'audit-1' has no node 'secuirty'; did you mean 'security'?\n"
        "hint: nodes: gather, security, speed, gate, summary\n"
        'next: get_run {"run_id": "audit-1"}'
    )
