"""A real job, whole: a repository audit with two reviewers in server processes of their own.

The orchestrator goes by what `next` says; its children know only their `child_prompt`. What is
left on disk is kept as a golden folder: it is what people will read years later.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from .actors import Agent, Answer, agent
from .golden import as_golden, assert_golden

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "repository-audit.txt"
RUN = "audit-1"
CALL = re.compile(r"(claim_node) (\{.*?\})")

PAYLOADS: dict[str, dict[str, Any]] = {
    "security": {"critical": 0, "high": 1, "medium": 2, "low": 3},
    "speed": {"findings": 2, "measured": 2},
    "weigh": {"heaviest": 8, "findings": 7},
}


def step(answer: Answer, tool: str) -> dict[str, Any]:
    """The arguments that an answer offers for a tool."""
    offered = [call["args"] for call in answer["next"] if call["tool"] == tool]
    assert offered, f"{tool} is not among {answer['next']}"
    return dict(offered[0])


async def work(worker: Agent, claim: Answer) -> Answer:
    """Do a claimed node as its brief asks, and hand it in by the call that the claim offered."""
    node = claim["node_id"]
    finish = step(claim, "finish_node") | {"summary": f"{node} is done", "report": f"# {node}\n\nWhat was found.\n"}
    return await worker.call("finish_node", **{**finish, "payload": PAYLOADS.get(node, {})})


async def own_work(orchestrator: Agent, answer: Answer) -> Answer:
    """Claim and do the node that an answer offers."""
    claim = await orchestrator.call("claim_node", **step(answer, "claim_node"))
    assert claim["claimed"], claim
    return await work(orchestrator, claim)


async def dispatch(orchestrator: Agent, node: str) -> dict[str, Any]:
    """Brief a child; returns the arguments of the one call that its prompt tells it to make first."""
    briefed = await orchestrator.call(
        "write_handoff", run_id=RUN, node_id=node, goal=f"Review for {node}", context="The map is in gather's report."
    )
    await orchestrator.call("bind_session", run_id=RUN, node_id=node, child_session_key=f"agent:child:{node}")
    found = CALL.search(briefed["child_prompt"])
    assert found is not None, briefed["child_prompt"]
    return dict(json.loads(found[2]))


async def test_an_audit_goes_from_its_workflow_file_to_its_report(tmp_path: Path) -> None:
    """The main job of this project, as its users do it: real files, real processes, a real client."""
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows")
    async with agent(tmp_path, "lead", "--toolsets", "core,admin") as lead:
        assert (await lead.call("list_runs", status="open"))["runs"] == []
        checked = await lead.call("validate_workflow", workflow_path="repository-audit")
        assert checked["ok"], checked
        made = await lead.call(
            "scaffold_run",
            workflow_path="repository-audit",
            run_id=RUN,
            inputs={"repository": "https://example.org/shop.git"},
            source_session_key="agent:lead:main",
        )
        await own_work(lead, made)

        claims = {node: await dispatch(lead, node) for node in ("security", "speed")}
        async with agent(tmp_path, "alice") as alice, agent(tmp_path, "bob") as bob:
            held = {
                "security": (alice, await alice.call("claim_node", **claims["security"])),
                "speed": (bob, await bob.call("claim_node", **claims["speed"])),
            }
            refused = await bob.refusal("claim_node", run_id=RUN, node_id="security")
            assert refused.startswith("conflict: node 'security' is with 'alice' (attempt 1")
            beat = {"run_id": RUN, "fence": held["speed"][1]["fence"], "message": "two of three measured"}
            await bob.call("heartbeat_node", **beat)
            for worker, claim in held.values():
                await work(worker, claim)

        seen = await lead.call("get_run", run_id=RUN)
        weighed = await own_work(lead, seen)
        assert [wait["node_id"] for wait in weighed["waiting_for"]] == ["severe-gate"]
        refused = await lead.refusal("finish_node", run_id=RUN, node_id="severe-gate", outcome="completed")
        assert refused.startswith("illegal_transition: 'severe-gate' is an approval: a person decides")

        approve = step(weighed, "request_control") | {"message": "Maria: only the maintainers"}
        decided = await lead.call("request_control", **approve)
        assert (decided["decision"], decided["relayed"]) == ("approved", True)
        ended = await own_work(lead, decided)
        assert ended["run_status"] == "completed"
        proof = await lead.call("validate_run", run_id=RUN)
        assert proof["ok"] and not proof["problems"], proof
    assert_golden(as_golden(tmp_path / "runs" / RUN), GOLDEN)
