"""The kinds of field that only requests about flows have."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo

from ..core import kinds
from ..core.limits import BAG_BYTES_MAX
from ..core.record import Bag
from ..errors import LimitExceeded
from .fields import bag_bytes

CLEARED_BY_NULL: Final = Field(json_schema_extra={"nullable": True})
"""Of a field that stays where it is left out."""


def _own(value: Bag | None, info: ValidationInfo) -> Bag | None:
    name = info.field_name or "the value"
    if value is not None and (size := bag_bytes(value, name=name)) > BAG_BYTES_MAX:
        raise LimitExceeded(name, limit=BAG_BYTES_MAX, size=size, hint="keep the long part in a file of the run")
    return value


Own = Annotated[Bag, AfterValidator(_own)]
"""A controller's own object, at most 256 KiB of JSON."""

Goal = kinds.Goal
ControllerId = kinds.ControllerId
TaskRef = kinds.TaskRef
Revision = kinds.Revision
