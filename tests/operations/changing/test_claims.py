"""Claims: what a worker is given with a node, and what it is told when there is none."""

from registry.core.commands import EditPlan
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Outputs, Workflow
from registry.operations.answers import ANSWER_CHARS_MAX
from registry.operations.caller import Caller
from registry.operations.claim_answers import ClaimNodeResult
from registry.operations.fit import chars
from tests.operations.changing.asking import (
    AUDIT,
    GATE_ALONE,
    Answer,
    Retry,
    ask,
    claimed,
    errand,
    finished,
    given_run,
    named,
    refusal,
    work_off,
)
from tests.operations.conftest import Hands

PERSON = Actor(kind="operator", id="maria", via="cli")

CONDITIONAL = """---
workflowId: conditional
title: Fix what a scan finds
nodes:
  - {id: scan, title: Scan, kind: session_turn, prompt: Scan.}
  - {id: fix, title: Fix, kind: session_turn, prompt: Fix., needs: [scan], when: nodes.scan.result.findings > 0}
  - {id: tell, title: Tell, kind: session_turn, prompt: Tell., needs: [scan], when: nodes.scan.result.kind == "bug"}
---
"""


def test_a_claim_shows_the_result_that_later_conditions_read(caller: Caller) -> None:
    """What is absent is null and skips work quietly; the keys are in the call that hands in the result."""
    ask(caller, "scaffold_run", run_id="audit-1", workflow_text=CONDITIONAL)

    (step,) = claimed(caller, node_id="scan")["next"]

    assert step["args"]["payload"] == {"findings": "<findings: number, without quotes>", "kind": "<kind: such as bug>"}
    assert step["why"].endswith("; later conditions read these keys of payload")


def test_a_result_in_quotes_is_refused_while_it_can_still_be_mended(caller: Caller) -> None:
    """Once the node is completed the condition fails, or is quietly false, and nobody can send the number again."""
    ask(caller, "scaffold_run", run_id="audit-1", workflow_text=CONDITIONAL)
    claim = claimed(caller, node_id="scan")
    done = {**claim["next"][0]["args"], "summary": "s", "report": "# R"}

    said = refusal(caller, "finish_node", **{**done, "payload": {"findings": "3", "kind": "bug"}})

    assert said.splitlines()[0] == (
        "invalid_request: payload.findings is the text '3'; the condition of node 'fix' needs a number there"
    )
    assert '"payload": {"findings": "<findings: number, without quotes>", "kind": "bug"}' in said
    assert "is still the placeholder" in refusal(caller, "finish_node", **done)
    handed_in = ask(caller, "finish_node", **{**done, "payload": {"findings": 3, "kind": "bug"}})
    assert handed_in["became_ready"] == ["fix", "tell"]


def test_a_claim_holds_all_its_worker_needs(caller: Caller) -> None:
    """A child knows nothing else: whatever is missing here costs it a call or is guessed."""
    given_run(caller)
    finished(caller, claimed(caller), summary="12 files", report="# Facts\n\nTwelve files.\n")
    run_dir = caller.registry.store.run_dir("audit-1")

    answer = claimed(caller, node_id="security")

    fence = answer["fence"]
    assert {key: value for key, value in answer.items() if key not in ("brief", "rev", "became_ready")} == {
        "claimed": True,
        "run_id": "audit-1",
        "node_id": "security",
        "task_id": "audit-1:security",
        "title": "Security review",
        "kind": "subagent",
        "owner": "sec",
        "attempt": 1,
        "max_attempts": 1,
        "fence": fence,
        "lease_expires_at": "2026-01-01T09:15:00.000+00:00",
        "priority": 5,
        "priority_label": "P2",
        "inputs": [
            {
                "node_id": "gather",
                "status": "completed",
                "summary": "12 files",
                "path": "nodes/gather/report.md",
                "chars": 23,
            }
        ],
        "earlier_attempts": [],
        "outputs": {"mode": "notify", "required": []},
        "node_dir": f"{run_dir}/nodes/security",
        "holding": [],
        "run_status": "running",
        "warnings": [],
        "next": [
            {
                "tool": "finish_node",
                "args": {
                    "run_id": "audit-1",
                    "node_id": "security",
                    "fence": fence,
                    "outcome": "completed",
                    "summary": "<what came of it, in a sentence>",
                    "report": "<report in Markdown>",
                },
                "why": "hand in the work, with payload if the brief asks for one; "
                "or outcome failed with error, waiting, released",
            }
        ],
    }
    assert fence.startswith("1-")
    assert "Look for holes." in answer["brief"]


