"""Cursors: places in a list, as text that is sent back as it came."""

import base64
import json
from collections.abc import Sequence

from ..core.record import Json


def cursor_text(place: Sequence[Json]) -> str:
    """A place as its cursor."""
    text = json.dumps(list(place), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_place(cursor: str, *, length: int) -> list[Json] | None:
    """The place that a cursor stands for; None where it is no list of this length, and so none of ours."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        return None
    return place if isinstance(place, list) and len(place) == length else None
