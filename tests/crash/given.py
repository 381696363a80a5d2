"""Changes of every kind to be interrupted, each with what it starts from.

A `Case` prepares a registry and then makes one change through the public library. What may be
found afterwards is the same for all of them and stands in `judging.py`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from registry.core.commands import (
    AddNode,
    AnyCommand,
    AppendEvent,
    Bind,
    ClaimNode,
    Control,
    CreateRun,
    FinishNode,
    WriteArtifact,
)
from registry.core.names import RunId
from registry.core.record import Bag
from registry.core.run import Actor
from registry.core.workflow import NodeDefinition, Outputs, Workflow
from registry.registry import Outcome, Registry, RequestKey
from registry.settings import Durability, Settings
from registry.storage.files.checkpoints import EVERY_BYTES

RUN = "demo-1"
AGENT = Actor(kind="agent", id="cc", via="mcp")
REPORT = "nodes/gather/report.md"
DEEP = "nodes/gather/tables/deep/numbers.bin"
OLD_REPORT, NEW_REPORT = b"the first report\n" * 40, "the second report\n" * 60
NUMBERS = bytes(range(256)) * 20
EARLIER = Path(__file__).parents[1] / "storage" / "earlier" / "research-7"

WORKFLOW = Workflow(
    workflow_id="demo",
    title="A demo",
    nodes=(
        NodeDefinition(
            id="gather",
            title="Gather",
            kind="session_turn",
            prompt="Look at everything.",
            outputs=Outputs(mode="report"),
        ),
        NodeDefinition(id="check", title="Check", kind="subagent", prompt="Look for holes.", needs=("gather",)),
        NodeDefinition(id="gate", title="May it be sent?", kind="approval", needs=("check",)),
        NodeDefinition(id="summary", title="Sum it up", kind="summary", needs=("gate",)),
    ),
)

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
"""It stands still, so that two tries of one change give the same run."""


class Telling(Registry):
    """A registry whose caller takes note of every mutation that is acknowledged."""

    on_told: Callable[[int], None] = staticmethod(lambda rev: None)

    def create(self, command: CreateRun, *, request: RequestKey | None = None) -> Outcome:
        outcome = super().create(command, request=request)
        self.on_told(outcome.run.log.rev)
        return outcome

    def transact(
        self,
        run_id: RunId,
        command: AnyCommand,
        *,
        request: RequestKey | None = None,
        expected_rev: int | None = None,
    ) -> Outcome:
        outcome = super().transact(run_id, command, request=request, expected_rev=expected_rev)
        self.on_told(outcome.run.log.rev)
        return outcome


@contextmanager
def opened(
    root: Path,
    *,
    durability: Durability = "full",
    on_told: Callable[[int], None] | None = None,
    lock_wait_s: int = 5,
) -> Iterator[Registry]:
    """A registry as a process finds it that starts anew."""
    registry = Telling.open(Settings(root=root, durability=durability, lock_wait_s=lock_wait_s))
    if on_told is not None:
        registry.on_told = on_told
    try:
        yield registry
    finally:
        registry.store.close()


def create(registry: Registry, run_id: str = RUN) -> None:
    registry.create(CreateRun(run_id=run_id, workflow=WORKFLOW, actor=AGENT, request="the same"))


def note(registry: Registry, text: str = "a note", *, run_id: str = RUN, fill: int = 0) -> int:
    """Record a note; gives its mutation's number."""
    payload: Bag = {"fill": "x" * fill} if fill else {}
    command = AppendEvent(actor=AGENT, event="note.step", message=text, payload=payload)
    return registry.transact(run_id, command).run.log.rev


def claim(registry: Registry) -> None:
    registry.transact(
        RUN, ClaimNode(actor=AGENT, agent_id="cc", node_id="gather", lease_s=900, fence_secret="aaaaaaaa")
    )


def finish(registry: Registry, report: str | None = NEW_REPORT) -> None:
    registry.transact(
        RUN,
        FinishNode(
            actor=AGENT,
            node_id="gather",
            fence="1-aaaaaaaa",
            outcome="completed",
            summary="all is there",
            report=report,
            payload={"found": 3},
            accept_missing_outputs=True,
        ),
    )


def write_deep(registry: Registry) -> None:
    registry.transact(
        RUN, WriteArtifact(actor=AGENT, node_id="gather", path=DEEP, content=NUMBERS, mode="replace", fence=None)
    )


def bind(registry: Registry) -> None:
    registry.transact(RUN, Bind(actor=AGENT, cron_job_id="job-7", node_id="gather", session_key="agent:main:x"))


