"""Times as arguments."""

from typing import Annotated

from pydantic import AfterValidator

from ..core.names import iso, moment, shown


def _time(value: str) -> str:
    try:
        return iso(moment(value))
    except ValueError:
        raise ValueError(
            f"{shown(value)!r} is no time with offset; write for example 2026-01-31T09:00:00+00:00"
        ) from None


Time = Annotated[str, AfterValidator(_time)]
"""ISO 8601 with offset, as UTC."""
