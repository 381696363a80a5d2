"""A failure as the text a model reads: what is so, what to do about it, and the next legal call."""

import json
import logging
from collections.abc import Iterable
from typing import Final

from registry.core.names import shown
from registry.errors import HOST, NextCall, RegistryError

_log: Final = logging.getLogger(__name__)
TEXT_MAX: Final = 15_500


def failure_text(failure: RegistryError, *, calls: Iterable[NextCall] | None = None) -> str:
    """`code: message`, then `hint: ...`, then one line for each next call.

    Args:
        calls: The next calls to be told; the failure's own where none are given.
    """
    lines = [f"{failure.code}: {failure.message}"]
    if failure.hint:
        lines.append(f"hint: {failure.hint}")
    lines += next_lines(failure.next if calls is None else calls)
    return cut("\n".join(lines))


def next_lines(calls: Iterable[NextCall]) -> list[str]:
    """`next: tool {args}` for each call; what the agent does with its own tools reads `next: host: ...`."""
    lines = []
    for call in calls:
        if call.tool == HOST:
            lines.append(f"next: host: {call.why}")
            continue
        arguments = json.dumps(dict(call.args), ensure_ascii=False)
        lines.append(f"next: {call.tool} {arguments}" + (f"  ({call.why})" if call.why else ""))
    return lines


def fault_text(tool: str, fault: Exception) -> str:
    """A fault of ours: logged whole to stderr, told without what only a developer needs."""
    _log.error("%s failed unexpectedly", shown(tool), exc_info=fault)
    return (
        f"internal_error: {shown(tool)} failed unexpectedly ({type(fault).__name__}); this is a fault of "
        "opentask-mcp, not of your call\n"
        "hint: a change may or may not have been made: look with get_run before you send it again; "
        "the details are on the server's stderr"
    )


def cut(text: str) -> str:
    """A text no longer than an answer may be."""
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
