"""Values that clumsy models, angry people and broken programs send, and a place to send them to."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

LONG = os.environ.get("CRASH_TESTS") == "long"

NAMES: tuple[str, ...] = (
    "", " ", ".", "..", "../../outside/x", "/etc/passwd", "a/b", "a\\b", "nul\0byte", "-rf", "--root", "demo-1:gather",
    "demo-1", "gather", "DEMO-1", "x" * 129, "x" * 70_000, "ümlaut", "名前", "a\u202eb", "\ud800", "\U0001f600", "a\nb",
    "%2e%2e%2f", "${HOME}", "$(touch /tmp/x)", "'; drop table runs; --", "<run_id>", "{{ inputs.x }}", "null", "con",
    "~root", "a.", ".hidden", "\x1b[2J", "\ufeffdemo-1", "state.json", "nodes/gather/../../state.json",
    "nodes/gather/.torn", "events.jsonl", "🧨" * 40, "[1", '{"a":', "agent:main:chat",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *NAMES, None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**70), 0.5, 1e308, 1e309, -1e309, float("nan"),
    [], [[]], [None], ["a", 1], ["../x"] * 3, ["t"] * 500, {}, {"": ""}, {"a": {"b": [1, {"c": None}]}},
    {"__proto__": 1}, {"\0": 1}, {"\ud800": 1}, {"k" * 5_000: 1},
)  # fmt: skip


def deep(levels: int) -> Any:
    """An object in an object in an object."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@contextmanager
def no_hang(seconds: int = 30) -> Iterator[None]:
    """End whatever waits for ever; far longer than anything here takes."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still busy after {seconds} s")

    former = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def outside(root: Path) -> Mapping[str, bytes | str]:
    """Everything beside the registry, to be compared."""
    found: dict[str, bytes | str] = {}
    for parent, folders, names in os.walk(root.parent):
        if Path(parent) == root.parent:
            folders[:] = [name for name in folders if name != root.name]
        for name in (*folders, *names):
            path = Path(parent, name)
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_file():
                found[str(path)] = path.read_bytes()
            else:
                found[str(path)] = "other"
    return found
