"""After any history, whoever died in it and whatever hands did, lists from the index are lists from the folders."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.commands import (
    AddNode,
    AnyCommand,
    AppendEvent,
    Bind,
    ClaimNode,
    Control,
    ControlAction,
    FinishNode,
    RemoveNode,
    Tick,
)
from registry.core.names import moment
from registry.core.run import Run
from registry.core.workflow import NodeDefinition
from registry.storage.listing import RunQuery, run_key
from registry.storage.views import TaskQuery, sort_key
from tests.storage.index.world import (
    AGENT,
    PAIR,
    PERSON,
    SINGLE,
    World,
    agent,
    hold_against_scan,
    hold_ledger_against_scan,
    hold_queues_against_scan,
    refusals_are_answers,
)

NAMES = ("alpha", "alpha-1", "alpha.x", "beta", "gamma", "delta")
ACTIONS: tuple[ControlAction, ...] = ("pause", "resume", "retry", "skip", "approve", "cancel", "send_message")
CHANGES = (
    "claim", "claim", "claim", "completed", "completed", "failed", "waiting", "released",
    "progress", "bind", "bind run", "add", "remove", "tick", "control", "control",
)  # fmt: skip
STEPS = (
    *CHANGES, *CHANGES,
    "create", "create", "die", "die", "die by file", "let time pass", "make and die", "copy in", "take away",
    "hide", "archive", "archive", "restore", "delete", "delete its file", "spoil",
    "look at runs", "look at runs", "look at tasks", "look at queues",
)  # fmt: skip
Step = tuple[str, str, str, int]
numbers = st.integers(0, 15)
steps = st.tuples(
    st.sampled_from(STEPS), st.sampled_from(NAMES), st.sampled_from(("one", "one", "two", "gate", "work")), numbers
)

# One filter finds what is wrong with it far oftener than many at once, which mostly leave nothing.
RUN_QUERIES = (
    RunQuery(),
    RunQuery(archived=True),
    *(RunQuery(statuses=frozenset({status})) for status in ("running", "paused", "completed", "failed", "cancelled")),
    RunQuery(statuses=frozenset({"completed", "cancelled"}), archived=True),
    *(RunQuery(workflow_id=workflow_id) for workflow_id in ("pair", "none")),
    *(RunQuery(agent_id=agent_id) for agent_id in ("anna", "cc", "main")),
    *(RunQuery(session_key=key) for key in ("agent:main:chat", "agent:sub:1")),
    *(RunQuery(text=text) for text in ("pair", "äpfel", "half done 3", "please", "u")),
    RunQuery(agent_id="otto", statuses=frozenset({"running"}), text="alone"),
)
TASK_QUERIES: tuple[dict[str, Any], ...] = (
    {},
    *({"statuses": frozenset({status})} for status in ("queued", "running", "completed", "failed", "cancelled")),
    *({"sort_by": sort_by} for sort_by in ("created", "ended")),
    {"agent_id": "anna"},
    {"session_key": "agent:main:chat"},
    {"session_key": "agent:sub:1", "sort_by": "created"},
    {"run_id": "alpha"},
    {"group": "g"},
    {"tag": "t"},
    {"tag": "u", "agent_id": "otto"},
    {"min_priority": 6, "statuses": frozenset({"queued", "running"})},
)


@given(st.lists(steps, min_size=25, max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_lists_from_the_index_are_lists_from_the_folders(history: list[Step], random: Random) -> None:
    """An index that is wrong once is worse than none: people would have to look at every folder again."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            for name in NAMES[:3]:
                world.create(name, SINGLE if name == "alpha.x" else PAIR)
            for step in history:
                with refusals_are_answers():
                    _do(world, *step)
            for place, name in enumerate(NAMES):
                with refusals_are_answers():
                    _do(
                        world,
                        random.choice(("die", "die by file", "claim")),
                        name,
                        "one",
                        random.choice((0, 3, 14)) + place,
                    )
            _look_at_everything(world, random)
        finally:
            world.close()


