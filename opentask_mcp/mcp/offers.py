"""What `tools/list` shows of each operation, made from its models or read from where it was kept.

A schema made from models takes the imports of every operation and a tenth of a second, in every
session, before the first answer. So what the models say is kept in tools.json, which is what is
served and what a reviewer reads; a test holds that it is what the models say now, and
`python -m opentask_mcp.mcp.offers` writes it anew. An operation itself is imported when it is called.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from registry.operations.table import AnyOperation

KEPT: Final = Path(__file__).with_name("tools.json")


@dataclass(frozen=True)
class Offer:
    """One operation as a tool.

    Attributes:
        toolset: The set it comes with.
        read_only: It changes nothing of any run.
        waits: It may sleep; told that its caller may not write, it changes nothing either.
        tool: The entry of `tools/list`, in wire form.
    """

    toolset: str
    read_only: bool
    waits: bool
    tool: Mapping[str, JsonValue]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what the tool takes."""
        schema = self.tool["inputSchema"]
        properties = schema["properties"] if isinstance(schema, dict) else None
        return tuple(properties) if isinstance(properties, dict) else ()


def offers_of(operations: Mapping[str, AnyOperation]) -> dict[str, Offer]:
    """The offers that the models of a table make, sorted by name."""
    return {name: _offer(operations[name]) for name in sorted(operations)}


def kept_offers() -> dict[str, Offer]:
    """The offers of the registry's own table, as they were kept."""
    document = json.loads(KEPT.read_text(encoding="utf-8"))
    return {name: Offer(**offer) for name, offer in document.items()}


def kept_text(offers: Mapping[str, Offer]) -> str:
    """The text of tools.json for these offers."""
    return json.dumps({name: asdict(offer) for name, offer in offers.items()}, indent=1, ensure_ascii=False) + "\n"


def _offer(operation: AnyOperation) -> Offer:
    from .schemas import input_schema, output_schema

    tool: dict[str, JsonValue] = {
        "name": operation.name,
        "description": operation.description,
        "inputSchema": input_schema(operation.request),
        "outputSchema": output_schema(operation.result),
        "annotations": {
            "readOnlyHint": operation.read_only,
            "destructiveHint": operation.destructive,
            "idempotentHint": operation.idempotent or operation.read_only,
            "openWorldHint": False,
        },
    }
    return Offer(operation.toolset, operation.read_only, operation.step is not None, tool)


if __name__ == "__main__":
    from registry.operations.table import OPERATIONS

    KEPT.write_text(kept_text(offers_of(OPERATIONS)), encoding="utf-8")
