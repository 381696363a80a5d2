"""Keeping an answer readable: hosts cut long ones in the middle, so we cut them at a row.

Length is counted in characters of the pretty, key-sorted form, the longest that a host shows.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from .table import Result

ANSWER_CHARS_MAX: Final = 15_500
ROWS_DEFAULT: Final = 20

_ROW_INDENT: Final = 4
"""Spaces in front of every line of a row in a list of the answer."""

R = TypeVar("R", bound=Result)


def chars(answer: Result) -> int:
    """Length of an answer as the most generous host shows it."""
    return len(_pretty(answer))


def fit(rows: Sequence[R], *, beside: Result, limit: int = ROWS_DEFAULT, keep: int = 0) -> tuple[R, ...]:
    """The leading rows that an answer has room for.

    Args:
        rows: All rows, most wanted first.
        beside: The answer without these rows.
        limit: Rows at most.
        keep: Characters to leave free for what comes later, such as a cursor.

    At least one row is kept, so that paging always gets on.
    """
    return leading(rows[:limit], room=ANSWER_CHARS_MAX - chars(beside) - keep)


def leading(rows: Sequence[R], *, room: int) -> tuple[R, ...]:
    """The leading rows that fit in so many characters, and at least one."""
    kept: list[R] = []
    for row in rows:
        text = _pretty(row)
        room -= len(text) + _ROW_INDENT * (text.count("\n") + 1) + 2
        if room < 0 and kept:
            break
        kept.append(row)
    return tuple(kept)


def cut(text: str, length: int) -> str:
    """A text cut at a length; an ellipsis says that there was more."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _pretty(answer: Result) -> str:
    # Unsorted: the order of keys does not change the length, and this is ten times as fast.
    return answer.model_dump_json(indent=2, exclude_none=True)
