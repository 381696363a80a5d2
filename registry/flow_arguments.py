"""What the arguments of a flow's methods may be, for every caller alike.

Types alone do not keep a wrong value out of Python code: each method has its arguments checked
by a model here before anything is looked at.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import from_json

from . import clock
from .core.commands import FlowAction, LinkTask
from .core.flow import ChildRuntime, FlowStatus, NotifyPolicy
from .core.kinds import ControllerId, Goal, Id, Message, OutsideId, RequestId, Revision, TaskRef, name_of
from .core.limits import BAG_BYTES_MAX, NESTING_MAX, PAYLOAD_BYTES_MAX, PROMPT_BYTES_MAX
from .core.names import iso, moment, shown
from .core.record import Bag, Json, is_shallow
from .core.run import Actor
from .core.wording import worded
from .errors import InvalidRequest, LimitExceeded
from .flow_answers import Keep, Value

TAKES: Final[Mapping[FlowAction, frozenset[str]]] = {
    "set_waiting": frozenset({"current_step", "state_json", "wait_json", "blocked_task_id", "blocked_summary"}),
    "resume": frozenset({"current_step", "state_json", "status", "reopen"}),
    "finish": frozenset({"state_json"}),
    "fail": frozenset({"state_json", "blocked_task_id", "blocked_summary"}),
    "request_cancel": frozenset(),
}
"""What each action has a use for, beside the flow, its revision and its owner."""

TITLE_CHARS: Final = 80
_FAULTS_SHOWN: Final = 12
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
_HALF: Final = "{} holds half a character (a lone surrogate), which no file can hold"


def _own(limit: int, value: object, info: ValidationInfo) -> Json:
    """A copy of a caller's own value, as it will be read again."""
    name = name_of(info)
    if not is_shallow(value):
        raise ValueError(f"{name} is nested more than {NESTING_MAX} deep; keep what is so deep in a file of the run")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        again: Json = from_json(text)
    except UnicodeEncodeError:
        raise ValueError(_HALF.format(name)) from None
    except (ValueError, TypeError) as fault:
        raise ValueError(f"{name} holds what JSON has no form for (NaN, for example): {shown(str(fault))}") from None
    if len(text) > limit:
        raise LimitExceeded(name, limit=limit, size=len(text), hint="keep the long part in a file of the run")
    if again != value:
        raise ValueError(f"{name} would be read back otherwise: in JSON keys are strings, and there are no tuples")
    return again


def _task(value: str, info: ValidationInfo) -> str:
    if not value.strip():
        raise ValueError(f"{name_of(info)} is empty; say what the child is to do")
    if (size := len(value.encode())) > PROMPT_BYTES_MAX:
        raise LimitExceeded(
            name_of(info), limit=PROMPT_BYTES_MAX, size=size, hint="keep the long part in a file of the run"
        )
    return value


def _time(value: str, info: ValidationInfo) -> str:
    try:
        return iso(moment(value))
    except ValueError:
        raise ValueError(
            f"{name_of(info)} is {shown(value)!r}, no time with offset; write for example 2026-01-31T09:00:00+00:00"
        ) from None


Own = Annotated[Json, BeforeValidator(partial(_own, BAG_BYTES_MAX))]
Origin = Annotated[Bag, BeforeValidator(partial(_own, PAYLOAD_BYTES_MAX))]
Task = Annotated[str, AfterValidator(_task)]
Time = Annotated[str, AfterValidator(_time)]
Going = Literal["queued", "running"]


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError(_HALF.format(name_of(info))) from None
        return value


class NewFlow(_Arguments):
    """What a flow begins with."""

    controller_id: ControllerId
    goal: Goal
    owner_key: OutsideId
    requester_origin: Origin | None
    status: Going
    current_step: Message | None
    state_json: Own
    wait_json: Own
    notify_policy: NotifyPolicy
    request_id: RequestId | None


def _past(name: str, at: str | None) -> str | None:
    """A time that is over; one that another clock gives, which runs ahead of ours by a little, is taken for now."""
    now = clock.now()
    if at is None or moment(at) <= now:
        return at
    if moment(at) - now > _CLOCKS_DIFFER:
        raise InvalidRequest(f"{name} is {at}, which has not come yet", hint="send a time that is over")
    return iso(now)


