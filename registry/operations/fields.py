"""The kinds of field that requests are made of, each with the sentence that refuses a wrong value.

A refusal of one value is a `ValueError`, which `parse_request` gathers with the others; a value
that is too large is a `LimitExceeded`, which ends the request at once.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ValidationError, ValidationInfo, WithJsonSchema

from ..core import kinds
from ..core.kinds import name_of
from ..core.limits import (
    LEASE_S_MAX,
    LEASE_S_MIN,
    PAYLOAD_BYTES_MAX,
    PRIORITY_MAX,
    PRIORITY_MIN,
    RESULT_BYTES_MAX,
    TAGS_MAX,
)
from ..core.names import clean_tags, one_line, shown
from ..core.record import Bag
from ..core.run import DeliveryContext
from ..errors import LimitExceeded

TAG_MAX: Final = 128
ROWS_MAX: Final = 100
PRIORITY_LABELS: Final = {"P0": 10, "P1": 7, "P2": 5}
"""What the labels mean when they come in; `answers.priority_label` says how numbers are shown."""

LEAST_OF_LABELS: Final = {"P0": 9, "P1": 6, "P2": PRIORITY_MIN}
"""The lowest number that is shown with each label: what is at least as urgent as the label says."""


def _delivery(value: Bag, info: ValidationInfo) -> Bag:
    """A chat as hosts name it: camelCase or snake_case keys, nothing more."""
    try:
        DeliveryContext.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(place) for place in fault["loc"]) or "it"
        raise ValueError(
            f"{name_of(info)} is not a chat ({shown(where)}: {fault['msg'][:1].lower()}{fault['msg'][1:]}); "
            'it takes {"channel", "to"} and may have accountId and threadId'
        ) from None
    return value


def _content(value: str, info: ValidationInfo) -> str:
    if not value.strip():
        raise ValueError(f"{name_of(info)} is empty")
    return value


def bag_bytes(value: Bag, *, name: str) -> int:
    """The size of an object as it will be kept.

    Raises:
        ValueError: it holds NaN or an infinity, which JSON has no form for.
    """
    try:
        return len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except ValueError:
        raise ValueError(
            f"{name} holds NaN or an infinity, which JSON has no form for; send null or a string"
        ) from None


def _payload(value: Bag, info: ValidationInfo) -> Bag:
    size = bag_bytes(value, name=name_of(info))
    if size > PAYLOAD_BYTES_MAX:
        raise LimitExceeded(name_of(info), limit=PAYLOAD_BYTES_MAX, size=size)
    return value


def _result(value: Bag, info: ValidationInfo) -> Bag:
    size = bag_bytes(value, name=name_of(info))
    if size > RESULT_BYTES_MAX:
        raise LimitExceeded(
            name_of(info),
            limit=RESULT_BYTES_MAX,
            size=size,
            hint="it is the node's small result, which conditions read; put the rest into the report",
        )
    return value


def _priority(value: object, info: ValidationInfo) -> int:
    return _urgency(value, info, PRIORITY_LABELS)


def _least_priority(value: object, info: ValidationInfo) -> int:
    return _urgency(value, info, LEAST_OF_LABELS)


def _urgency(value: object, info: ValidationInfo, labels: Mapping[str, int]) -> int:
    number = value
    if isinstance(value, str):
        text = value.strip().upper()
        number = labels.get(text, int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else None)
    if isinstance(number, int) and not isinstance(number, bool) and PRIORITY_MIN <= number <= PRIORITY_MAX:
        return number
    raise ValueError(
        f"{name_of(info)} is {shown(repr(value), 40)}; it must be {PRIORITY_MIN} to {PRIORITY_MAX} "
        f"({PRIORITY_MAX} is most urgent), or P0, P1, P2"
    )


def _lease(value: int, info: ValidationInfo) -> int:
    if value == 0 or LEASE_S_MIN <= value <= LEASE_S_MAX:
        return value
    raise ValueError(
        f"{name_of(info)} is {value}; it must be {LEASE_S_MIN} to {LEASE_S_MAX:,} seconds, or 0 for a lease without end"
    )


def _percent(value: int, info: ValidationInfo) -> int:
    if 0 <= value <= 100:
        return value
    raise ValueError(f"{name_of(info)} is {value}; it must be 0 to 100")


def _limit(value: int, info: ValidationInfo) -> int:
    if 1 <= value <= ROWS_MAX:
        return value
    raise ValueError(f"{name_of(info)} is {value}; it must be 1 to {ROWS_MAX}")


def _tags(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if len(value) > TAGS_MAX:
        raise LimitExceeded(name_of(info), limit=TAGS_MAX, size=len(value), unit="tags", hint="send fewer")
    for tag in value:
        kinds.short_text(TAG_MAX, one_line(tag), info)
    return clean_tags(value)


RunId = kinds.Id
NodeId = kinds.Id
AgentId = kinds.Id
WorkflowId = kinds.Id

RequestId = kinds.RequestId
"""Any text a caller chooses so that a repeat is answered and not done again."""

OutsideId = kinds.OutsideId
"""What another system calls one of its own things."""

Delivery = Annotated[Bag, AfterValidator(_delivery)]
"""The chat a run reports to, in the words of the host."""

SessionKey = kinds.OutsideId
Message = kinds.Message
"""Words for the trail, at most 4 KiB."""

Content = Annotated[str, AfterValidator(_content)]
"""Text of a file; not empty. Its size is checked by whoever writes it."""

Payload = Annotated[Bag, AfterValidator(_payload)]
"""A caller's own object, at most 64 KiB of JSON."""

ResultBag = Annotated[Bag, AfterValidator(_result)]
"""A node's result, at most 4 KiB of JSON."""

_URGENCY: Final = WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})

Priority = Annotated[int, BeforeValidator(_priority), _URGENCY]
"""1 to 10 with 10 most urgent, or P0, P1, P2."""

LeastPriority = Annotated[int, BeforeValidator(_least_priority), _URGENCY]
"""The same as a filter: a label means all that is shown with it."""

Percent = Annotated[int, AfterValidator(_percent)]
LeaseSeconds = Annotated[int, AfterValidator(_lease)]
StringList = tuple[str, ...]
Tags = Annotated[tuple[str, ...], AfterValidator(_tags)]
Limit = Annotated[int, AfterValidator(_limit)]
"""Rows of a page."""
