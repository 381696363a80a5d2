"""The base of everything that is kept: frozen, strict about keys, camelCase on disk."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from .limits import NESTING_MAX

Json = JsonValue
Bag = dict[str, JsonValue]
"""An object the registry keeps for others: never renamed, never looked into, set whole."""


def is_shallow(value: object) -> bool:
    """Whether lists and objects stand in each other no deeper than `NESTING_MAX`; said without descending."""
    if not isinstance(value, (Mapping, list, tuple)):
        return True
    level: list[object] = [value]
    for _ in range(NESTING_MAX):
        inner = [part for one in level if isinstance(one, Mapping) for part in one.values()]
        inner += [part for one in level if isinstance(one, (list, tuple)) for part in one]
        # What stands in several places is looked at once: a list may even stand in itself.
        level = list({id(part): part for part in inner if isinstance(part, (Mapping, list, tuple))}.values())
        if not level:
            return True
    return False


class Record(BaseModel):
    """A frozen value with snake_case names in Python and camelCase names on disk."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        # Building validators is most of what an import would cost; the command line pays only for what it uses.
        defer_build=True,
    )

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """As pydantic's, which asks at length for extra and private fields: a record has neither."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changed = update or {}
        copied = object.__new__(type(self))
        put = object.__setattr__
        put(copied, "__dict__", {**self.__dict__, **changed})
        put(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changed.keys())
        put(copied, "__pydantic_extra__", None)
        put(copied, "__pydantic_private__", None)
        return copied
