"""Doing something in a child that may be killed, and hearing what it could still say."""

import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Say = Callable[..., None]


@dataclass
class Ended:
    """How a child ended: what it said in order, one JSON object a line, and the signal that killed it."""

    said: list[dict[str, Any]] = field(default_factory=list)
    signal: int | None = None

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL

    def get(self, key: str) -> Any:
        """What was said last under a name."""
        for words in reversed(self.said):
            if key in words:
                return words[key]
        return None


@dataclass
class Child:
    """A forked child that is running."""

    pid: int
    hears: int

    def end(self) -> Ended:
        """Wait for it and read what it said."""
        with os.fdopen(self.hears, "rb") as said:
            text = said.read()
        _, status = os.waitpid(self.pid, 0)
        words = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
        return Ended(words, os.WTERMSIG(status) if os.WIFSIGNALED(status) else None)


def started(work: Callable[[Say], object]) -> Child:
    """Begin some work in a forked child.

    A fork takes a few milliseconds where a new interpreter takes a few hundred, and a test of
    every step at every fault needs thousands.
    """
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks beside threads; the child runs our code alone and leaves by _exit.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writes)
        return Child(pid, reads)
    try:
        os.close(reads)

        def say(**words: Any) -> None:
            line = json.dumps(words, default=str).encode() + b"\n"
            try:
                os.write(writes, line)
            except OSError:
                # A test that has any one write refused may have met this one.
                os.write(writes, line)

        try:
            work(say)
        except BaseException:
            say(bug=traceback.format_exc())
    finally:
        os._exit(0)


def done(work: Callable[[Say], object]) -> Ended:
    """Do some work in a forked child and wait for its end."""
    return started(work).end()