def test_the_brief_of_a_node_without_a_handoff_is_its_prompt_below_the_workspace(caller: Caller) -> None:
    """The prompt speaks of files; without the root they cannot be found."""
    given_run(caller)

    run_dir = caller.registry.store.run_dir("audit-1")
    assert claimed(caller)["brief"] == f"Run folder: {run_dir}\n\nLook at everything."


def test_a_handoff_adds_to_what_the_workflow_asks(caller: Caller) -> None:
    """An orchestrator writes a goal in a line; the checklist, the limits and the wanted payload stand in the prompt."""
    given_run(caller)
    ask(caller, "write_handoff", run_id="audit-1", node_id="gather", content="Only look at src/.")

    brief = claimed(caller)["brief"]

    assert brief.endswith("\n\n---\n\n## Task\n\nLook at everything.\n\n---\n\nOnly look at src/.\n")


def test_a_prompt_that_was_edited_after_the_handoff_comes_before_it(caller: Caller) -> None:
    """A person who corrects the plan means the next worker, whatever was written for it before."""
    given_run(caller)
    ask(caller, "write_handoff", run_id="audit-1", node_id="gather", content="Only look at src/.")
    caller.registry.transact("audit-1", EditPlan(actor=PERSON, prompts={"gather": "Look at the tests."}))

    brief = claimed(caller)["brief"]

    head = f"Run folder: {caller.registry.store.run_dir('audit-1')}"
    assert brief.startswith(f"{head}\n\nLook at the tests.\n\n---\n\n# Handoff")
    assert brief.endswith("Only look at src/.\n")


def test_what_stands_behind_a_gate_or_a_skipped_node_is_among_the_inputs(caller: Caller) -> None:
    """A gate leaves no report; who comes after it works from what was decided on."""
    nodes = (
        NodeDefinition(id="map", title="Map", kind="session_turn", prompt="p"),
        NodeDefinition(id="review", title="Review", kind="session_turn", prompt="p", needs=("map",)),
        NodeDefinition(id="extra", title="Extra", kind="session_turn", prompt="p", needs=("review",), when="false"),
        NodeDefinition(id="publish", title="Publish", kind="session_turn", prompt="p", needs=("extra",)),
        NodeDefinition(id="audit", title="Audit", kind="summary", prompt="p", needs=("publish",)),
    )
    given_run(caller, Workflow(workflow_id="w", title="W", nodes=nodes))
    for node in ("map", "review"):
        finished(caller, claimed(caller, node_id=node), report="# R")

    publish = claimed(caller, node_id="publish")
    assert [(row["node_id"], "path" in row) for row in publish["inputs"]] == [("extra", False), ("review", True)]
    finished(caller, publish, report="# P")

    audit = claimed(caller, node_id="audit")
    assert [row["node_id"] for row in audit["inputs"]] == ["publish", "extra", "review", "map"]


def test_a_brief_that_is_cut_says_where_the_rest_is(caller: Caller) -> None:
    """A worker who does half the brief has done the wrong job, and does not know it."""
    given_run(caller)
    ask(caller, "write_handoff", run_id="audit-1", node_id="gather", content="start\n" + "é" * 12_000 + "\nend")

    answer = claimed(caller)
    rest = ask(caller, "read_artifact", **answer["next"][0]["args"])

    assert answer["brief_cut"] is True
    assert len(answer["brief"]) <= 8_000
    assert answer["next"][0]["tool"] == "read_artifact"
    whole = answer["brief"] + rest["content"]
    assert whole.count("é") == 12_000
    assert whole.endswith("\nend\n")


def test_reports_of_needed_nodes_come_along_when_asked_for(caller: Caller) -> None:
    """A client without files saves a read for each of them; a long one is marked as cut."""
    given_run(caller)
    finished(caller, claimed(caller), report="# Facts\n" + "line\n" * 10_000)

    row = claimed(caller, node_id="security", inline_inputs=True)["inputs"][0]

    assert row["chars"] == 50_008
    assert row["content_cut"] is True
    assert row["content"].startswith("# Facts\nline\n")
    assert len(row["content"]) > 4_000


def test_no_claim_is_longer_than_a_host_shows(caller: Caller) -> None:
    """Hosts cut an answer in the middle, and the fence may be what they cut out."""
    many = [NodeDefinition(id=f"part-{number}", title="Part", kind="session_turn", prompt="p") for number in range(60)]
    last = NodeDefinition(
        id="last",
        title="T" * 500,
        kind="session_turn",
        prompt='"\n' * 8_000,
        needs=tuple(node.id for node in many),
        outputs=Outputs(mode="report"),
    )
    given_run(caller, Workflow(workflow_id="wide", title="Wide", nodes=(*many, last)))
    for node in many:
        finished(caller, claimed(caller, node_id=node.id), summary="s" * 4_000, report="# R" + "\n" * 2_000)

    answer = claimed(caller, node_id="last", inline_inputs=True)

    assert chars(ClaimNodeResult.model_validate(answer)) <= ANSWER_CHARS_MAX
    assert len(answer["inputs"]) + answer["more_inputs"] == 60
    assert answer["brief_cut"] is True


