"""The base of everything that is kept: frozen, strict about keys, camelCase on disk."""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

Json = JsonValue
Bag = dict[str, JsonValue]
"""An object the registry keeps for others: never renamed, never looked into, set whole."""

_set: Final = object.__setattr__


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
        """As pydantic's, without asking for private and further fields, which no record has: a change copies many."""
        if deep:
            return super().model_copy(update=update, deep=True)
        changes = update or {}
        copied = self.__new__(type(self))
        _set(copied, "__dict__", {**self.__dict__, **changes})
        _set(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        _set(copied, "__pydantic_extra__", None)
        _set(copied, "__pydantic_private__", None)
        return copied