def pause(registry: Registry) -> None:
    registry.transact(RUN, Control(actor=AGENT, action="pause", control_id="ctl-1", message="wait a little"))


def add_node(registry: Registry) -> None:
    node = NodeDefinition(id="more", title="More", kind="session_turn", prompt="Look again.", needs=("gather",))
    registry.transact(RUN, AddNode(actor=AGENT, node=node, needed_by=("gate",)))


def add_two_nodes(registry: Registry) -> None:
    add_node(registry)
    add_another(registry)
    note(registry)


def add_another(registry: Registry) -> None:
    node = NodeDefinition(id="most", title="Most", kind="session_turn", prompt="Look thrice.", needs=("gather",))
    registry.transact(RUN, AddNode(actor=AGENT, node=node, needed_by=("gate",)))


def tick(registry: Registry) -> None:
    registry.tick(RUN)


@dataclass(frozen=True)
class Case:
    """A change, and the registry it is made in.

    Attributes:
        prepare: Makes what is there before, in an empty root.
        act: The change.
        files: Files the change writes, by run-relative path: before and afterwards.
        kept: Bytes that must still lie somewhere in the run's folder.
        is_damaged: The run takes no changes until it is repaired.
    """

    name: str
    act: Callable[[Registry], object]
    prepare: tuple[Callable[[Registry], object], ...] = (create,)
    files: dict[str, tuple[bytes | None, bytes]] = field(default_factory=dict)
    kept: tuple[bytes, ...] = ()
    is_damaged: bool = False
    run_id: str = RUN


def folder(registry: Registry, run_id: str = RUN) -> Path:
    return registry.root / "runs" / run_id


def _old_report(registry: Registry) -> None:
    (folder(registry) / REPORT).write_bytes(OLD_REPORT)


def _inbox(registry: Registry) -> None:
    with open(folder(registry) / "control.jsonl", "ab") as file:
        file.write(b'{"id":"hand-1","action":"pause","runId":"demo-1","timestamp":"2026-01-31T09:00:00Z"}\n')
        file.write(b'{"id":"hand-2","action":"send_message","runId":"demo-1","message":"hurry"}\n{"id":\n')


def _edit_plan(registry: Registry) -> None:
    path = folder(registry) / "workflow.lock.md"
    text = path.read_text()
    assert "Look for holes." in text
    path.write_text(text.replace("Look for holes.", "Look for holes and worms.").replace("A demo", "The demo"))


FOREIGN = b'{"event":"note.hand","nodeId":"gather","message":"by hand"}\nnot even JSON\n'
TORN = b'{"event":"note.step","timestamp":"2026-01-31T09:00:40.000Z","runId":"demo-1","payload":{"fill":"' + b"y" * 3000
EDITED = b'{"runId":"demo-1","status":"completed","nodes":[]}\n'


def _pause_and_go_on(registry: Registry) -> None:
    pause(registry)
    note(registry)


def _ask_and_tick(registry: Registry) -> None:
    """As a screen writes, without a sync; then the request is judged and work goes on."""
    descriptor = os.open(folder(registry) / "control.jsonl", os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b'{"id":"hand-1","action":"pause","runId":"demo-1","message":"%b"}\n' % (b"p" * 900))
    os.close(descriptor)
    registry.tick(RUN)
    note(registry)


def _edit_and_tick(registry: Registry) -> None:
    """As an editor writes, without a sync."""
    path = folder(registry) / "workflow.lock.md"
    text = path.read_bytes().replace(b"Look for holes.", b"Look for holes and worms.")
    descriptor = os.open(path, os.O_WRONLY)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text)
    os.close(descriptor)
    registry.tick(RUN)
    add_node(registry)


def _append(registry: Registry, text: bytes) -> None:
    with open(folder(registry) / "events.jsonl", "ab") as file:
        file.write(text)


def _foreign(registry: Registry) -> None:
    _append(registry, FOREIGN)


def _open_line(registry: Registry) -> None:
    _append(registry, FOREIGN.partition(b"\n")[0])


def _torn(registry: Registry) -> None:
    _append(registry, TORN)


def _glued(registry: Registry) -> None:
    _append(registry, TORN + FOREIGN)


def _edited(registry: Registry) -> None:
    (folder(registry) / "state.json").write_bytes(EDITED)


def _without_trail(registry: Registry) -> None:
    registry.store.close()
    (folder(registry) / "events.jsonl").unlink()


def _behind(registry: Registry) -> None:
    """As a kill right after the sync leaves it: the projections do not know of the last mutation."""
    state = (folder(registry) / "state.json").read_bytes()
    note(registry)
    (folder(registry) / "state.json").write_bytes(state)


