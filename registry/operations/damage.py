"""Runs that cannot be read, told wherever they are missing: an empty list would say that there is nothing to do."""

from typing import Final

from ..core.names import RunId
from ..errors import LogCorrupt, NextCall
from ..registry import Registry
from .answers import NextStep

_TOLD_MAX: Final = 10


def unreadable(registry: Registry, *, is_empty: bool) -> tuple[str, ...]:
    """A sentence for each run that no view could read, of many for the first ones.

    Raises:
        LogCorrupt: there are such runs, and without them nothing would be shown.
    """
    damaged = registry.views.unreadable()
    if damaged and is_empty:
        raise LogCorrupt(
            f"nothing was found, and {len(damaged)} run{'s' if damaged[1:] else ''} cannot be read: "
            + ", ".join(repr(run_id) for run_id in damaged[:5]),
            hint="this is no empty list; look at the damage first",
            next=_calls(damaged),
            run_ids=list(damaged[:20]),
        )
    return _told(damaged)


def damage(registry: Registry) -> tuple[tuple[str, ...], tuple[NextStep, ...]]:
    """The same sentences, and the calls that look at the damage, for an answer that is not refused."""
    damaged = registry.views.unreadable()
    return _told(damaged), tuple(NextStep.of(call) for call in _calls(damaged))


def _told(damaged: list[RunId]) -> tuple[str, ...]:
    told = tuple(
        f"run {run_id!r} cannot be read and is not in this list; validate_run tells more, repair_run mends it"
        for run_id in damaged[:_TOLD_MAX]
    )
    more = len(damaged) - len(told)
    return (*told, f"{more} more runs cannot be read; doctor names them") if more else told


def _calls(damaged: list[RunId]) -> tuple[NextCall, ...]:
    looks = (NextCall("validate_run", {"run_id": run_id}, "tells what is damaged") for run_id in damaged[:2])
    mends = (NextCall("repair_run", {"run_id": run_id}, "mends it and keeps every byte") for run_id in damaged[:1])
    return (*looks, *mends)
