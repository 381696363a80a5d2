"""The JSON schema of a request or result model, as small as it can be told to a model.

The pydantic model is the schema; this only removes what costs tokens and says nothing: generated
titles, the null arm of optional fields, defaults that mean "left out", references, patterns and
length limits (a refusal of ours names the rule that was broken, and its mend). Unknown arguments
are refused by `parse_request` with the nearest known name, which `additionalProperties: false` in
the schema would leave to the host's own words.
"""

from collections.abc import Mapping
from typing import Final, cast

from pydantic import BaseModel, JsonValue

Schema = dict[str, JsonValue]

_UNSAID: Final = frozenset(
    {"title", "pattern", "minLength", "maxLength", "minItems", "maxItems", "discriminator", "$defs", "nullable"}
)
_DEFINITIONS: Final = "#/$defs/"


def input_schema(model: type[BaseModel]) -> Schema:
    """The schema of a tool's arguments."""
    return _small(model)


def output_schema(model: type[BaseModel]) -> Schema:
    """The schema of a tool's answer. Optional fields are absent from an answer, never null."""
    return _small(model)


def _small(model: type[BaseModel]) -> Schema:
    whole = cast(Schema, model.model_json_schema(mode="validation"))
    definitions = cast(Mapping[str, Schema], whole.get("$defs", {}))
    schema = cast(Schema, _told(whole, definitions, ()))
    schema.pop("description", None)  # the tool's own description says it
    schema.setdefault("properties", {})
    return schema


def _told(schema: JsonValue, definitions: Mapping[str, Schema], within: tuple[str, ...]) -> JsonValue:
    """A schema without what need not be said; `within` are the definitions being told."""
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(_DEFINITIONS)
        if name in within:
            return {}  # it contains itself; one level is told
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _told({**definitions[name], **beside}, definitions, (*within, name))
    told: Schema = {}
    for key, value in schema.items():
        if key in _UNSAID or (key == "default" and value in (None, {}, [])):
            continue
        if key == "properties" and isinstance(value, dict):
            told[key] = {name: _told(field, definitions, within) for name, field in value.items()}
        elif key in ("items", "additionalProperties"):
            told[key] = _told(value, definitions, within)
        elif key in ("anyOf", "oneOf") and isinstance(value, list):
            told.update(_arms(value, definitions, within, keep_null=schema.get("nullable") is True))
        elif key == "const":
            told["enum"] = [value]
        else:
            told[key] = value
    if told.get("additionalProperties") in (True, False, {}):
        del told["additionalProperties"]
    return told


def _arms(
    arms: list[JsonValue], definitions: Mapping[str, Schema], within: tuple[str, ...], *, keep_null: bool
) -> Schema:
    """A union without its null arm and without repeated arms; a union of one is that one."""
    told: list[JsonValue] = []
    for arm in arms:
        said = _told(arm, definitions, within)
        if said not in told and (keep_null or said != {"type": "null"}):
            told.append(said)
    if {} in told:
        return {}
    if len(told) == 1:
        return cast(Schema, told[0])
    return {"anyOf": told}