def _read_and_go_on(registry: Registry) -> None:
    registry.read(RUN)
    note(registry)


DAMAGED = b'"bctor"'


def _damaged(registry: Registry) -> None:
    """A line in the middle is not what was written."""
    registry.store.close()
    trail = folder(registry) / "events.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b'"actor"', DAMAGED)
    trail.write_bytes(b"".join(lines))
    (folder(registry) / "state.json").unlink()


def _repair_and_go_on(registry: Registry) -> None:
    registry.store.care.restore(RUN, wait_s=5)
    note(registry)


def _shorter(registry: Registry) -> None:
    registry.store.close()
    trail = folder(registry) / "events.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join(lines[:-2]))


def _earlier(registry: Registry) -> None:
    shutil.copytree(EARLIER, folder(registry, EARLIER.name))


def _note_earlier(registry: Registry) -> None:
    note(registry, run_id=EARLIER.name)


def _long_note(registry: Registry) -> None:
    note(registry, "long", fill=20_000)


def _much(registry: Registry) -> None:
    """So much trail that the next change carries a snapshot."""
    for number in range(EVERY_BYTES // 60_000 + 1):
        note(registry, f"much {number}", fill=60_000)


def _note_with_snapshot(registry: Registry) -> None:
    note(registry)
    assert b',"snapshot":{' in (folder(registry) / "events.jsonl").read_bytes().splitlines()[-1]


def _three_notes(registry: Registry) -> None:
    for text in "abc":
        note(registry, text, fill=700)


CASES = (
    Case("create", create, prepare=()),
    Case("create beside another", create, prepare=(lambda registry: create(registry, "other-1"),)),
    Case("note", _long_note),
    Case("note with a snapshot", _note_with_snapshot, prepare=(create, _much)),
    Case("notes", _three_notes),
    Case("claim", claim),
    Case(
        "finish with artifacts",
        finish,
        prepare=(create, claim, _old_report),
        files={REPORT: (OLD_REPORT, NEW_REPORT.encode())},
    ),
    Case("write an artifact deep down", write_deep, files={DEEP: (None, NUMBERS)}),
    Case("finish", lambda registry: finish(registry, None), prepare=(create, claim)),
    Case("bind", bind),
    Case("control", pause),
    Case("control and on", _pause_and_go_on),
    Case("inbox by hand without a sync", _ask_and_tick),
    Case("add a node", add_node),
    Case("add two nodes", add_two_nodes),
    Case(
        "write for an added node",
        lambda registry: registry.transact(
            RUN, WriteArtifact(actor=AGENT, node_id="more", path="nodes/more/x.md", content=b"x", mode="replace")
        ),
        prepare=(create, add_node),
        files={"nodes/more/x.md": (None, b"x")},
    ),
    Case("inbox", tick, prepare=(create, _inbox)),
    Case("plan edited by hand", tick, prepare=(create, _edit_plan)),
    Case("plan edited by hand without a sync", _edit_and_tick),
    Case("lines by hand", tick, prepare=(create, _foreign), kept=(FOREIGN,)),
    Case("a line without its end", tick, prepare=(create, _open_line)),
    Case("a look at what is behind its state", _read_and_go_on, prepare=(create, _behind)),
    Case("repair of a torn end", note, prepare=(create, _torn), kept=(TORN,)),
    Case("repair of a glued line", note, prepare=(create, _glued), kept=(TORN, FOREIGN)),
    Case("repair of an edited state", note, prepare=(create, _edited), kept=(EDITED,)),
    Case("repair of a shorter trail", note, prepare=(create, claim, note, note, _shorter)),
    Case(
        "repair of a damaged line",
        _repair_and_go_on,
        prepare=(create, claim, note, note, _damaged),
        kept=(DAMAGED,),
        is_damaged=True,
    ),
    Case("repair without a trail", note, prepare=(create, claim, _without_trail)),
    Case(
        "adoption of an earlier folder",
        _note_earlier,
        prepare=(_earlier,),
        kept=tuple((EARLIER / name).read_bytes() for name in ("state.json", "refs.json", "events.jsonl")),
        run_id=EARLIER.name,
    ),
)


def prepared(case: Case, root: Path) -> Path:
    """The root with what the case starts from."""
    root.mkdir(parents=True)
    for step in case.prepare:
        with opened(root) as registry:
            step(registry)
    return root


def copied(root: Path, to: Path) -> Path:
    """Another root like it. Times are not kept, as after a restore."""
    shutil.copytree(root, to, copy_function=shutil.copyfile)
    return to


def removed(root: Path) -> None:
    """The root is gone; copies by the thousand would fill the disk."""
    shutil.rmtree(root)