class NewChild(_Arguments):
    """Work that is to be linked."""

    flow_id: str
    runtime: ChildRuntime
    task: Task
    child_session_key: OutsideId | None
    parent_task_id: TaskRef | None
    agent_id: Id | None
    run_id: OutsideId | None
    label: OutsideId | None
    status: Going
    started_at: Time | None
    last_event_at: Time | None
    progress_summary: Message | None

    def command(self, actor: Actor, owner_key: str | None) -> LinkTask:
        """What is asked of the flow's run.

        Raises:
            InvalidRequest: it began before it was to begin, or a time has not come.
        """
        if self.status == "queued" and self.started_at is not None:
            raise InvalidRequest(
                "started_at is given for a child whose status is queued",
                hint="send status running with it, or leave started_at out",
            )
        return LinkTask(
            actor=actor,
            owner_key=owner_key,
            runtime=self.runtime,
            title=shown(self.label or self.task.strip().partition("\n")[0].lstrip("# "), TITLE_CHARS) or "task",
            prompt=self.task,
            child_session_key=self.child_session_key,
            worker_run_id=self.run_id,
            parent=self.parent_task_id,
            agent_id=self.agent_id,
            label=self.label,
            status=self.status,
            started_at=_past("started_at", self.started_at),
            last_event_at=_past("last_event_at", self.last_event_at),
            progress=self.progress_summary,
        )


class Changes(_Arguments):
    """The fields of a flow that a change may set; what is not in it stays."""

    current_step: Message | None = None
    state_json: Own = None
    wait_json: Own = None
    blocked_task_id: TaskRef | None = None
    blocked_summary: Message | None = None

    @property
    def given(self) -> dict[str, Json]:
        """What is to change."""
        return {name: getattr(self, name) for name in Changes.model_fields if name in self.model_fields_set}


class Change(_Arguments):
    """A change of a flow's own record."""

    flow_id: str
    action: FlowAction
    expected_revision: Revision
    changes: Changes
    status: Going
    reopen: bool

    @model_validator(mode="after")
    def _is_used_whole(self) -> Self:
        beside = {"status": self.status != "queued", "reopen": self.reopen}
        meant = self.changes.model_fields_set | {name for name, is_meant in beside.items() if is_meant}
        if fault := useless(self.action, meant, TAKES[self.action]):
            raise InvalidRequest(fault, hint="nothing was changed")
        return self


class Cancel(_Arguments):
    """Whose cancel is asked, and why."""

    flow_id: str
    message: Message | None


class Asked(_Arguments):
    """What a flow is looked up by."""

    flow_id: str | None = None
    token: str | None = None
    owner_key: str | None = None


class Wanted(_Arguments):
    """Which flows a list is to show."""

    controller_id: str | None
    statuses: Annotated[frozenset[FlowStatus] | None, Field(strict=False)]


def useless(action: FlowAction, given: Iterable[str], takes: frozenset[str]) -> str | None:
    """What is given though the action ignores it, as a fault: its caller would believe in a change that never was."""
    ignored = sorted(set(given) - takes)
    if not ignored:
        return None
    taken = ", ".join(sorted(takes)) or "nothing more"
    return f"update_flow {action} has no use for {', '.join(ignored)}; it takes {taken}"


A = TypeVar("A", bound=_Arguments)


def checked(arguments: type[A], asked: str, **values: object) -> A:
    """The arguments of a method, checked.

    Args:
        asked: What refusals call the method.

    Raises:
        InvalidRequest: one or more of them are wrong; the message names them all.
        LimitExceeded: one is too large.
    """
    try:
        return arguments.model_validate(values)
    except ValidationError as error:
        faults = _said(error, asked)
    takes = ", ".join((Changes if arguments is Change else arguments).model_fields)
    raise InvalidRequest("; ".join(faults[:_FAULTS_SHOWN]), hint=f"{asked} takes {takes}; nothing was changed")


def _said(error: ValidationError, asked: str) -> Sequence[str]:
    return list(dict.fromkeys(worded(detail, asked) for detail in error.errors(include_url=False)))


def given(**changes: Value) -> dict[str, Json]:
    """The fields that are to change: those that are not to be kept."""
    return {name: value for name, value in changes.items() if not isinstance(value, Keep)}
