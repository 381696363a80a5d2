"""What one server offers, and to whom: the settings of a process, and the tools they choose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.core.names import nearest, shown
from registry.operations.caller import Approvals
from registry.operations.table import MIN_TOOLS, TOOLSETS

from .offers import Offer

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


def served_tools(offers: Mapping[str, Offer], serving: Serving) -> dict[str, Offer]:
    """The tools this server offers, by name, sorted.

    Raises:
        UnknownTool: a toolset or tool of the settings does not exist.
    """
    _require_known("toolset", serving.toolsets or (), TOOLSET_WORDS)
    _require_known("tool", serving.tools, offers)
    toolsets = serving.toolsets if serving.toolsets is not None else (() if serving.tools else DEFAULT_TOOLSETS)
    wanted = {*serving.tools, *(MIN_TOOLS if "min" in toolsets else ())}
    return {
        name: offer
        for name, offer in sorted(offers.items())
        if (name in wanted or offer.toolset in toolsets or "all" in toolsets)
        and (_looks_only(offer) or not serving.read_only)
    }


def reasons_unserved(offers: Mapping[str, Offer], served: Mapping[str, Offer], serving: Serving) -> dict[str, str]:
    """Why each known tool that is not offered is not, and what would offer it."""
    reasons = {}
    for name, offer in offers.items():
        if name in served:
            continue
        if serving.read_only and not _looks_only(offer):
            reasons[name] = "it changes runs and this server is read-only; tell the person who installed it"
        else:
            toolsets = ",".join(dict.fromkeys((*DEFAULT_TOOLSETS, offer.toolset)))
            reasons[name] = f"the person who installed the server can start it with --toolsets {toolsets}"
    return reasons


def _looks_only(offer: Offer) -> bool:
    # A wait ticks what it looks at, so it is not marked read-only; told that its caller may not
    # write, it waits without ticking.
    return offer.read_only or offer.waits


def _require_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = sorted(known)
    for name in names:
        if name not in known:
            near = nearest(name, known)
            mend = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
            raise UnknownTool(f"no {what} {shown(name)!r}; {mend}")
