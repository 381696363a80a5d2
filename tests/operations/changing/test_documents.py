"""Handoffs, bindings and events: what is recorded besides the work itself."""

from dataclasses import replace

import pytest

from registry.operations.caller import Caller
from tests.operations.changing.asking import GATE_ALONE, ask, claimed, given_run, refusal, work_off


def test_a_child_prompt_is_all_a_child_needs(caller: Caller) -> None:
    """It is pasted into Task or sessions_spawn as it is; the child has read nothing else."""
    given_run(caller)
    work_off(caller, "gather")

    answer = ask(caller, "write_handoff", run_id="audit-1", node_id="security", content="Read src/auth.py first.")

    node_dir = f"{caller.registry.store.run_dir('audit-1')}/nodes/security"
    assert answer["child_prompt"] == (
        "You work on node security of OpenTask run audit-1, with the tools of the MCP server opentask.\n"
        "\n"
        '1. Call claim_node {"run_id": "audit-1", "node_id": "security"}. The answer holds `brief`, which is your '
        "task, and `fence`. If it is refused, or claimed is false, stop and answer with what it said.\n"
        "2. Do what the brief says. Its `inputs` are what earlier nodes left (read_artifact reads them). Files of "
        f"your own go below {node_dir}/, or through write_artifact. Every five minutes call heartbeat_node "
        '{"run_id": "audit-1", "node_id": "security", "fence": "<fence>", "message": "<how far you are>"}; '
        "if it answers stop: true, stop.\n"
        '3. End with finish_node {"run_id": "audit-1", "node_id": "security", "fence": "<fence>", '
        '"outcome": "completed", "summary": "<one sentence>", "report": "<Markdown>"}, with payload too if the brief '
        'asks for one. If it cannot be done: finish_node {"run_id": "audit-1", "node_id": "security", '
        '"fence": "<fence>", "outcome": "failed", '
        '"error": "<what went wrong>"}.\n'
        "\n"
        "Change nothing else of the run, approve nothing, and do not write to the user. "
        "Your last message is one sentence: what came of it."
    )
    assert [step["tool"] for step in answer["next"]] == ["host", "bind_session", "wait_for_run"]
    assert claimed(caller, node_id="security")["brief"].endswith("---\n\nRead src/auth.py first.\n")


def test_a_brief_is_made_of_its_parts(caller: Caller) -> None:
    """A small model fills fields better than it writes documents."""
    given_run(caller)

    answer = ask(
        caller,
        "write_handoff",
        run_id="audit-1",
        node_id="gather",
        goal="Count the files.",
        context="Python only.",
        inputs="src/",
        outputs=["report.md with a table"],
        rules=["no network", "two\nlines"],
    )

    text = ask(caller, "read_artifact", run_id="audit-1", path=answer["path"])["content"]
    assert text.rpartition("---\n\n")[2] == (
        "## Goal\n\nCount the files.\n\n## Context\n\nPython only.\n\n## Inputs\n\n- src/\n\n"
        "## Outputs\n\n- report.md with a table\n\n## Rules\n\n- no network\n- two lines\n"
    )


def test_a_brief_of_nothing_or_for_nobody_is_refused(caller: Caller) -> None:
    """Nobody works on an approval, and an empty brief helps nobody."""
    given_run(caller)

    nothing = refusal(caller, "write_handoff", run_id="audit-1", node_id="security", rules=["be quick"])
    nobody = refusal(caller, "write_handoff", run_id="audit-1", node_id="gate", content="approve it")

    assert nothing.splitlines()[0] == (
        "invalid_request: write_handoff needs content, or goal and what belongs to it (context, inputs, outputs, rules)"
    )
    assert nobody.splitlines()[0] == "invalid_request: node 'gate' is an approval; nobody works on it"


def test_a_brief_for_work_that_has_ended_is_refused(caller: Caller) -> None:
    """A child sent to it would find nothing to claim."""
    given_run(caller)
    work_off(caller, "gather")

    told = refusal(caller, "write_handoff", run_id="audit-1", node_id="gather", content="again")

    assert told.splitlines()[0] == (
        "illegal_transition: node 'gather' is completed; a handoff is for work still to be done"
    )


def test_one_call_binds_all_that_a_spawn_answers(caller: Caller) -> None:
    """The host's answer holds session and run id; two calls for it would often be one."""
    given_run(caller)

    answer = ask(
        caller,
        "bind_session",
        run_id="audit-1",
        node_id="gather",
        child_session_key="agent:main:subagent:7",
        worker_run_id="w-7",
        cron_job_id="job-1",
        delivery_context={"channel": "telegram", "to": "42", "threadId": 7},
    )

    run = caller.registry.read("audit-1").run
    assert sorted(answer["bound"]) == ["child_session_key", "cron_job_id", "delivery_context", "worker_run_id"]
    assert (run.node("gather").child_session_key, run.node("gather").run_id) == ("agent:main:subagent:7", "w-7")
    assert run.state.cron_job_id == "job-1"
    assert run.state.delivery_context is not None and run.state.delivery_context.thread_id == 7


