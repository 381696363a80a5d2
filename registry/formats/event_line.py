"""One line of the trail: an event, its machine part and a checksum at the end.

    {"event":...,"timestamp":...,"runId":...,"nodeId"?,"message"?,"payload":{...},"actor":{...},
     "seq":7,"rev":4,"txn":[1,2],"opId"?,"patch"? or "snapshot"?,"crc":"1f2e3d4c"}

`crc` is the crc32 of the line's bytes up to `,"crc":`. It finds damage, not forgery. The lines
of one mutation share a `rev`, and the last of them carries the patch or the snapshot: without
that line, whole, the mutation never was.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from zlib import crc32

from pydantic_core import PydanticSerializationError, from_json, to_json

from ..core.events import Event
from ..core.names import RunId
from ..core.patch import Document
from ..core.record import Bag, Json
from ..core.run import Actor
from ..errors import InvalidRequest

_CRC: Final = b',"crc":"'
_TAIL_BYTES: Final = 18
"""Length of `,"crc":"1f2e3d4c"}`."""

_BRACKETS_SURE: Final = 150
_BYTES_SURE: Final = 4300
"""A line with no more brackets, and no more bytes, is read again whatever stands in it: the reader's limits are 200
levels and 4300 digits."""
_ROOM: Final = 8
"""Levels that a snapshot may put around what a patch holds, and some more."""


def seal(
    events: Sequence[Event],
    *,
    run_id: RunId,
    after_seq: int,
    rev: int,
    body: Mapping[str, Json],
    op_id: str | None = None,
) -> bytes:
    """The lines of one mutation.

    Args:
        after_seq: `seq` of the last event before these.
        body: `patch` or `snapshot`, which stands on the last line; may be empty.

    Raises:
        InvalidRequest: a text cannot be written as UTF-8, or the line could not be read again.
    """
    count = len(events)
    lines: list[bytes] = []
    for index, event in enumerate(events, 1):
        line: dict[str, object] = {"event": event.name, "timestamp": event.timestamp, "runId": run_id}
        if event.node_id is not None:
            line["nodeId"] = event.node_id
        if event.message is not None:
            line["message"] = event.message
        line["payload"] = event.payload
        line["actor"] = actor_document(event.actor)
        line["seq"], line["rev"], line["txn"] = after_seq + index, rev, [index, count]
        if op_id is not None:
            line["opId"] = op_id
        if index == count:
            line.update(body)
        lines.append(sealed(line))
    return b"".join(lines)


def sealed(line: Mapping[str, object]) -> bytes:
    """A line's bytes, checksum and newline included."""
    try:
        text = to_json(line, inf_nan_mode="null")[:-1]
    except PydanticSerializationError as error:
        if "surrogates" not in str(error):
            raise _unreadable() from error
        raise InvalidRequest(
            "a text holds half of a surrogate pair, which is no character; it was to be recorded",
            hint="send the text as UTF-8",
        ) from error
    if len(text) > _BYTES_SURE or text.count(b"{") + text.count(b"[") > _BRACKETS_SURE:
        _require_readable(text, room=0 if "snapshot" in line else _ROOM)
    return b'%b,"crc":"%08x"}\n' % (text, crc32(text))


def _require_readable(text: bytes, *, room: int) -> None:
    """Refuse a line that could not be read again: it would be acknowledged, and lost to the next reader."""
    try:
        from_json(b"[" * room + text + b"}" + b"]" * room, allow_inf_nan=False)
    except ValueError as fault:
        raise _unreadable() from fault


def _unreadable() -> InvalidRequest:
    return InvalidRequest(
        "what was to be recorded could not be read again: it is nested too deep or holds a number too long",
        hint="nothing was changed; write what is so deep or long into a file of the run",
    )


def actor_document(actor: Actor) -> Document:
    """An actor as every line has it."""
    return {"kind": actor.kind, "id": actor.id, "via": actor.via, "verified": actor.verified}


def read_sealed(text: bytes) -> Document | None:
    """The object of a line that is ours and whole, else None. `text` has no newline."""
    # All of a long trail goes through here: a call for each question would take as long as the answers, and
    # so would remembering values, which are seldom the same from line to line.
    if text[-_TAIL_BYTES:-10] != _CRC or text[-2:] != b'"}' or b"%08x" % crc32(text[:-_TAIL_BYTES]) != text[-10:-2]:
        plain = undressed(text)
        return None if plain == text else read_sealed(plain)
    return _sealed_object(text)


def _sealed_object(text: bytes) -> Document | None:
    """The object of a line, if it has the machine part that ours have."""
    try:
        line: dict[str, Any] = from_json(text, allow_inf_nan=False, cache_strings="keys")
        first, count = line["txn"]
        return line if type(first) is type(count) is type(line["seq"]) is type(line["rev"]) is int else None
    except (ValueError, TypeError, KeyError):
        return None


def undressed(text: bytes) -> bytes:
    """A line without what an editor put around it: a byte order mark before, a carriage return behind."""
    return text.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")


def read_unproved(text: bytes) -> Document | None:
    """The object of a line that is made as ours are, whatever its checksum says; else None."""
    plain = undressed(text)
    return _sealed_object(plain) if bears_crc(plain) else None


def bears_crc(text: bytes) -> bool:
    """Whether a line ends as ours do, right or not."""
    return text[-_TAIL_BYTES:-10] == _CRC and text.endswith(b'"}')


def crc_of(text: bytes) -> str:
    """The checksum a sealed line ends with, whatever an editor put behind it."""
    return text[-10:-2].decode() if text[-1:] == b"}" else crc_of(undressed(text))


def tip_bytes(crc: str) -> bytes:
    """What stands at the very end of a trail whose last line has this checksum."""
    return b'%b%b"}\n' % (_CRC, crc.encode())


def read_object(text: bytes) -> Document | None:
    """The JSON object in a text, or None when it is not one."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return cast(Document, value) if isinstance(value, dict) else None


def event_of(line: Document) -> Event:
    """The event that a line tells, ours or another's, as far as it can be understood.

    Raises:
        ValueError: the line has no event name or its parts have other types.
    """
    name, node_id, message = line.get("event"), line.get("nodeId"), line.get("message")
    timestamp, payload = line.get("timestamp"), line.get("payload")
    if not isinstance(name, str) or not name:
        raise ValueError("event is missing or no text")
    if not isinstance(node_id, str | None) or not isinstance(message, str | None):
        raise ValueError("nodeId or message is no text")
    if not isinstance(payload, dict | None):
        raise ValueError("payload is no object")
    return Event(
        name=name,
        timestamp=timestamp if isinstance(timestamp, str) else "",
        actor=_actor_of(line.get("actor")),
        node_id=node_id or None,
        message=message,
        payload=cast(Bag, payload or {}),
    )


def _actor_of(value: Json) -> Actor:
    if isinstance(value, dict):
        try:
            return Actor.model_validate(value)
        except ValueError:
            pass
    return Actor(kind="unknown", id=value if isinstance(value, str) else "file", via="file")


def number(line: Document, key: str) -> int:
    """A whole number of a sealed line."""
    value = line.get(key)
    assert isinstance(value, int), key
    return value


def place_in_mutation(line: Document) -> tuple[int, int]:
    """Which of how many lines of its mutation this is, counted from 1."""
    first, count = cast("list[int]", line["txn"])
    return first, count
