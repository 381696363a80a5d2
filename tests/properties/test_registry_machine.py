"""The registry under everything that happens to one: kills, torn ends, hands, clocks and lost files.

Whatever the order, an acknowledged change is never rolled back and is there once, reading never
fails, and after the next change or repair the run proves itself.
"""

import json
import os
import re
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry import clock
from registry.core.run import Run
from registry.errors import LogCorrupt, NotFound, RegistryError
from registry.formats.projections import is_intact
from registry.registry import Registry
from registry.storage import failpoints
from registry.storage.failpoints import WRITES, Failpoint, Step
from registry.storage.files import checkpoints
from tests.doctor.damages import lines_of, write_lines
from tests.doctor.given import RUN, Ask, opened

WORKFLOW = """---
workflowId: demo
title: A demo
nodes:
  - {id: a, title: A, kind: session_turn, prompt: Do a., retry: {maxAttempts: 3, maxLost: 5}}
  - {id: b, title: B, kind: session_turn, prompt: Do b., retry: {maxAttempts: 3, maxLost: 5}}
  - {id: c, title: C, kind: session_turn, prompt: Do c., needs: [a, b]}
  - {id: sum, title: Sum up, kind: summary, needs: [c]}
---
"""
STEPS: tuple[Step, ...] = (
    "append.write", "file.open", "file.write", "replace.rename", "lock.note", "repair.cut", "place.rename", "file.sync",
)  # fmt: skip
NODES = ("a", "b", "c", "sum")
PROJECTIONS = ("state.json", "refs.json", "workflow.lock.md", ".opentask", "control.jsonl")

_real_now = clock.now


@pytest.fixture(autouse=True)
def _small_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """These lives are short; their trails carry snapshots all the same."""
    monkeypatch.setattr(checkpoints, "EVERY_BYTES", 2_000)
    monkeypatch.setattr(checkpoints, "TIMES_SNAPSHOT", 0)