def test_a_binding_without_its_node_or_without_anything_is_named(caller: Caller) -> None:
    """Both are calls that would record nothing."""
    given_run(caller)

    lines = [
        refusal(caller, "bind_session", run_id="audit-1", child_session_key="k").splitlines()[0],
        refusal(caller, "bind_session", run_id="audit-1").splitlines()[0],
        refusal(caller, "bind_session", run_id="audit-1", delivery_context={"chanel": "x"}).splitlines()[0],
    ]

    assert lines == [
        "invalid_request: session_key, child_session_key and worker_run_id belong to a node; node_id is missing",
        "invalid_request: nothing to bind was given",
        "invalid_request: delivery_context is not a chat (channel: field required); "
        'it takes {"channel", "to"} and may have accountId and threadId',
    ]


def test_notes_keep_a_callers_words_and_keys(caller: Caller) -> None:
    """A payload may have any keys, also those that our own events use."""
    given_run(caller)
    payload = {"name": "x", "message": "y", "node_id": "z", "by": "q", "attempt": None}

    answer = ask(caller, "append_event", run_id="audit-1", event="note.decision", message="why", payload=payload)

    event = caller.registry.store.events("audit-1", limit=1_000)[-1].event
    assert (answer["kind"], event.name, event.message, event.payload) == ("note", "note.decision", "why", payload)


def test_a_progress_line_does_not_disturb_the_revision(caller: Caller) -> None:
    """Who decides on a revision must not be refused because somebody said how far they are."""
    given_run(caller)
    rev = caller.registry.read("audit-1").run.log.state_rev

    answer = ask(caller, "append_event", run_id="audit-1", event="run.progress", message="half")

    assert (answer["rev"], answer["kind"]) == (rev, "record")


def test_a_step_without_a_lease_goes_through_the_door(caller: Caller) -> None:
    """Orchestrators of the earlier kind know only events."""
    given_run(caller)

    started = ask(caller, "append_event", run_id="audit-1", event="node.started", node_id="gather")
    done = ask(caller, "append_event", run_id="audit-1", event="node.completed", node_id="gather", message="ok")

    assert (started["kind"], started["status"]) == ("transition", "running")
    assert (done["status"], done["became_ready"]) == ("completed", ["security", "speed"])
    assert done["warnings"] == ["missing_outputs: nodes/gather/report.md"]


@pytest.mark.parametrize(
    ("event", "node_id"),
    [("node.completed", "gate"), ("node.failed", "gate"), ("node.skipped", "gate"), ("node.started", "gate")],
)
def test_no_event_ends_an_approval(caller: Caller, event: str, node_id: str) -> None:
    """The door is open to every agent; a gate that it passes is none."""
    given_run(caller, GATE_ALONE)

    told = refusal(caller, "append_event", run_id="audit-1", event=event, node_id=node_id)

    assert told.split(":")[0] in ("illegal_transition", "forbidden")
    assert "request_control" in told
    assert caller.registry.read("audit-1").run.node("gate").status == "waiting"


def test_a_wait_that_is_told_by_an_event_is_checked_too(caller: Caller) -> None:
    """The two ways to wait must not differ in what they take."""
    given_run(caller)
    ask(caller, "append_event", run_id="audit-1", event="node.started", node_id="gather")
    wait = {"run_id": "audit-1", "event": "node.waiting", "node_id": "gather"}

    told = refusal(caller, "append_event", **wait, payload={"waitFor": {"type": "until", "at": "tomorrow"}})
    ask(caller, "append_event", **wait, payload={"waitFor": {"type": "until", "at": "2026-01-01T12:00:00+02:00"}})

    assert told.splitlines()[0] == (
        "invalid_request: payload.waitFor: wait_for.at is 'tomorrow'; it must be ISO 8601 with an offset"
    )
    wait_now = caller.registry.read("audit-1").run.node("gather").wait
    assert wait_now is not None and wait_now.at == "2026-01-01T10:00:00.000+00:00"


def test_an_event_sent_again_with_its_request_id_is_one_event(caller: Caller) -> None:
    """A host that timed out must not double the trail."""
    given_run(caller)
    note = {"run_id": "audit-1", "event": "note.decision", "message": "once", "request_id": "n1"}

    answers = [ask(caller, "append_event", **note)["repeated"] for _ in range(2)]
    events = [logged.event.name for logged in caller.registry.store.events("audit-1", limit=1_000)]

    assert answers == [False, True]
    assert events.count("note.decision") == 1


def test_a_caller_without_any_name_still_has_an_agent(caller: Caller) -> None:
    """Client names are free text; a lease needs an id."""
    given_run(caller)
    nameless = replace(
        caller, agent_id="Claude Code (beta)", actor=caller.actor.model_copy(update={"id": "Claude Code (beta)"})
    )

    assert claimed(nameless)["owner"] == "Claude-Code-beta"