def test_a_second_attempt_knows_of_the_first(caller: Caller) -> None:
    """Else it walks into the same wall."""
    given_run(caller, errand(retry=Retry(max_attempts=2)))
    first = claimed(caller)
    ask(caller, "heartbeat_node", run_id="audit-1", fence=first["fence"], message="half way", percent=50)
    ask(caller, "finish_node", run_id="audit-1", fence=first["fence"], outcome="failed", error="no network")

    answer = claimed(caller)

    assert (answer["attempt"], answer["max_attempts"]) == (2, 2)
    assert answer["earlier_attempts"] == [
        {
            "attempt": 1,
            "owner": "cc",
            "ended": "failed",
            "at": "2026-01-01T09:00:00.000+00:00",
            "last_progress": "50 %: half way",
            "error": "no network",
        }
    ]


def test_a_second_claim_is_another_node_and_tells_what_is_held(caller: Caller) -> None:
    """An agent whose context was cut finds out what it began."""
    given_run(caller, AUDIT)
    work_off(caller, "gather")
    first = claimed(caller, agent_id="cc")

    second = claimed(caller, node_id="security", agent_id="cc")

    assert first["node_id"] == "speed"
    assert (second["owner"], second["assigned_to"]) == ("cc", "sec")
    assert second["holding"] == [
        {
            "run_id": "audit-1",
            "node_id": "speed",
            "attempt": 1,
            "lease_expires_at": "2026-01-01T09:15:00.000+00:00",
        }
    ]


def test_an_agent_in_a_run_gets_its_own_nodes_or_nobodys(caller: Caller) -> None:
    """A worker must not take what was meant for a specialist."""
    given_run(caller)
    work_off(caller, "gather")

    first = ask(caller, "claim_node", run_id="audit-1", agent_id="other")
    second = ask(caller, "claim_node", run_id="audit-1", agent_id="other")

    assert first["node_id"] == "speed"
    assert (second["claimed"], second["reason"]) == (False, "held")


def test_a_claim_sent_again_with_its_request_id_is_the_same_claim(caller: Caller) -> None:
    """The host timed out; a second node would be left lying for the whole lease."""
    given_run(caller)
    work_off(caller, "gather")

    first = claimed(caller, request_id="turn-7")
    again = claimed(caller, request_id="turn-7")

    assert again == {**first, "repeated": True, "became_ready": []}
    assert refusal(caller, "claim_node", run_id="audit-1", node_id="speed", request_id="turn-7").startswith(
        "conflict: "
    )


def test_nothing_to_claim_is_an_answer_with_its_reason(caller: Caller, hands: Hands) -> None:
    """An error would make an agent try to mend what is not broken."""
    given_run(caller, errand(retry=Retry(max_attempts=2, backoff_seconds=60)), run_id="retried")
    claim = claimed(caller, "retried")
    ask(caller, "finish_node", run_id="retried", fence=claim["fence"], outcome="failed", error="once")
    given_run(caller, GATE_ALONE, run_id="gated")
    given_run(caller, errand(), run_id="paused")
    ask(caller, "request_control", run_id="paused", action="pause", message="let me read first")
    given_run(caller, errand(), run_id="busy")
    claimed(named(caller, "worker"), "busy")

    answers = {run_id: ask(caller, "claim_node", run_id=run_id) for run_id in ("retried", "gated", "paused", "busy")}

    assert {run_id: _why(answer) for run_id, answer in answers.items()} == {
        "retried": {"reason": "backoff", "queued": 1, "not_before": "2026-01-01T09:01:00.000+00:00"},
        "gated": {"reason": "waiting", "queued": 0},
        "paused": {"reason": "paused", "queued": 1},
        "busy": {"reason": "held", "queued": 0},
    }
    assert answers["paused"]["paused"]["message"] == "let me read first"
    assert answers["gated"]["waiting_for"][0]["for"] == "approval"
    hands.move(seconds=61)
    assert claimed(caller, "retried")["attempt"] == 2


def _why(answer: Answer) -> Answer:
    return {key: answer[key] for key in ("reason", "queued", "not_before", "say") if key in answer}


