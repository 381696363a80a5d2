"""A small table of operations that need no registry, so that the server alone is looked at."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import Field, JsonValue

from opentask_mcp.mcp.feed import Mark
from opentask_mcp.mcp.serving import Serving
from registry.errors import IllegalTransition, NextCall, NotFound
from registry.operations.caller import Caller, PersonNeeded, Question
from registry.operations.documents import Document, ResourceRow
from registry.operations.table import AnyOperation, Operation, Request, Result
from registry.registry import Registry

NO_REGISTRY = cast(Registry, object())


class Echo(Request):
    """Say back (repeat) what was sent, for tests of the door itself."""

    text: str = Field(description="Any text.")
    count: int = 1
    node_id: str | None = None
    status: str | tuple[str, ...] | None = None
    mode: Literal["plain", "loud"] = "plain"
    payload: dict[str, JsonValue] = Field({})


class Part(Result):
    name: str
    size: int | None = None


class Echoed(Result):
    text: str
    actor: str
    note: str | None = None
    parts: tuple[Part, ...] = ()
    payload: dict[str, JsonValue] = Field({})


def _echo(caller: Caller, request: Echo) -> Echoed:
    if request.text == "fault":
        raise KeyError("nodes")
    if request.text == "refuse":
        raise IllegalTransition(
            "node 'build' is completed; finish_node needs running or waiting",
            hint="look what is ready",
            next=(NextCall("echo", {"text": "demo-1"}), NextCall("host", {}, "tell the user")),
        )
    parts = (Part(name="a"), Part(name="b", size=request.count))
    text = request.text.upper() if request.mode == "loud" else request.text
    return Echoed(text=text, actor=caller.actor.id, parts=parts, payload=request.payload)


class Approve(Request):
    """Approve something; a person decides."""

    node_id: str


class Approved(Result):
    decision: str
    comment: str | None = None


def _approve(caller: Caller, request: Approve) -> Approved:
    if caller.answer is None and caller.can_ask:
        raise PersonNeeded(Question(f"The agent asks to approve {request.node_id!r}."))
    if caller.answer is None:
        return Approved(decision="relayed")
    return Approved(decision=caller.answer.decision, comment=caller.answer.comment or None)


class Claim(Request):
    """Claim work."""

    agent_id: str | None = None


def _claim(caller: Caller, request: Claim) -> Echoed:
    return Echoed(text=caller.agent_id or "", actor=caller.actor.id)


class Block(Request):
    """Block until the test lets go."""


class Nothing(Result):
    done: bool = True


class Wait(Request):
    """Wait until the gate opens."""

    timeout_s: float = 30


class Waited(Result):
    reached: bool


@dataclass
class Stage:
    """A fixture table with the levers its operations hang on."""

    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    finished: list[str] = field(default_factory=list)

    def operations(self) -> dict[str, AnyOperation]:
        table: list[Any] = [
            Operation(name="echo", request=Echo, result=Echoed, toolset="core", read_only=True, run=_echo),
            Operation(
                name="request_control",
                request=Approve,
                result=Approved,
                toolset="core",
                read_only=False,
                destructive=True,
                run=_approve,
            ),
            Operation(name="claim_node", request=Claim, result=Echoed, toolset="core", read_only=False, run=_claim),
            Operation(name="block", request=Block, result=Nothing, toolset="core", read_only=False, run=self._block),
            Operation(
                name="wait_for_run",
                request=Wait,
                result=Waited,
                toolset="core",
                read_only=False,
                run=self._wait,
                step=self._look,
            ),
            Operation(name="doctor", request=Block, result=Nothing, toolset="admin", read_only=True, run=self._block),
        ]
        return {operation.name: operation for operation in table}

    def _block(self, caller: Caller, request: Block) -> Nothing:
        self.begun.release()
        self.gate.wait()
        self.finished.append("block")
        return Nothing()

    def _look(self, caller: Caller, request: Wait, elapsed_s: float) -> Waited | None:
        if self.gate.is_set():
            return Waited(reached=True)
        return Waited(reached=False) if elapsed_s >= request.timeout_s else None

    def _wait(self, caller: Caller, request: Wait) -> Waited:
        self.gate.wait(request.timeout_s)
        return Waited(reached=self.gate.is_set())


@dataclass
class Shelf:
    """Documents in memory."""

    texts: dict[str, str] = field(default_factory=dict)

    def read(self, uri: str) -> Document:
        if uri not in self.texts:
            raise NotFound(f"nothing at {uri}", hint="list_runs shows all")
        text = self.texts[uri]
        return Document("text/markdown", text, None if text else "not written yet")

    def recent(self, cursor: str | None) -> tuple[Sequence[ResourceRow], str | None]:
        uris = sorted(self.texts)
        begin = int(cursor or 0)
        if not 0 <= begin <= len(uris):
            raise NotFound(f"cursor {cursor!r} is none of this list's")
        rows = [ResourceRow(uri, uri.rpartition("/")[2], uri, "text/markdown") for uri in uris[begin : begin + 2]]
        return rows, str(begin + 2) if begin + 2 < len(uris) else None

    def complete(self, argument: str, prefix: str, context: Mapping[str, str]) -> Sequence[str]:
        return [f"run-{i}" for i in range(150) if f"run-{i}".startswith(prefix)] if argument == "run_id" else []

    def mark(self, uri: str) -> Mark:
        return tuple(sorted(self.texts)) if uri == "opentask:recent" else self.texts.get(uri)


def server(
    stage: Stage | None = None, *, serving: Serving | None = None, shelf: Shelf | None = None
) -> Any:  # the SDK's `Server` is generic in ways no test needs
    from opentask_mcp.mcp.server import build_server

    return build_server(
        NO_REGISTRY,
        serving=serving,
        operations=(stage or Stage()).operations(),
        documents=shelf or Shelf(),
    )
