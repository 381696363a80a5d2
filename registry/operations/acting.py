"""Who a change is made by, and how a repeat of it is known."""

from typing import Final

from pydantic_core import to_json

from ..core.names import AgentId, is_id, legal_id, short_hash
from ..core.run import Actor
from ..registry import RequestKey
from .caller import Caller
from .table import Request

NOBODY: Final[AgentId] = "agent"
"""The agent of a caller who gives no name at all."""


def agent_of(caller: Caller, given: AgentId | None = None) -> AgentId:
    """The agent of a call: the one it names, else `--agent`, else the client's own name made an id."""
    if given is not None:
        return given
    if caller.agent_id is not None and is_id(caller.agent_id):
        return caller.agent_id
    return legal_id(caller.agent_id or caller.actor.id) or NOBODY


def acting(caller: Caller, given: AgentId | None = None) -> Actor:
    """The actor of a change; an agent may say in the call which one it is, a person is who they are."""
    if given is None or caller.actor.kind != "agent" or given == caller.actor.id:
        return caller.actor
    return Actor(kind="agent", id=given, via=caller.actor.via)


def request_key(request: Request, request_id: str | None) -> RequestKey | None:
    """The key of a call that its caller may send again: all of its other arguments must be the same."""
    if request_id is None:
        return None
    asked = to_json([type(request).__name__, request.model_dump(mode="json", exclude={"request_id"})])
    return RequestKey(id=request_id, hash=short_hash(asked.decode()))
