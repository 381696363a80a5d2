"""Every system call of a change refused or interrupted from outside, where strace is present.

Failpoints stand where we thought of them; the kernel's own list has what we did not.
"""

import ctypes
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools import require_tool

from .children import Child, Ended, Say, started
from .conftest import LONG, Figures
from .given import CASES, Case, copied, note, opened, prepared, removed
from .judging import faults, history_of, read
from .test_failpoints import what_fails

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
    "unlinkat", "mkdir", "mkdirat", "ftruncate", "openat",
)  # fmt: skip
ERRORS = ("ENOSPC", "EIO")
TRIED = ("create", "note", "finish with artifacts", "control and on", "add a node", "repair of a glued line")
QUICK = 23
"""In the quick part one call in so many is tried."""
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)

pytestmark = [pytest.mark.usefixtures("still_clock"), pytest.mark.needs_tool("strace")]


class Held:
    """A child that waits until strace has hold of it."""

    def __init__(self, case: Case, root: Path) -> None:
        self._case = case
        self._root = root
        go, self._go = os.pipe()
        self.child: Child = started(lambda say: self._work(say, go))
        os.close(go)

    def _work(self, say: Say, go: int) -> None:
        os.close(self._go)
        # Where only a parent may trace, this lets a sibling in.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
        os.read(go, 1)
        case = self._case
        told: list[int] = []
        refused = message = ""
        with opened(self._root, on_told=told.append) as registry:
            try:
                case.act(registry)
            except Exception as error:
                refused, message = getattr(error, "code", type(error).__name__), str(error)
            # Everything said from here on goes through a pipe, whose writes are counted too: once.
            with opened(self._root, durability="process") as another:
                seen = read(another, case.run_id) if refused else None
            went_on = False
            if refused:
                note(registry, "the cause is gone", run_id=case.run_id) if seen else case.act(registry)
                went_on = True
        words = {"told": told[-1]} if told else {}
        if refused:
            words |= {"refused": refused, "message": message, "seen": seen.log.rev if seen else 0, "went_on": went_on}  # type: ignore[dict-item]
        say(**words)

    def run(self, *options: str, log: Path) -> Ended:
        """Let the child go under strace."""
        command = ["strace", "-qq", "-f", "-p", str(self.child.pid), "-o", str(log), "-e", f"trace={','.join(CALLS)}"]
        tracer = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        status = Path(f"/proc/{self.child.pid}/status")
        while tracer.poll() is None and re.search(r"^TracerPid:\t0$", status.read_text(), re.MULTILINE):
            os.sched_yield()
        assert tracer.poll() is None, tracer.stderr.read() if tracer.stderr else ""
        os.write(self._go, b"g")
        os.close(self._go)
        ended = self.child.end()
        tracer.wait(timeout=60)
        if tracer.stderr:
            tracer.stderr.close()
        return ended


def counted(case: Case, root: Path, log: Path) -> Counter[str]:
    """How often a change makes each call, the opening of modules and reading included."""
    ended = Held(case, root).run(log=log)
    assert ended.get("told"), ended.said
    return Counter(match[1] for line in log.read_text().splitlines() if (match := re.match(r"\d+ +(\w+)\(", line)))


def tries(calls: Counter[str]) -> Iterator[tuple[str, str, int]]:
    """Call, what happens instead of it or with it, and which one of them."""
    number = 0
    for call, times in sorted(calls.items()):
        for when in range(1, times + 1):
            # One error or the other at each call: storage makes no difference between them before it tells.
            for how in (f"error={ERRORS[when % 2]}", "signal=SIGKILL"):
                number += 1
                if LONG or number % QUICK == 0:
                    yield call, how, when


@pytest.mark.parametrize("case", [case for case in CASES if case.name in TRIED], ids=lambda case: case.name)
def test_no_refused_or_interrupted_system_call_leaves_half_a_change(
    case: Case, scratch: Path, figures: Figures
) -> None:
    """A disk that refuses a write, a quota, a kill between two calls: the kernel gives no other warning."""
    require_tool("strace")
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    calls = counted(case, copied(root, scratch / "counted"), scratch / "log")
    assert sum(calls.values()) > 5
    failed: list[str] = []
    for call, how, when in tries(calls):
        tree = copied(root, scratch / "tried")
        ended = Held(case, tree).run("-e", f"inject={call}:{how}:when={when}", log=scratch / "log")
        if not ended.said and not ended.was_killed:
            # The call was the one by which the child wanted to say how it went.
            found = faults(case, history, tree, at_least=history.first_rev)
        else:
            found = list(what_fails(case, history, tree, ended, "kill"))
        failed += [f"{call}:{how}:{when}: {fault}" for fault in found]
        removed(tree)
        figures.add("faults at system calls")
        figures.add("kills", int(ended.was_killed))

    assert failed == [], "\n".join([f"{len(failed)} faults:", *failed[:5]])
