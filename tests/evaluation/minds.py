"""What an agent that understood would do in each job; it knows what the person said and what answers say."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.evaluation.hands import Answer, Hand

Mind = Callable[[Hand, int], Awaitable[None]]

MOVE = """\
---
workflowId: move
title: Move to another flat
nodes:
  - {id: list, title: List what there is, kind: session_turn, prompt: List it., outputs: {mode: report}}
  - {id: one, title: Ask a carrier, kind: session_turn, needs: [list], prompt: Ask., outputs: {mode: report}}
  - {id: two, title: Ask another, kind: session_turn, needs: [list], prompt: Ask., outputs: {mode: report}}
  - {id: choice, title: Which one, kind: summary, needs: [one, two], prompt: Say., outputs: {mode: report}}
---
"""


def report(node: str) -> str:
    return f"# {node}\n\nWhat there is to say about {node}.\n"


async def work(hand: Hand, **claim_of: Any) -> Answer | None:
    """Claim a node and hand it in; None where there was nothing to claim."""
    claim = await hand.call("claim_node", **claim_of)
    if not claim["claimed"]:
        return None
    return await hand.call(
        "finish_node",
        run_id=claim["run_id"],
        node_id=claim["node_id"],
        fence=claim["fence"],
        outcome="completed",
        summary=f"{claim['node_id']} is done",
        report=report(claim["node_id"]),
    )


async def see_through(hand: Hand, answer: Answer) -> Answer:
    """Claim and finish what `next` offers, until it offers no node."""
    while True:
        claims = [step["args"] for step in answer["next"] if step["tool"] == "claim_node"]
        done = await work(hand, **claims[0]) if claims else None
        if done is None:
            return answer
        answer = done


async def only_open_run(hand: Hand) -> str:
    (row,) = (await hand.call("list_runs", status="open"))["runs"]
    return str(row["run_id"])


async def first_run(hand: Hand, turn: int) -> None:
    begun = await hand.call("scaffold_run", workflow_path="newsletter", inputs={"topic": "lighthouses"})
    await see_through(hand, begun)


async def resume(hand: Hand, turn: int) -> None:
    await see_through(hand, await hand.call("get_run", run_id=await only_open_run(hand)))


async def author(hand: Hand, turn: int) -> None:
    await hand.call("validate_workflow", workflow_text=MOVE)
    await see_through(hand, await hand.call("scaffold_run", workflow_text=MOVE))


async def sub_agents(hand: Hand, turn: int) -> None:
    begun = await hand.call("scaffold_run", workflow_path="review")
    run_id = begun["run_id"]
    await work(hand, run_id=run_id, node_id="gather")
    for node in ("security", "speed"):
        told = await hand.call(
            "write_handoff", run_id=run_id, node_id=node, goal=f"Review {node}.", context="The map is in the report."
        )
        assert f'"node_id": "{node}"' in told["child_prompt"]
        await work(hand, run_id=run_id, node_id=node, agent_id=f"child-{node}")
    await work(hand, run_id=run_id, node_id="summary")


async def relay_approval(hand: Hand, turn: int) -> None:
    if turn == 1:
        await see_through(hand, await hand.call("scaffold_run", workflow_path="release", inputs={"version": "2.4"}))
        return
    run_id = await only_open_run(hand)
    said = "Yes, publish it, but leave out the names."
    answer = await hand.call("request_control", run_id=run_id, action="approve", node_id="gate", message=said)
    await see_through(hand, answer)


async def operator_gate(hand: Hand, turn: int) -> None:
    if turn == 1:
        await see_through(hand, await hand.call("scaffold_run", workflow_path="release", inputs={"version": "3.0"}))
        return
    await see_through(hand, await hand.call("get_run", run_id=await only_open_run(hand)))


async def paused(hand: Hand, turn: int) -> None:
    view = await hand.call("get_run", run_id=await only_open_run(hand))
    assert view["paused"]["message"] == "wait until I have read it"


async def fail_and_retry(hand: Hand, turn: int) -> None:
    if turn == 1:
        begun = await hand.call("scaffold_run", workflow_path="newsletter", inputs={"topic": "comets"})
        claim = await hand.call("claim_node", run_id=begun["run_id"], node_id="gather")
        await hand.call(
            "finish_node",
            run_id=begun["run_id"],
            node_id="gather",
            fence=claim["fence"],
            outcome="failed",
            error="the library is closed today",
        )
        return
    (row,) = (await hand.call("list_runs", status="failed"))["runs"]
    again = await hand.call(
        "request_control",
        run_id=row["run_id"],
        action="retry",
        node_id="gather",
        message="The library is open again. Do the failed step again.",
    )
    await see_through(hand, again)


async def queue(hand: Hand, turn: int) -> None:
    while await work(hand, agent_id="builder") is not None:
        pass


async def woken(hand: Hand, turn: int) -> None:
    view = await hand.call("tick_run", run_id="parser-1")
    await hand.call(
        "request_control",
        run_id="parser-1",
        action="skip",
        node_id="speed",
        message="Forget about speed; skip it.",
    )
    done = [*(row["id"] for row in view["messages"]), *(row["effect_id"] for row in view["effects"])]
    await hand.call("tick_run", run_id="parser-1", effects_done=done)


async def dead_worker(hand: Hand, turn: int) -> None:
    run_id = await only_open_run(hand)
    freed = await hand.call(
        "request_control", run_id=run_id, action="release", node_id="gather", message="ghost was switched off for good"
    )
    await see_through(hand, freed)


async def change_plan(hand: Hand, turn: int) -> None:
    added = await hand.call(
        "change_plan",
        run_id="owls",
        action="add_node",
        node_id="check-facts",
        node={
            "kind": "session_turn",
            "title": "Check each fact",
            "prompt": "Check each fact.",
            "outputs": {"mode": "report"},
        },
        needs=["draft"],
        needed_by=["final"],
    )
    await see_through(hand, added)


MINDS: dict[str, Mind] = {
    "first-run": first_run,
    "resume": resume,
    "author": author,
    "sub-agents": sub_agents,
    "relay-approval": relay_approval,
    "operator-gate": operator_gate,
    "paused": paused,
    "fail-and-retry": fail_and_retry,
    "queue": queue,
    "woken": woken,
    "dead-worker": dead_worker,
    "change-plan": change_plan,
}
