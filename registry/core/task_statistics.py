"""What became of tasks, in numbers: pure arithmetic over tasks in short."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median
from typing import Protocol

from .names import moment
from .tasks import TaskStatus


class Counted(Protocol):
    """A task in short, as statistics need it."""

    @property
    def status(self) -> TaskStatus: ...
    @property
    def started_at(self) -> str | None: ...
    @property
    def ended_at(self) -> str | None: ...


@dataclass(frozen=True)
class Tally:
    """Counts, and how long completed tasks took from their last start to their end.

    `failed` holds those that timed out too. `seconds` is empty where nothing was completed.
    """

    current: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    seconds: tuple[float, ...] = ()

    @property
    def whole(self) -> int:
        """All of them."""
        return self.current + self.pending + self.completed + self.failed + self.cancelled

    @property
    def success_rate(self) -> float | None:
        """Completed of what ended by work; None while nothing did."""
        ended = self.completed + self.failed
        return round(self.completed / ended, 4) if ended else None

    @property
    def average_s(self) -> float | None:
        """The mean time of a completed task."""
        return round(fmean(self.seconds), 3) if self.seconds else None

    @property
    def median_s(self) -> float | None:
        """The time that half of the completed tasks took less than."""
        return round(median(self.seconds), 3) if self.seconds else None


def tally(tasks: Iterable[Counted]) -> Tally:
    """The numbers of some tasks."""
    counts = dict.fromkeys(("current", "pending", "completed", "failed", "cancelled"), 0)
    seconds: list[float] = []
    for task in tasks:
        counts[_COLUMN[task.status]] += 1
        if task.status == "completed" and task.started_at is not None and task.ended_at is not None:
            seconds.append(max(0.0, (moment(task.ended_at) - moment(task.started_at)).total_seconds()))
    return Tally(**counts, seconds=tuple(seconds))


_COLUMN = {
    "queued": "pending",
    "running": "current",
    "completed": "completed",
    "failed": "failed",
    "timed_out": "failed",
    "cancelled": "cancelled",
}


def in_words(seconds: float | None) -> str | None:
    """A length of time as people say it: 25m, 1h 5m, 3d 2h."""
    if seconds is None:
        return None
    whole = round(seconds)
    if whole < 1:
        return "under 1s"
    parts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    first = next(place for place, (number, _) in enumerate(parts) if number)
    shown = [f"{number}{unit}" for number, unit in parts[first : first + 2] if number]
    return " ".join(shown)
