"""Faults on demand at every step by which storage changes a disk, so that a test can stand there.

`OPENTASK_FAILPOINT=append.write:torn` makes this process die in the middle of its first append;
`file.sync:eio:3` makes the third sync of a new file fail. The variable is read once, when
storage is loaded: no request, setting or file can set a fault. Without it a step costs one look
at a module's name.

    kill     SIGKILL before the step
    enospc   the step fails: no space left on device
    eio      the step fails: input/output error
    short    a write takes half of its bytes, as on a disk that fills up just then
    torn     a write takes half of its bytes, then SIGKILL
"""

import errno
import os
import signal
from dataclasses import dataclass
from typing import Final, Literal, get_args

Step = Literal[
    "append.open", "append.write", "append.sync", "append.cut",
    "file.open", "file.write", "file.sync", "file.drop", "folder.make", "folder.sync",
    "replace.rename", "replace.drop", "place.hold", "place.rename", "place.drop", "place.restore",
    "blank.write", "blank.sync",
    "create.folder", "create.node", "create.rename",
    "inbox.write", "inbox.sync", "repair.cut", "repair.newline", "lock.open", "lock.note",
    "read.sync", "repair.move", "archive.move",
]  # fmt: skip
"""Where a fault can be: what is made, written, synced, renamed or taken away next."""
STEPS: Final[tuple[Step, ...]] = get_args(Step)
WRITES: Final[frozenset[Step]] = frozenset({"append.write", "file.write", "inbox.write", "repair.newline"})
"""Steps that can be cut short."""

Fault = Literal["kill", "enospc", "eio", "short", "torn"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

VARIABLE: Final = "OPENTASK_FAILPOINT"
_ERRORS: Final[dict[Fault, int]] = {"enospc": errno.ENOSPC, "eio": errno.EIO}


@dataclass
class Failpoint:
    """One fault at one step, the `when`-th time that it is reached."""

    step: Step
    fault: Fault
    when: int = 1

    def reach(self, step: Step) -> None:
        """Fail before a step if it is the one."""
        if step != self.step:
            return
        self.when -= 1
        if self.when == 0:
            self._fail()

    def write(self, step: Step, descriptor: int, text: bytes | memoryview) -> int:
        """Write, or less than that."""
        if step == self.step and self.when == 1 and self.fault in ("short", "torn"):
            self.when = 0
            written = os.write(descriptor, text[: len(text) // 2])
            if self.fault == "torn":
                _die()
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return written
        self.reach(step)
        return os.write(descriptor, text)

    def _fail(self) -> None:
        if self.fault in _ERRORS:
            raise OSError(_ERRORS[self.fault], os.strerror(_ERRORS[self.fault]))
        _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def parse(text: str) -> Failpoint:
    """A failpoint from `step:fault` or `step:fault:when`.

    Raises:
        ValueError: it names none; with those that there are.
    """
    step, _, rest = text.partition(":")
    fault, _, when = rest.partition(":")
    counts = when.isascii() and when.isdigit() and int(when) > 0
    cuts = fault in ("short", "torn")
    if step not in STEPS or fault not in FAULTS or (rest.count(":") and not counts) or (cuts and step not in WRITES):
        raise ValueError(
            f"{VARIABLE}={text!r} is no failpoint; write step:fault or step:fault:when "
            f"with a step of {', '.join(STEPS)} and a fault of {', '.join(FAULTS)}; "
            f"short and torn go with {', '.join(sorted(WRITES))}"
        )
    return Failpoint(step, fault, int(when or 1))


def _chosen() -> Failpoint | None:
    text = os.environ.get(VARIABLE)
    return parse(text) if text else None


_armed: Failpoint | None = _chosen()


def arm(failpoint: Failpoint | None) -> None:
    """Set the fault of this process, or none: what the variable does, for a child that a test forked."""
    global _armed  # noqa: PLW0603 - one fault a process, as with the variable
    _armed = failpoint


def reach(step: Step) -> None:
    """Say that a step comes next; it fails if a test wanted that."""
    if _armed is not None:
        _armed.reach(step)


def write(step: Step, descriptor: int, text: bytes | memoryview) -> int:
    """`os.write`, which a test may cut short."""
    return os.write(descriptor, text) if _armed is None else _armed.write(step, descriptor, text)
