"""The kinds of field that only requests about flows have."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo

from ..core.limits import BAG_BYTES_MAX, GOAL_BYTES_MAX
from ..core.names import is_id, shown
from ..core.record import Bag
from ..errors import LimitExceeded
from .fields import bag_bytes

CONTROLLER_MAX: Final = 200

CLEARED_BY_NULL: Final = Field(json_schema_extra={"nullable": True})
"""Of a field that stays where it is left out."""


def _own(value: Bag | None, info: ValidationInfo) -> Bag | None:
    name = info.field_name or "the value"
    if value is not None and (size := bag_bytes(value, name=name)) > BAG_BYTES_MAX:
        raise LimitExceeded(name, limit=BAG_BYTES_MAX, size=size, hint="keep the long part in a file of the run")
    return value


def _text(value: str, info: ValidationInfo) -> str:
    name = info.field_name or "the value"
    if not value.strip():
        raise ValueError(f"{name} is empty")
    limit = CONTROLLER_MAX if name == "controller_id" else GOAL_BYTES_MAX
    if (size := len(value.encode())) > limit:
        raise LimitExceeded(name, limit=limit, size=size)
    return value


def _task(value: str, info: ValidationInfo) -> str:
    run_id, colon, node_id = value.partition(":")
    if is_id(run_id) and (is_id(node_id) or not colon):
        return value
    raise ValueError(f"{info.field_name} is {shown(value)!r}; a task id is <run_id>:<node_id>")


def _revision(value: int, info: ValidationInfo) -> int:
    if value >= 0:
        return value
    raise ValueError(f"{info.field_name} is {value}; it is the flow's `revision`, 0 or more")


Own = Annotated[Bag, AfterValidator(_own)]
"""A controller's own object, at most 256 KiB of JSON."""

Goal = Annotated[str, AfterValidator(_text)]
ControllerId = Annotated[str, AfterValidator(_text)]
TaskRef = Annotated[str, AfterValidator(_task)]
Revision = Annotated[int, AfterValidator(_revision)]
