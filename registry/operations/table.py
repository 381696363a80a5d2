"""The one list of what can be asked of a registry.

MCP tools, CLI commands, REST routes, reference pages and the parity test come from it. An
operation is a request model, a result model and a function between them; a surface translates
and decides nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from .caller import Caller

Toolset = Literal["core", "tasks", "flows", "admin"]
TOOLSETS: Final[tuple[Toolset, ...]] = ("core", "tasks", "flows", "admin")


class Request(BaseModel):
    """What is asked: its docstring and fields are what a model reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Result(BaseModel):
    """What is answered. Fields that are None are absent from the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    told_last: ClassVar[tuple[str, ...]] = ("warnings", "next")
    """Fields that end an answer: first what was asked for, then how to go on."""

    def plain(self) -> dict[str, JsonValue]:
        """The answer as every surface sends it, in snake_case."""
        answer: dict[str, JsonValue] = self.model_dump(mode="json", exclude_none=True)
        for name in self.told_last:
            if name in answer:
                answer[name] = answer.pop(name)
        return answer


Q = TypeVar("Q", bound=Request)
A = TypeVar("A", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[Q, A]):
    """One thing that can be asked.

    Attributes:
        read_only: It changes nothing of any run.
        destructive: What it replaces or ends does not come back by itself.
        idempotent: Asking again with the same arguments changes nothing more.
        run: Does it; blocking, raises `RegistryError`, or `PersonNeeded`.
        step: For waits only: looks once, given the seconds waited so far; None means not yet. Once the
            request's own timeout has passed it always answers.
    """

    name: str
    request: type[Q]
    result: type[A]
    toolset: Toolset
    read_only: bool
    destructive: bool = False
    idempotent: bool = False
    run: Callable[[Caller, Q], A]
    step: Callable[[Caller, Q, float], A | None] | None = None

    @property
    def description(self) -> str:
        """When to use it, for models and people; the request's docstring on one line."""
        return " ".join((self.request.__doc__ or "").split())


AnyOperation = Operation[Request, Result]

_MODULES: Final[Mapping[str, str]] = {
    "list_workflows": "workflows",
    "validate_workflow": "workflows",
    "scaffold_run": "scaffold",
    "list_runs": "finding_runs",
    "get_run": "runs",
    "tick_run": "runs",
    "claim_node": "claims",
    "finish_node": "finishes",
    "heartbeat_node": "claims",
    "append_event": "events",
    "write_handoff": "handoffs",
    "write_artifact": "artifacts",
    "read_artifact": "artifacts",
    "request_control": "controls",
    "bind_session": "bindings",
    "change_plan": "plans",
    "wait_for_run": "waits",
    "create_task": "tasks",
    "list_tasks": "task_lists",
    "get_task": "task_views",
    "cancel_task": "task_changes",
    "retry_task": "task_changes",
    "task_stats": "task_statistics",
    "create_flow": "flows",
    "get_flow": "flows",
    "list_flows": "flows",
    "run_flow_task": "flow_changes",
    "update_flow": "flow_changes",
    "cancel_flow": "flow_changes",
    "validate_run": "validation",
    "doctor": "doctor",
    "repair_run": "repair",
}
"""Where each operation lives. Modules are imported when asked for: one command needs one of them."""

MIN_TOOLS: Final = (
    "list_runs", "scaffold_run", "get_run", "claim_node",
    "finish_node", "append_event", "write_handoff", "request_control",
)  # fmt: skip
"""Enough for a whole run, for small models."""


class Operations(Mapping[str, AnyOperation]):
    """All operations by name, each imported when it is first looked up."""

    def __init__(self) -> None:
        self._found: dict[str, AnyOperation] = {}

    def __getitem__(self, name: str) -> AnyOperation:
        if name not in self._found:
            module = import_module(f".{_MODULES[name]}", __package__)
            self._found[name] = getattr(module, name.upper())
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


OPERATIONS: Final = Operations()
