"""The folder of one try: the registry as the job begins, and what is kept beside it to judge by.

job.json      the job
before.json   the runs that were there, each with the last seq of its trail
turn          the number of the turn that is under way
calls.jsonl   every tool call with its size and how it ended
registry/     the registry
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from registry import clock
from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry
from registry.settings import init_root, load_settings

from .job import WORKFLOWS, Call, Job, Turn

Answer = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A try's folder."""

    folder: Path

    @property
    def root(self) -> Path:
        """The registry."""
        return self.folder / "registry"

    @property
    def calls(self) -> Path:
        """The record of calls."""
        return self.folder / "calls.jsonl"

    @property
    def job(self) -> Job:
        """The job that is tried."""
        return Job.model_validate_json((self.folder / "job.json").read_bytes())

    @property
    def before(self) -> Mapping[str, int]:
        """The runs that were there, each with the last seq of its trail."""
        document: dict[str, int] = json.loads((self.folder / "before.json").read_text())
        return document

    @property
    def turn(self) -> int:
        """The turn under way, from 1."""
        return int((self.folder / "turn").read_text())

    def registry(self) -> Registry:
        """The registry, opened."""
        return Registry.open(load_settings(str(self.root), environ={}, cwd=self.root))

    def new_run(self) -> str | None:
        """The one run that was not there in the beginning; None where there is none, or are several."""
        new = [run_id for run_id in self.run_ids() if run_id not in self.before]
        return new[0] if len(new) == 1 else None

    def run_ids(self) -> list[str]:
        """All runs."""
        return [str(row["run_id"]) for row in ask(self.registry(), "list_runs", {"limit": 100})["runs"]]


def prepare(job: Job, folder: Path) -> Stage:
    """Make the folder of a try.

    Raises:
        FileExistsError: the folder holds a try already.
    """
    stage = Stage(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "job.json").open("x") as file:
        file.write(job.model_dump_json(indent=2))
    init_root(stage.root)
    (stage.root / "opentask.toml").write_text(f'approvals = "{job.approvals}"\n')
    for name in job.workflows:
        shutil.copy(WORKFLOWS / f"{name}.task.md", stage.root / "workflows")
    with _minutes_ago(job.setup_minutes_ago):
        _play(stage, job.setup)
    registry = stage.registry()
    rows = ask(registry, "list_runs", {"limit": 100})["runs"]
    before = {row["run_id"]: _last_seq(registry, row["run_id"]) for row in rows}
    (folder / "before.json").write_text(json.dumps(before))
    (folder / "turn").write_text("0")
    stage.calls.touch()
    return stage


def begin(stage: Stage, number: int) -> Turn:
    """Let others do what happens before a turn, and begin it; what the person says."""
    turn = stage.job.turns[number - 1]
    _play(stage, turn.before)
    (stage.folder / "turn").write_text(str(number))
    return turn


def ask(registry: Registry, tool: str, arguments: Mapping[str, Any], *, call: Call | None = None) -> Answer:
    """One operation's answer, as plain data."""
    operation = OPERATIONS[tool]
    is_person = call is not None and call.by == "person"
    agent_id = call.agent_id if call is not None else "scorer"
    actor = (
        Actor(kind="operator", id="maria", via="http", verified=True)
        if is_person
        else Actor(kind="agent", id=agent_id, via="mcp")
    )
    caller = Caller(
        registry=registry,
        actor=actor,
        agent_id="maria" if is_person else agent_id,
        approvals=registry.settings.approvals,
    )
    answer: Answer = operation.run(caller, parse_request(operation, arguments)).plain()
    return answer


def trail(registry: Registry, run_id: str) -> list[Answer]:
    """Every event of a run, the oldest first."""
    events: dict[int, Answer] = {}
    cursor: str | None = None
    while True:
        arguments = {"run_id": run_id, "view": "events", **({"cursor": cursor} if cursor else {})}
        page = ask(registry, "get_run", arguments)
        events |= {row["seq"]: row for row in page["events"]}
        cursor = page.get("next_cursor")
        if cursor is None:
            return [events[seq] for seq in sorted(events)]


def _play(stage: Stage, calls: tuple[Call, ...]) -> None:
    registry = stage.registry()
    fence = ""
    for call in calls:
        run_id = stage.new_run() if call.args.get("run_id") == "*" else call.args.get("run_id")
        if call.args.get("run_id") == "*" and run_id is None:
            return  # the agent never made it; the checks will say so
        own = {"run_id": run_id} if run_id is not None else {}
        arguments = {**call.args, **own, **({"fence": fence} if call.args.get("fence") == "<fence>" else {})}
        fence = ask(registry, call.tool, arguments, call=call).get("fence", fence)


def _last_seq(registry: Registry, run_id: str) -> int:
    return int(trail(registry, run_id)[-1]["seq"])


@contextmanager
def _minutes_ago(minutes: int) -> Iterator[None]:
    """Let it be earlier: what happened an hour ago cannot be waited for."""
    now = clock.now
    clock.now = lambda: now() - timedelta(minutes=minutes)
    try:
        yield
    finally:
        clock.now = now