def _do(world: World, what: str, name: str, node_id: str, number: int) -> None:
    world.move(number)
    match what:
        case "create":
            more = {"group": "g", "tags": ("u",)} if number % 2 else {}
            world.create(name, PAIR if number < 5 else SINGLE, process=number, **more)
        case "let time pass":
            world.move((61, 3_600, 86_400 * 3)[number % 3])
        case "make and die":
            world.create_and_die(name)
        case "copy in":
            other = NAMES[number % len(NAMES)]
            if name in world.run_ids() and other not in world.run_ids():
                world.copy(name, other)
        case "take away":
            if name in world.run_ids():
                world.take_away(name)
                # Another run put in its place before anybody looks is found only where its files are compared.
                world.lists(number).page(RunQuery(), limit=100)
        case "hide":
            world.hide(name, node_id, process=number)
        case "archive":
            world.archive(number).put(name, lambda run: None, wait_s=5)
        case "restore":
            world.archive(number).restore(name, wait_s=5)
        case "delete" | "delete its file":
            world.delete_index(all_of_it=what == "delete")
        case "spoil":
            world.spoil_index()
        case "look at runs":
            _look_at_runs(world, RUN_QUERIES[number], number)
        case "look at tasks":
            _look_at_tasks(world, TASK_QUERIES[number], number)
        case "look at queues":
            hold_queues_against_scan(world, number)
        case _:
            _change(world, what, name, node_id, number)


def _change(world: World, what: str, name: str, node_id: str, number: int) -> None:
    change = CHANGES[number * 2 % len(CHANGES)] if what.startswith("die") else what
    command = _command(change, world.process(number).read(name).run, node_id, number, at=str(world.at))
    if not what.startswith("die"):
        world.change(name, command, process=number)
    elif name in world.run_ids():
        world.change_and_die(name, command, by_file=what == "die by file")


def _look_at_runs(world: World, query: RunQuery, number: int) -> None:
    page = hold_against_scan(world, query, process=number)
    if page.runs:
        hold_against_scan(world, replace(query, after=run_key(page.runs[0])), process=number, limit=2)
        changed = moment(page.runs[-1].updated_at)
        hold_against_scan(world, replace(query, changed_since=changed), process=number)
        hold_against_scan(world, replace(query, changed_since=changed + timedelta(microseconds=1)), process=number)


def _look_at_tasks(world: World, fields: dict[str, Any], number: int) -> None:
    query = TaskQuery(now=world.at, **fields)
    hold_ledger_against_scan(world, query, process=number)
    first = next(world.scanned_tasks.tasks(query), None)
    if first is not None:
        hold_ledger_against_scan(world, replace(query, after=sort_key(first, query.sort_by)), process=number)


def _look_at_everything(world: World, random: Random) -> None:
    looks: list[Callable[[int], None]] = [
        *(partial(_look_at_runs, world, query) for query in RUN_QUERIES),
        *(partial(_look_at_tasks, world, fields) for fields in TASK_QUERIES),
        partial(hold_queues_against_scan, world),
    ]
    # In any order: each look mends what it shows, and so hides it from those that come after.
    random.shuffle(looks)
    for number, look in enumerate(looks):
        look(number)


def _command(what: str, run: Run, node_id: str, number: int, *, at: str) -> AnyCommand:
    node = run.state.nodes.get(node_id)
    fence = node.lease.fence if node is not None and node.lease is not None else None
    match what:
        case "claim":
            return ClaimNode(actor=AGENT, agent_id=agent(number), lease_s=60, fence_secret=f"aaaaaaa{number}")
        case "completed" | "failed" | "waiting" | "released":
            error = "no" if what == "failed" else None
            return FinishNode(actor=AGENT, node_id=node_id, fence=fence, outcome=what, summary="done", error=error)
        case "progress":
            return AppendEvent(actor=AGENT, event="run.progress", message=f"half done {number}")
        case "bind":
            return Bind(actor=AGENT, node_id=node_id if number % 2 else None, session_key="agent:sub:1")
        case "bind run":
            if number % 2:
                return Bind(actor=AGENT, planner_session_key="agent:sub:1")
            return Bind(actor=AGENT, source_session_key="agent:sub:1")
        case "add":
            added = NodeDefinition(id=f"more-{number}", title="More Äpfel", kind="session_turn", prompt="p")
            return AddNode(actor=AGENT, node=added)
        case "remove":
            return RemoveNode(actor=AGENT, node_id=node_id)
        case "tick":
            return Tick(actor=AGENT)
        case _:
            return _control(node_id, number, at=at)


def _control(node_id: str, number: int, *, at: str) -> Control:
    action = ACTIONS[number % len(ACTIONS)]
    return Control(
        actor=PERSON,
        action=action,
        control_id=f"c-{at}",
        node_id=node_id if action in ("retry", "skip", "approve") else None,
        message="please look" if action == "send_message" else None,
    )
