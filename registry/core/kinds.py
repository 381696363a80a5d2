"""The kinds of argument that the library and the operations check alike.

A refusal of one value is a `ValueError`, which is gathered with the others; a value that is too
large is a `LimitExceeded`, which ends the request at once.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from ..errors import LimitExceeded
from .limits import GOAL_BYTES_MAX, MESSAGE_BYTES_MAX
from .names import ID_RULE, is_id, legal_id, quoted, shown

REQUEST_ID_MAX: Final = 200
SESSION_KEY_MAX: Final = 512
CONTROLLER_MAX: Final = 200


def name_of(info: ValidationInfo) -> str:
    """What a refusal calls the argument."""
    return info.field_name or "the value"


def _id(value: str, info: ValidationInfo) -> str:
    if is_id(value):
        return value
    name = name_of(info)
    if not value:
        raise ValueError(f"{name} is empty")
    if name == "agent_id" and value.startswith("agent:") and is_id(agent := value.split(":")[1]):
        raise ValueError(f"agent_id is {shown(value)!r}, a session key; send agent_id {agent!r}")
    run_id, colon, node_id = value.partition(":")
    if colon and is_id(run_id) and is_id(node_id):
        if name == "flow_id":
            raise ValueError(f"{shown(value)!r} is a task id; send flow_id {run_id!r}")
        raise ValueError(f"{shown(value)!r} is a task id; send run_id {run_id!r}, node_id {node_id!r}")
    near = legal_id(value)
    raise ValueError(
        f"{name} is {quoted(value)}; an id is {ID_RULE}" + (f"; for example {shown(near)!r}" if near else "")
    )


def short_text(limit: int, value: str, info: ValidationInfo) -> str:
    """A text that is not empty, of at most so many characters."""
    if not value.strip():
        raise ValueError(f"{name_of(info)} is empty")
    if len(value) > limit:
        raise LimitExceeded(name_of(info), limit=limit, size=len(value), unit="characters", hint="send a shorter one")
    return value


def _request_id(value: str, info: ValidationInfo) -> str:
    return short_text(REQUEST_ID_MAX, value, info)


def _session_key(value: str, info: ValidationInfo) -> str:
    return short_text(SESSION_KEY_MAX, value, info)


def _message(value: str, info: ValidationInfo) -> str:
    size = len(value.encode())
    if size > MESSAGE_BYTES_MAX:
        raise LimitExceeded(name_of(info), limit=MESSAGE_BYTES_MAX, size=size)
    return value


def _text(value: str, info: ValidationInfo) -> str:
    name = name_of(info)
    if not value.strip():
        raise ValueError(f"{name} is empty")
    limit = CONTROLLER_MAX if name == "controller_id" else GOAL_BYTES_MAX
    if (size := len(value.encode())) > limit:
        raise LimitExceeded(name, limit=limit, size=size)
    return value


def _task(value: str, info: ValidationInfo) -> str:
    run_id, colon, node_id = value.partition(":")
    if is_id(run_id) and (is_id(node_id) or not colon):
        return value
    raise ValueError(f"{name_of(info)} is {shown(value)!r}; a task id is <run_id>:<node_id>")


def _number(value: object, info: ValidationInfo) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{name_of(info)} is true or false; it must be a whole number")
    return value


def _revision(value: int, info: ValidationInfo) -> int:
    if value >= 0:
        return value
    raise ValueError(f"{name_of(info)} is {value}; it is the flow's `revision`, 0 or more")


Id = Annotated[str, AfterValidator(_id)]
"""An id of a run, node, workflow or agent."""

RequestId = Annotated[str, AfterValidator(_request_id)]
OutsideId = Annotated[str, AfterValidator(_session_key)]
"""What another system calls one of its own things: a session, a run."""

Message = Annotated[str, AfterValidator(_message)]
"""Words for the trail, at most 4 KiB."""

Goal = Annotated[str, AfterValidator(_text)]
ControllerId = Annotated[str, AfterValidator(_text)]
TaskRef = Annotated[str, AfterValidator(_task)]
Revision = Annotated[int, AfterValidator(_revision), BeforeValidator(_number)]
"""A flow's revision; true is 1 in Python, and no revision."""
