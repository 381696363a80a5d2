"""The tools page: what a client lists, as `tools/list` sends it."""

from typing import Any, Final, cast

from opentask_mcp.mcp.instructions import INSTRUCTIONS
from opentask_mcp.mcp.offers import Offer, kept_offers
from registry.operations.table import MIN_TOOLS, TOOLSETS

from .markdown import block, code, document, listed, table

Schema = dict[str, Any]

_SETS: Final = {
    "core": "what a run takes from beginning to end; the default",
    "tasks": "one task by its id, and figures",
    "flows": "runs that code plans while they go",
    "admin": "checks and repairs",
}
_ABOUT: Final = """\
What an MCP client can call. `--toolsets` chooses sets, `--tools` single tools, `--read-only` leaves out all that change
something. Arguments and answers are snake_case. An unknown argument is refused by name, and so is a value that is
still a placeholder such as `<fence>`. A parameter with `*` must be given; `null` for one that need not be is the same
as leaving it out.

Every answer is an object, given as `structuredContent` and as the same bytes of text. A key with `?` is absent where
it does not apply. `next` lists calls that are legal now. A refusal has `isError` and text alone; see
[errors](errors.md)."""


def page() -> str:
    """docs/reference/tools.md."""
    offers = kept_offers()
    sets = [
        (code(name), _SETS[name], listed(tool for tool, offer in offers.items() if offer.toolset == name))
        for name in TOOLSETS
        if any(offer.toolset == name for offer in offers.values())
    ]
    sets.append((code("min"), "enough for a whole run, for small models", listed(sorted(MIN_TOOLS))))
    sets.append((code("all"), "all of them", ""))
    return document(
        "Tools",
        _ABOUT,
        "## Toolsets",
        table(("set", "for", "tools"), sets),
        *(_tool(name, offer) for name, offer in offers.items()),
        "## What the server tells a model at the start",
        block("text", INSTRUCTIONS),
    )


def _tool(name: str, offer: Offer) -> str:
    tool = cast("dict[str, Any]", offer.tool)
    parts = [f"## {name}", str(tool["description"]), _marks(offer, tool["annotations"])]
    taken = tool["inputSchema"]
    if taken["properties"]:
        parts.append(_parameters(taken))
    parts.append("Answer:")
    parts.append(_answer(tool["outputSchema"]))
    return "\n\n".join(parts)


def _marks(offer: Offer, annotations: Schema) -> str:
    said = [f"Toolset {code(offer.toolset)}"]
    said.append("read only" if annotations["readOnlyHint"] else "changes the registry")
    if annotations["destructiveHint"]:
        said.append("what it replaces or ends does not come back by itself")
    if annotations["idempotentHint"] and not annotations["readOnlyHint"]:
        said.append("asking again with the same arguments changes nothing more")
    return "; ".join(said) + "."


def _parameters(schema: Schema) -> str:
    required = set(schema.get("required", ()))
    rows = []
    for name, field in schema["properties"].items():
        star = "*" if name in required else ""
        default = code(str(field["default"])) if "default" in field else ""
        rows.append((code(name) + star, _type(field), default, str(field.get("description", ""))))
    if not any(row[3] for row in rows):
        return table(("parameter", "type", "default"), [row[:3] for row in rows])
    return table(("parameter", "type", "default", "meaning"), rows)


def _answer(schema: Schema) -> str:
    return block("text", "\n".join(_lines(schema, "")))


def _lines(schema: Schema, indent: str) -> list[str]:
    lines = []
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        mark = "" if name in required else "?"
        items = field.get("items", {})
        inner = items if "properties" in items else field
        said = field.get("description") or ""
        lines.append(f"{indent}{name}{mark}: {_type(field, plain=True)}" + (f"  # {said}" if said else ""))
        lines += _lines(inner, indent + "  ")
    return lines


def _type(field: Schema, *, plain: bool = False) -> str:
    if "enum" in field:
        words = [str(word) for word in field["enum"]]
        return "|".join(words) if plain else " or ".join(code(word) for word in words)
    if "anyOf" in field:
        return " or ".join(_type(arm, plain=plain) for arm in field["anyOf"])
    kind = field.get("type", "anything")
    if kind == "array":
        return f"list of {_type(field.get('items', {}), plain=plain)}"
    return str(kind)
