"""What a model is told to call next: only tools that this server offers, and after a refusal never nothing.

Operations name the calls that are legal in the registry. A server may offer fewer (`min`, read-only,
a list of tools), and a call to one that is not there costs a failing turn.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import JsonValue

from registry.core.names import is_id
from registry.errors import HOST, NextCall, RegistryError
from registry.operations.table import Result

_ECHOED_MAX: Final = 400
"""Characters of a call that a refusal says again."""
_LISTS: Final[Mapping[str, str]] = {
    "scaffold_run": "list_workflows",
    "validate_workflow": "list_workflows",
    "create_task": "list_tasks",
    "get_task": "list_tasks",
    "cancel_task": "list_tasks",
    "retry_task": "list_tasks",
    "get_flow": "list_flows",
    "update_flow": "list_flows",
    "run_flow_task": "list_flows",
    "cancel_flow": "list_flows",
}
"""Where the ids stand that a tool takes, for tools that do not take a run's."""


def offered(answer: Result, served: Collection[str]) -> dict[str, JsonValue]:
    """The answer as it is sent, with only those next calls that can be made here."""
    plain = answer.plain()
    steps = plain.get("next")
    if isinstance(steps, list):
        plain["next"] = [step for step in steps if isinstance(step, dict) and _is_offered(str(step["tool"]), served)]
    return plain


def after_refusal(
    failure: RegistryError, tool: str, arguments: Mapping[str, Any], served: Collection[str]
) -> tuple[NextCall, ...]:
    """The refusal's own next calls; where it has none that can be made here, the look that shows one."""
    named = tuple(call for call in failure.next if _is_offered(call.tool, served))
    if named:
        return named
    return tuple(call for call in _looks(failure, tool, arguments) if _is_offered(call.tool, served))[:1]


def _looks(failure: RegistryError, tool: str, arguments: Mapping[str, Any]) -> list[NextCall]:
    looks = []
    if failure.retryable and len(json.dumps(arguments, default=str)) <= _ECHOED_MAX:
        looks.append(NextCall(tool, dict(arguments), "the same once more"))
    run_id = arguments.get("run_id")
    if isinstance(run_id, str) and is_id(run_id) and tool not in ("get_run", "scaffold_run"):
        looks.append(NextCall("get_run", {"run_id": run_id}, "shows what may be done now"))
    if tool in _LISTS:
        looks.append(NextCall(_LISTS[tool], {}, "shows what there is"))
    looks.append(NextCall("list_runs", {"status": "open"}, "shows the open runs"))
    return looks


def _is_offered(tool: str, served: Collection[str]) -> bool:
    return tool == HOST or tool in served
