"""Measuring, and one row of the table."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A figure beside its floor. `promise` is the largest ratio (or amount) that is still right."""

    name: str
    value: float
    floor: float
    unit: str
    promise: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the floor."""
        return self.value / self.floor if self.floor else float("inf")

    @property
    def keeps_promise(self) -> bool:
        """Whether the ratio is within what was promised."""
        return self.promise is None or self.ratio <= self.promise


def timed_ms(act: Callable[[], object], *, times: int) -> float:
    """The median time of an act in milliseconds."""
    return statistics.median(each_ms(act, times=times))


def each_ms(act: Callable[[], object], *, times: int) -> list[float]:
    """The time of every repetition in milliseconds."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        taken.append((time.perf_counter() - begun) * 1e3)
    return taken


def side_by_side(acts: Sequence[Callable[[], object]], *, rounds: int, times: int) -> list[float]:
    """Medians in milliseconds of several acts, taken in turns: a noisy minute hits all of them."""
    taken: list[list[float]] = [[] for _ in acts]
    for _ in range(rounds):
        for act, record in zip(acts, taken, strict=True):
            record.extend(each_ms(act, times=times))
    return [statistics.median(record) for record in taken]


def resident_mb(process: int | str = "self") -> float:
    """The memory of a process in MB (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class AppendFloor:
    """The least a durable mutation can cost: one append of a line and one fdatasync."""

    def __init__(self, folder: Path, *, line_bytes: int = 700) -> None:
        self._file = os.open(folder / "floor.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._line = b"x" * (line_bytes - 1) + b"\n"

    def __call__(self) -> None:
        """Append and sync once."""
        os.write(self._file, self._line)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def printed(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    head = "| figure | value | floor | ratio | promised | |\n|---|---:|---:|---:|---:|---|"
    lines = [
        f"| {row.name} | {row.value:,.3f} {row.unit} | {row.floor:,.3f} {row.unit} | {row.ratio:,.2f} "
        f"| {'' if row.promise is None else f'{row.promise:.3g}'} "
        f"| {'' if row.keeps_promise else '**over** '}{row.note} |"
        for row in rows
    ]
    return "\n".join([head, *lines])