class Life(RuleBasedStateMachine):
    """One run's life. `expected` is the run as it was acknowledged last."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="opentask-machine-"))
        self.at = datetime(2026, 1, 1, 9, tzinfo=UTC)
        clock.now = lambda: self.at
        self.registry: Registry = opened(self.root)
        self.fences: dict[str, str] = {}
        self.notes: list[str] = []
        """Messages of notes that were acknowledged and that no hand took out of the trail."""
        self.count = 0
        self.is_damaged = False
        self.is_unsure = False
        """Several files were damaged that vouch for each other, so what was acknowledged may be known to none."""

    @initialize()
    def begin(self) -> None:
        self.ask("scaffold_run", workflow_text=WORKFLOW, run_id=RUN)
        self.settle()

    def teardown(self) -> None:
        clock.now = _real_now
        self.registry.store.close()
        shutil.rmtree(self.root)

    @property
    def folder(self) -> Path:
        return self.root / "runs" / RUN

    def ask(self, name: str, **arguments: object) -> dict[str, object]:
        return dict(Ask(self.root, self.registry)(name, **arguments))

    def read(self) -> Run:
        fresh = opened(self.root)
        try:
            return fresh.store.read(RUN).run
        finally:
            fresh.store.close()

    def settle(self) -> None:
        """Take what is there now as acknowledged."""
        with suppress(*self.excused()):
            self.expected = self.read()

    def excused(self) -> tuple[type[RegistryError], ...]:
        """What may be said instead of an answer: that no file gives a run, where that may be so."""
        return (LogCorrupt, NotFound) if self.is_unsure else ()

    def doubt(self) -> None:
        """Hands take what alone may know of something: from here on nobody can say what is right."""
        self.is_unsure = True
        self.notes = []

    def change(self, name: str, **arguments: object) -> dict[str, object] | None:
        """Ask for a change; a refusal must leave everything as it was, but for what others left."""
        self.at += timedelta(seconds=1)
        try:
            answer: dict[str, object] | None = self.ask(name, **arguments)
        except LogCorrupt:
            assert self.is_damaged or self.is_unsure
            return None
        except RegistryError:
            answer = None
        self.settle()
        return answer

    # What agents and people do

    @rule(node=st.sampled_from(NODES), lease_s=st.sampled_from((0, 60, 86_400)))
    def claim(self, node: str, lease_s: int) -> None:
        answer = self.change("claim_node", run_id=RUN, node_id=node, lease_s=lease_s)
        if answer is not None and answer["claimed"]:
            self.fences[node] = str(answer["fence"])

    @rule(node=st.sampled_from(NODES), outcome=st.sampled_from(("completed", "failed", "released")))
    def finish(self, node: str, outcome: str) -> None:
        if node in self.fences:
            said = {"error": "it broke"} if outcome == "failed" else {"report": f"# {node}"}
            said = {} if outcome == "released" else said
            self.change("finish_node", run_id=RUN, node_id=node, fence=self.fences[node], outcome=outcome, **said)

    @rule()
    def note(self) -> None:
        self.count += 1
        message = f"note {self.count}"
        if self.change("append_event", run_id=RUN, event="note.test", message=message) is not None:
            self.notes.append(message)

    @rule(action=st.sampled_from(("pause", "resume")))
    def steer(self, action: str) -> None:
        self.change("request_control", run_id=RUN, action=action, message="for a test")

    @rule(action=st.sampled_from(("pause", "resume", "send_message", "nonsense")))
    def write_into_the_inbox(self, action: str) -> None:
        self.count += 1
        line = {"id": f"c{self.count}", "action": action, "runId": RUN, "timestamp": "2026-01-01T00:00:00Z",
                "message": "by hand"}  # fmt: skip
        with (self.folder / "control.jsonl").open("ab") as inbox:
            inbox.write(json.dumps(line).encode() + b"\n")

    # What happens to machines

    @rule()
    def start_anew(self) -> None:
        """A process that knew the run is gone; one comes that knows nothing."""
        self.registry.store.close()
        self.registry = opened(self.root)

    @rule(hours=st.sampled_from((-30, -1, 1, 30, 24 * 3_650)))
    def move_the_clock(self, hours: int) -> None:
        self.at += timedelta(hours=hours) if self.at.year < 2050 or hours < 0 else timedelta()

    @rule(
        step=st.sampled_from(STEPS),
        when=st.integers(1, 4),
        what=st.sampled_from(("note", "claim", "finish", "repair")),
        node=st.sampled_from(NODES),
        torn=st.booleans(),
    )
    def be_killed(self, step: Step, when: int, what: str, node: str, torn: bool) -> None:
        """A process dies in the middle: of its change all is there or nothing, and of others all."""
        before = self.expected
        self.at += timedelta(seconds=1)
        self.count += 1
        child = os.fork()
        if child == 0:
            try:
                failpoints.arm(Failpoint(step, "torn" if torn and step in WRITES else "kill", when))
                self.one_change(what, node)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if self.is_unsure:
            self.settle()
            return
        after = self.read()
        assert after.log.rev >= before.log.rev
        if after.log.rev == before.log.rev:
            assert after.state == before.state
        self.expected = after

    def one_change(self, what: str, node: str) -> None:
        registry = opened(self.root)
        ask = Ask(self.root, registry)
        if what == "note":
            ask("append_event", run_id=RUN, event="note.test", message=f"killed note {self.count}")
        elif what == "claim":
            ask("claim_node", run_id=RUN, node_id=node)
        elif what == "finish" and node in self.fences:
            ask("finish_node", run_id=RUN, node_id=node, fence=self.fences[node], outcome="completed", report="# x")
        else:
            ask("repair_run", run_id=RUN)

    # What hands and disks do

    @rule(
        text=st.sampled_from((b"\0" * 30, b'{"event":"note.half","seq"', b"what is this\n", b'{"event":"note.hand"}\n'))
    )
    def append_to_the_trail(self, text: bytes) -> None:
        with (self.folder / "events.jsonl").open("ab") as trail:
            trail.write(text)

    @rule(name=st.sampled_from(PROJECTIONS))
    def lose_a_file(self, name: str) -> None:
        path = self.root / name if name == ".opentask" else self.folder / name
        # The state may go while the trail still tells it all: with both gone nobody knows more.
        if self.is_damaged or (name != "control.jsonl" and self.has_lost_lines()):
            self.doubt()
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()

    @rule(name=st.sampled_from(("state.json", "refs.json")), status=st.sampled_from(("completed", "cancelled")))
    def edit_a_projection(self, name: str, status: str) -> None:
        path = self.folder / name
        if not path.exists():
            return
        if self.is_damaged or self.has_lost_lines():
            self.doubt()
        text = path.read_bytes()
        path.write_bytes(text.replace(b'"running"', f'"{status}"'.encode()).replace(b'""', b'"x"', 1))

    @rule()
    def edit_the_plan(self) -> None:
        path = self.folder / "workflow.lock.md"
        if path.exists():
            self.count += 1
            if not self.plan_cache.exists() and self.has_lost_lines():
                self.doubt()
            path.write_bytes(path.read_bytes().replace(b"Sum up", f"Sum up {self.count}".encode()))

    def has_lost_lines(self) -> bool:
        fresh = opened(self.root)
        codes = {one.code for one in fresh.store.validate(RUN)}
        fresh.store.close()
        return bool(codes & {"log_shorter", "log_corrupt"})

    def is_vouched_for(self) -> bool:
        """Whether state.json and refs.json by themselves still tell the whole run."""
        fresh = opened(self.root)
        codes = {one.code for one in fresh.store.validate(RUN)}
        fresh.store.close()
        vouching = {
            "projection_missing",
            "projection_stale",
            "state_edited",
            "refs_edited",
            "log_shorter",
            "log_corrupt",
        }
        return not codes & vouching and self.plan_cache.exists()

    @property
    def plan_cache(self) -> Path:
        return self.root / ".opentask" / "plans" / f"{RUN}.json"

    @rule(count=st.integers(1, 3))
    def lose_the_end_of_the_trail(self, count: int) -> None:
        if not self.is_vouched_for():
            self.doubt()
        lines = lines_of(self.folder)
        gone = b"".join(lines[-count:])
        write_lines(self.folder, lines[:-count])
        self.forget_notes()
        # A damage that was repaired is one again without the line that tells of the repair.
        self.is_damaged = self.is_damaged or b'"log.repaired"' in gone

    @rule(place=st.integers(0, 30), kind=st.sampled_from(("gone", "rotten", "swapped")))
    def damage_the_middle_of_the_trail(self, place: int, kind: str) -> None:
        lines = lines_of(self.folder)
        if place >= len(lines) - 2:
            return
        if not self.is_vouched_for():
            self.doubt()
        if kind == "swapped":
            lines[place], lines[place + 1] = lines[place + 1], lines[place]
        elif kind == "rotten":
            lines[place] = b"#" * (len(lines[place]) // 2) + b"\n"
        else:
            del lines[place]
        write_lines(self.folder, lines)
        self.is_damaged = True
        self.forget_notes()

    def forget_notes(self) -> None:
        """What hands took out of the trail cannot be told; a change that lost a line is not told either."""
        told = {*self.told()}
        self.notes = [note for note in self.notes if note in told]

    # What mends

    @rule()
    def repair(self) -> None:
        """A repair makes the run prove itself, says where it cannot, and keeps every byte that it replaces."""
        theirs = self.bytes_of_others()
        try:
            answer = self.ask("repair_run", run_id=RUN)
        except self.excused() as nothing_left:
            state = self.folder / "state.json"
            assert not state.exists() or not is_intact(state.read_bytes()), nothing_left
        else:
            assert answer["ok"], answer
            if not self.is_unsure:
                self.nothing_acknowledged_is_rolled_back()
            self.is_damaged = self.is_unsure = False
            self.settle()
            # A clock that stands behind the trail is told and is no error.
            assert {one.code for one in opened(self.root).store.validate(RUN)} <= {"time_order"}
        kept = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        assert [text for text in theirs if not any(text in one for one in kept)] == []

    def bytes_of_others(self) -> list[bytes]:
        """The trail line by line, and the projections where they are not as we wrote them."""
        projections = [self.folder / name for name in ("state.json", "refs.json")]
        edited = [text for path in projections if path.exists() and not is_intact(text := path.read_bytes())]
        lines = lines_of(self.folder) if (self.folder / "events.jsonl").exists() else []
        # What was glued together may be kept apart.
        return edited + [part for line in lines for part in re.split(rb'\0+|\n|(?=\{"event")', line) if part]

    def told(self) -> list[str | None]:
        """The messages of all events that the trail still tells."""
        fresh = opened(self.root)
        try:
            return [logged.event.message for logged in fresh.store.events(RUN, limit=10_000)]
        finally:
            fresh.store.close()

    @rule()
    def look(self) -> None:
        """Doctor never fails and changes nothing."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        self.ask("doctor")
        assert {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()} == before

    # What must be so at all times

    @invariant()
    def nothing_acknowledged_is_rolled_back(self) -> None:
        with suppress(*self.excused()):
            now = self.read()
            if self.is_unsure:
                return
            assert now.log.rev >= self.expected.log.rev
            if now.log.rev == self.expected.log.rev:
                assert now.state == self.expected.state
                assert now.plan.nodes == self.expected.plan.nodes

    @invariant()
    def every_note_is_there_once(self) -> None:
        told = self.told()
        assert [note for note in self.notes if told.count(note) != 1] == []

    @invariant()
    def what_this_process_knows_is_what_the_files_tell(self) -> None:
        if not self.is_unsure:
            assert self.registry.store.read(RUN).run.log.rev == self.read().log.rev


LONG = os.environ.get("CRASH_TESTS") == "long"
TestLife = Life.TestCase
TestLife.settings = settings(max_examples=80 if LONG else 40, stateful_step_count=40 if LONG else 25)
