"""One evening: three agents share queues fed by a workflow, by errands and by a flow.

One of them crashes, one is late, a person pauses the workflow and lets it go on. What the ledger,
the queues and the trails say at the end is kept as a golden account.
"""

import asyncio
from pathlib import Path
from typing import Any

from registry import clock
from registry.core.commands import Control, ControlAction
from registry.core.run import Actor
from registry.registry import Registry
from registry.settings import Settings

from .actors import Agent, Answer, agent
from .golden import assert_golden

ACCOUNT = Path(__file__).parent / "golden" / "evening.txt"
SHORT_S = 5
MARIA = Actor(kind="operator", id="maria", via="http", verified=True)
RELEASE = """---
workflowId: release
title: Release of the evening
nodes:
  - {id: build, title: Build it, kind: session_turn, agentId: anna, priority: 9, prompt: Build.}
  - {id: notes, title: Write the notes, kind: session_turn, agentId: cora, prompt: Write.}
  - {id: ship, title: Ship it, kind: session_turn, agentId: anna, needs: [build, notes], prompt: Ship.}
  - {id: tell, title: Tell all, kind: summary, agentId: bob, needs: [ship], prompt: Tell.}
---
"""


async def feed(lead: Agent) -> str:
    """The evening's work from three sides; returns the flow's id."""
    await lead.call("scaffold_run", workflow_text=RELEASE, run_id="release")
    errands: list[dict[str, Any]] = [
        {"name": "Water the plants", "agent_id": "anna", "priority": "P0", "request_id": "plants"},
        {"name": "Sort the mail", "agent_id": "bob", "priority": "P1", "request_id": "mail"},
        {"name": "Answer the mail", "agent_id": "bob", "request_id": "answers"},
        {"name": "Never mind", "agent_id": "cora", "priority": 1, "request_id": "never"},
    ]
    ids: dict[str, str] = {}
    for errand in errands:
        if errand["request_id"] == "answers":
            errand |= {"depends_on": [ids["mail"]]}
        made = await lead.call("create_task", **errand)
        ids[errand["request_id"]] = made["task_id"]
    again = await lead.call("create_task", **errands[0])
    assert (again["task_id"], again["created"]) == (ids["plants"], False)
    await lead.call("cancel_task", task_id=ids["never"], reason="nobody minds")
    flow = await lead.call(
        "create_flow", controller_id="planner", goal="Look into the log", owner_key="agent:lead:main", request_id="log"
    )
    flow_id = str(flow["flow"]["flow_id"])
    linked = await lead.call(
        "run_flow_task", flow_id=flow_id, runtime="subagent", task="Read the log", child_session_key="agent:child:log",
        status="running",
    )  # fmt: skip
    assert linked["created"], linked
    return flow_id


async def take(worker: Agent, name: str, **more: Any) -> Answer:
    """What an agent's queue gives it next."""
    claim = await worker.call("claim_node", agent_id=name, **more)
    assert claim["claimed"], claim
    return claim


async def do(worker: Agent, claim: Answer) -> Answer:
    """Finish claimed work."""
    return await worker.call(
        "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome="completed", summary="done"
    )


def person(root: Path, action: ControlAction) -> None:
    """A person at a screen steers the workflow."""
    registry = Registry.open(Settings(root=root))
    control = Control(actor=MARIA, action=action, control_id=clock.fresh_id("control"), message="dinner")
    registry.transact("release", control)
    registry.store.close()


async def until(worker: Agent, run_id: str, node_id: str, status: str) -> None:
    """Wait until a node stands so; leases run out only when somebody looks."""
    waited = await worker.call("wait_for_run", run_id=run_id, node_id=node_id, status=status, timeout_s=30)
    assert waited["reached"], waited


