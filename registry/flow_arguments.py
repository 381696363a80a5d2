"""What the arguments of a flow's methods may be, for every caller alike."""

import json
from collections.abc import Mapping

from .core.limits import BAG_BYTES_MAX, MESSAGE_BYTES_MAX
from .core.names import iso, moment, shown
from .core.record import Json
from .errors import InvalidRequest, LimitExceeded
from .flow_answers import Keep, Value


def require_small(name: str, value: Json, limit: int) -> None:
    """Refuse what is larger than it may be kept.

    Raises:
        LimitExceeded: it is.
        InvalidRequest: it holds NaN or an infinity, which JSON has no form for.
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise InvalidRequest(
            f"{name} holds NaN or an infinity, which JSON has no form for", hint="send null or a string"
        ) from None
    if value is not None and (size := len(text.encode())) > limit:
        raise LimitExceeded(name, limit=limit, size=size, hint="keep the long part in a file of the run")


def require_fields(changes: Mapping[str, Json]) -> None:
    """Refuse a flow's field that is larger than it may be kept; see `require_small`."""
    for name, value in changes.items():
        require_small(name, value, BAG_BYTES_MAX if name in ("state_json", "wait_json") else MESSAGE_BYTES_MAX)


def given(**changes: Value) -> dict[str, Json]:
    """The fields that are to change: those that are not to be kept."""
    return {name: value for name, value in changes.items() if not isinstance(value, Keep)}


def checked_moment(name: str, text: str | None) -> str | None:
    """A time as the registry writes it.

    Raises:
        InvalidRequest: it is none, or has no offset.
    """
    if text is None:
        return None
    try:
        return iso(moment(text))
    except ValueError:
        raise InvalidRequest(
            f"{name} is {shown(text)!r}, no time with offset", hint="write for example 2026-01-31T09:00:00+00:00"
        ) from None
