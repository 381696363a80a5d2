"""What one server offers, and to whom: the settings of a process, and the tools they choose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.core.names import nearest, shown
from registry.operations.caller import Approvals
from registry.operations.table import MIN_TOOLS, TOOLSETS, AnyOperation

DEFAULT_TOOLSETS: Final = ("core",)
TOOLSET_WORDS: Final = (*TOOLSETS, "min", "all")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How a server was started.

    Attributes:
        toolsets: Of `TOOLSET_WORDS`; None is the default set, or none where `tools` names some.
        tools: Tools offered besides the toolsets.
        read_only: Nothing that changes a run is offered, whatever else is asked for.
        agent: Who calls when the call does not say; else the client's name.
    """

    toolsets: tuple[str, ...] | None = None
    tools: tuple[str, ...] = ()
    read_only: bool = False
    approvals: Approvals = "open"
    agent: str | None = None


class UnknownTool(ValueError):
    """A setting names a tool or toolset that does not exist."""


def served_tools(operations: Mapping[str, AnyOperation], serving: Serving) -> dict[str, AnyOperation]:
    """The operations this server offers as tools, by name, sorted.

    Raises:
        UnknownTool: a toolset or tool of the settings does not exist.
    """
    _require_known("toolset", serving.toolsets or (), TOOLSET_WORDS)
    _require_known("tool", serving.tools, operations)
    toolsets = serving.toolsets if serving.toolsets is not None else (() if serving.tools else DEFAULT_TOOLSETS)
    wanted = set(serving.tools)
    if "min" in toolsets:
        wanted |= {name for name in MIN_TOOLS if name in operations}
    chosen = {}
    for name in sorted(operations):
        operation = operations[name]
        if name not in wanted and operation.toolset not in toolsets and "all" not in toolsets:
            continue
        if serving.read_only and not _looks_only(operation):
            continue
        chosen[name] = operation
    return chosen


def reasons_unserved(
    operations: Mapping[str, AnyOperation], served: Mapping[str, AnyOperation], serving: Serving
) -> dict[str, str]:
    """Why each known tool that is not offered is not, and what would offer it."""
    reasons = {}
    for name in operations:
        if name in served:
            continue
        operation = operations[name]
        if serving.read_only and not _looks_only(operation):
            reasons[name] = "it changes runs and this server is read-only; tell the person who installed it"
        else:
            reasons[name] = f"the person who installed the server can start it with --toolsets core,{operation.toolset}"
    return reasons


def _looks_only(operation: AnyOperation) -> bool:
    # A wait ticks what it looks at, so it is not marked read-only; told that its caller may not
    # write, it waits without ticking.
    return operation.read_only or operation.step is not None


def _require_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = sorted(known)
    for name in names:
        if name not in known:
            near = nearest(name, known)
            mend = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
            raise UnknownTool(f"no {what} {shown(name)!r}; {mend}")