async def test_an_evening_of_three_agents_ends_as_it_should(tmp_path: Path) -> None:
    """Errands, nodes of a workflow and children of a flow are one kind of thing, whatever happens to workers."""
    async with agent(tmp_path, "lead", "--toolsets", "all") as lead:
        flow_id = await feed(lead)
        async with agent(tmp_path, "anna") as anna, agent(tmp_path, "cora") as cora:
            plants = await take(anna, "anna")
            assert plants["title"] == "Water the plants"
            await do(anna, plants)
            build = await take(anna, "anna")
            assert build["task_id"] == "release:build"

            async with agent(tmp_path, "bob") as bob:
                mail = await take(bob, "bob", lease_s=SHORT_S)
            # bob's process is gone; nobody said anything.
            late = await take(cora, "cora", lease_s=SHORT_S)
            assert late["task_id"] == "release:notes"

            person(tmp_path, "pause")
            await do(anna, build)

            await until(lead, mail["run_id"], "work", "ready")
            await until(lead, "release", "notes", "ready")
            handed_in = await do(cora, late)
            assert handed_in["late"] is True
            nothing = await anna.call("claim_node", agent_id="anna")
            assert (nothing["claimed"], nothing["reason"]) == (False, "paused"), nothing

            async with agent(tmp_path, "bob") as bob:
                again = await take(bob, "bob")
                assert (again["task_id"], again["attempt"]) == (mail["task_id"], 2)
                held = await lead.call("list_tasks", agent_id="bob", order="queue")
                assert [task["held_by"] for task in held["tasks"]] == [[mail["task_id"]]]
                await do(bob, again)
                await do(bob, await take(bob, "bob"))

                person(tmp_path, "resume")
                await do(anna, await take(anna, "anna"))
                await do(bob, await take(bob, "bob"))

        await lead.call("finish_node", run_id=flow_id, outcome="completed", summary="nothing in it")
        ended = await lead.call("update_flow", flow_id=flow_id, action="finish", expected_revision=0)
        assert ended["applied"], ended
        assert_golden(await account(lead, flow_id), ACCOUNT)


async def account(reader: Agent, flow_id: str) -> str:
    """What the registry says of the evening: ledger, queues, statistics, trails."""
    names = {flow_id: "<flow>"}
    ledger = await reader.call("list_tasks", order="created", limit=50)
    assert "next_cursor" not in ledger
    rows = []
    for task in ledger["tasks"]:
        if task["run_id"].startswith("task-"):
            names[task["run_id"]] = f"<{task['title']}>"
        fields = (task["status"], f"attempt {task['attempt']}", task["priority_label"], task.get("agent_id", "nobody"))
        end = task.get("terminal_outcome", "")
        rows.append(" | ".join((task["title"], task["runtime"], *fields, end)))
    lines = ["ledger", *sorted(rows), "", "queues"]
    for name in ("anna", "bob", "cora"):
        queue = await reader.call("list_tasks", agent_id=name, order="queue")
        lines.append(f"{name}: {len(queue['tasks'])} {queue['say']}")
    runs = await asyncio.gather(*(trail(reader, run_id) for run_id in names))
    for title, told in sorted([*zip(names.values(), runs, strict=True), ("release", await trail(reader, "release"))]):
        lines += ["", title, *told]
    effects = await reader.call("get_run", run_id=flow_id)
    lines += ["", "effects of the flow", *(f"{effect['kind']}: {effect['do']}" for effect in effects["effects"])]
    return "\n".join(lines) + "\n"


async def trail(reader: Agent, run_id: str) -> list[str]:
    """A run's events in order: name, node, who."""
    page = await reader.call("get_run", run_id=run_id, view="events")
    events = page["events"]
    while "next_cursor" in page:
        page = await reader.call("get_run", run_id=run_id, view="events", cursor=page["next_cursor"])
        events += page["events"]
    events = sorted(events, key=lambda event: event["seq"])
    return [
        f"  {event['event']} {event.get('node_id', '-')} by {event['by']['kind']} {event['by']['id']}"
        for event in events
    ]