def test_an_end_of_turn_is_only_suggested_when_nothing_at_all_is_left(caller: Caller) -> None:
    """HEARTBEAT_OK makes a host drop the whole turn, and with it what should have been told."""
    given_run(caller, errand())
    claim = claimed(caller)
    while_held = ask(caller, "claim_node", agent_id="cc")
    finished(caller, claim)

    assert "say" not in while_held
    assert _why(ask(caller, "claim_node", agent_id="cc")) == {"reason": "empty", "queued": 0, "say": "HEARTBEAT_OK"}


def test_a_lease_may_be_without_end(caller: Caller) -> None:
    """A person who works on a node by hand sends no heartbeats."""
    given_run(caller)

    assert "lease_expires_at" not in claimed(caller, lease_s=0)
    assert refusal(caller, "claim_node", run_id="audit-1", lease_s=3).splitlines()[0] == (
        "invalid_request: lease_s is 3; it must be 5 to 86,400 seconds, or 0 for a lease without end"
    )


def test_a_heartbeat_extends_the_lease_as_claimed_and_tells_words_of_people(caller: Caller, hands: Hands) -> None:
    """It is the only time that a busy worker listens."""
    given_run(caller)
    fence = claimed(caller, lease_s=600)["fence"]
    hands.move(minutes=5)

    answer = ask(caller, "heartbeat_node", run_id="audit-1", fence=fence, message="reading", percent=40)

    assert answer["lease_expires_at"] == "2026-01-01T09:15:00.000+00:00"
    assert (answer["stop"], answer["messages"], answer["attempt"]) == (False, [], 1)
    assert answer["next"][0]["args"]["fence"] == fence


def test_a_heartbeat_after_a_cancel_or_a_release_says_stop(caller: Caller) -> None:
    """Without it a worker goes on for an hour on work nobody wants."""
    given_run(caller)
    fence = claimed(caller)["fence"]
    ask(caller, "request_control", run_id="audit-1", action="release", node_id="gather", message="it hangs")
    beat = ask(caller, "heartbeat_node", run_id="audit-1", node_id="gather", fence=fence)
    ask(caller, "request_control", run_id="audit-1", action="cancel")
    last = ask(caller, "heartbeat_node", run_id="audit-1", node_id="gather", fence=fence)

    assert (beat["stop"], beat["stop_reason"], beat["next"]) == (True, "the node is ready: this attempt is over", [])
    assert (last["stop"], last["stop_reason"]) == (True, "the run was cancelled")


GATED = """---
workflowId: gated
title: Weigh, then ask
nodes:
  - id: weigh
    title: Weigh
    kind: session_turn
    prompt: Weigh.
    outputs: {mode: report, requiredFiles: [nodes/weigh/report.md]}
  - id: gate
    title: Go on?
    kind: approval
    needs: [weigh]
    when: nodes.weigh.result.heaviest != null and nodes.weigh.result.heaviest > 6
---
"""


def test_what_decides_whether_a_person_is_asked_is_never_left_out(caller: Caller) -> None:
    """Each refusal's call says again all that was right, so that following them to the letter skips no approval."""
    ask(caller, "scaffold_run", run_id="audit-1", workflow_text=GATED)
    fence = claimed(caller, node_id="weigh")["fence"]
    done = {"run_id": "audit-1", "fence": fence, "outcome": "completed", "summary": "s"}

    without_report = refusal(caller, "finish_node", **done, payload={"heaviest": 8})
    assert '"payload": {"heaviest": 8}' in without_report.splitlines()[-1]
    without_result = refusal(caller, "finish_node", **done, report="# R\n" * 100)
    assert without_result.splitlines()[0] == (
        "invalid_request: payload has no 'heaviest'; by it the approval 'gate' is asked of a person or not"
    )
    assert '"report": "<report: as before>"' in without_result
    assert '"payload": {"heaviest": "<heaviest: number, without quotes>"}' in without_result
    handed_in = ask(caller, "finish_node", **done, report="# R", payload={"heaviest": None})
    assert handed_in["skipped"] == ["gate"]


def test_a_result_may_be_left_out_where_the_person_is_asked_all_the_same(caller: Caller) -> None:
    """A gate that is open unless somebody says otherwise needs no refusal; that is what `== null or` is for."""
    ask(caller, "scaffold_run", run_id="audit-1", workflow_text=GATED.replace("!= null and", "== null or"))
    fence = claimed(caller, node_id="weigh")["fence"]

    answer = ask(caller, "finish_node", run_id="audit-1", fence=fence, outcome="completed", summary="s", report="# R")

    assert [row["node_id"] for row in answer["waiting_for"]] == ["gate"]
    assert answer["warnings"][0].startswith("missing_result: payload has no 'heaviest'")
