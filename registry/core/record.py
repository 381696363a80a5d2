"""The base of everything that is kept: frozen, strict about keys, camelCase on disk."""

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

Json = JsonValue
Bag = dict[str, JsonValue]
"""An object the registry keeps for others: never renamed, never looked into, set whole."""


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
