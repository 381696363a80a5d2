"""What all answers have in common, and above all what a change leaves to be known.

Every mutation answers with the run's status, its revision, what became ready, warnings and the
next calls: without them each step would cost a read.
"""

from typing import ClassVar, Final

from .. import clock
from ..registry import Outcome
from .caller import Caller
from .fit import ANSWER_CHARS_MAX, ROWS_DEFAULT, chars, cut, fit
from .next_calls import NEXT_MAX, NextStep, ToDo, claim_step, finish_step, next_calls, step
from .node_views import (
    EffectRow,
    MessageRow,
    NodeRow,
    PausedRow,
    WaitingRow,
    counts,
    effects_view,
    messages_view,
    node_row,
    open_first,
    paused_view,
    priority_label,
    report_path,
    waiting_for,
)
from .table import Result

__all__ = [
    "ANSWER_CHARS_MAX", "NEXT_MAX", "ROWS_DEFAULT",
    "EffectRow", "MessageRow", "Mutated", "NextStep", "NodeRow", "PausedRow", "WaitingRow",
    "chars", "claim_step", "counts", "cut", "effects_view", "finish_step", "fit", "messages_view",
    "mutated", "next_calls", "node_row", "open_first", "paused_view", "priority_label", "report_path", "step",
    "waiting_for",
]  # fmt: skip


_READY_NAMED: Final = 40
"""A thousand nodes may become ready at once; claim_node finds them without their names."""


class Mutated(Result):
    """Base of every answer to a change."""

    told_last: ClassVar[tuple[str, ...]] = (
        "run_status",
        "rev",
        "became_ready",
        "more_ready",
        "skipped",
        "warnings",
        "next",
    )

    run_status: str
    rev: int
    became_ready: tuple[str, ...]
    more_ready: int | None = None
    skipped: tuple[str, ...] | None = None
    warnings: tuple[str, ...]
    next: tuple[NextStep, ...]


def mutated(outcome: Outcome, caller: Caller, **more: object) -> dict[str, object]:
    """The fields of `Mutated` from an outcome, and `more`, which wins; for `model_validate`."""
    run, ready = outcome.run, outcome.became_ready
    fields: dict[str, object] = {
        "run_status": run.state.status,
        "rev": outcome.rev,
        "became_ready": ready[:_READY_NAMED],
        "more_ready": len(ready[_READY_NAMED:]) or None,
        "skipped": outcome.skipped[:_READY_NAMED] or None,
        "warnings": outcome.warnings,
        **more,
    }
    if "next" not in fields:
        shows: tuple[ToDo, ...] = ("effects",) if "effects" in more else ()
        fields["next"] = next_calls(run, caller, now=clock.now(), shows=shows)
    return fields
