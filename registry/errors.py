"""What a user reads when something cannot be done.

Every expected failure is a `RegistryError`: a stable code, one sentence saying what is so and
what was asked, a hint that names the mend, and the calls that are legal now. Surfaces print
these fields; none of them words a failure of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydantic import JsonValue

Arguments = Mapping[str, JsonValue]
HOST: Final = "host"
"""Stands for a tool in a `NextCall`: what the agent does with tools of its own."""


@dataclass(frozen=True)
class NextCall:
    """A call that is legal now.

    `args` is complete; a part only the caller knows stands as `<...>`. The tool may be `HOST`.
    """

    tool: str
    args: Arguments = field(default_factory=dict)
    why: str = ""


class RegistryError(Exception):
    """A failure the caller can act on.

    Args:
        message: What is so, then what was asked.
        hint: What to do about it.
        next: Calls that are legal now.
        details: The fields the message was made from, for programs.
    """

    code: ClassVar[str] = "invalid_request"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        next: Sequence[NextCall] = (),  # noqa: A002 - the field's name in every answer
        **details: JsonValue,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.next = tuple(next)
        self.details: dict[str, JsonValue] = details


class InvalidRequest(RegistryError):
    """The call itself is wrong; nothing was looked at or changed."""


class NotFound(RegistryError):
    """What the call names does not exist."""

    code = "not_found"


class Conflict(RegistryError):
    """Somebody else has it, or the same id already means something else."""

    code = "conflict"


class NodeHeld(Conflict):
    """Another worker has the node under a lease that still lives."""

    retryable = True


class RevisionConflict(RegistryError):
    """The run changed since the revision the caller decided on."""

    code = "revision_conflict"


class IllegalTransition(RegistryError):
    """The lifecycle table has no such step from the present status."""

    code = "illegal_transition"


class LeaseLost(RegistryError):
    """The caller's attempt is over; the node is another's or ended."""

    code = "lease_lost"


class RunPaused(RegistryError):
    """Nothing new starts while the run is paused."""

    code = "paused"


class LockTimeout(RegistryError):
    """Another process kept the run's lock longer than the caller would wait."""

    code = "lock_timeout"
    retryable = True

    def __init__(self, *, run_id: str, waited_s: float, holder: str) -> None:
        super().__init__(
            f"run {run_id!r} is locked by {holder}; gave up after {waited_s:.1f} s",
            hint="nothing was changed; try again in a second",
            run_id=run_id,
            waited_s=waited_s,
            holder=holder,
        )


class AgentLockTimeout(RegistryError):
    """Another claim from the same agent's queue took longer than the caller would wait."""

    code = "lock_timeout"
    retryable = True

    def __init__(self, *, agent_id: str, waited_s: float, holder: str) -> None:
        super().__init__(
            f"the queue of agent {agent_id!r} is locked by {holder}; gave up after {waited_s:.1f} s",
            hint="nothing was changed; try again in a second",
            agent_id=agent_id,
            waited_s=waited_s,
            holder=holder,
        )


class StorageFull(RegistryError):
    """The disk took no more; the change was undone whole."""

    code = "storage_full"
    retryable = True


class StorageFault(RegistryError):
    """The operating system refused a read or write; the change was undone whole."""

    code = "storage_full"
    retryable = True


class OutcomeUnknown(RegistryError):
    """The change was written but the disk did not confirm it."""

    code = "outcome_unknown"
    retryable = True


class LogCorrupt(RegistryError):
    """The trail is damaged in the middle: reads go on, writes wait for a repair."""

    code = "log_corrupt"


class LimitExceeded(RegistryError):
    """A value is larger than the registry takes."""

    code = "limit_exceeded"

    def __init__(self, what: str, *, limit: int, size: int, unit: str = "bytes", hint: str = "") -> None:
        super().__init__(
            f"{what} is {size:,} {unit}; the limit is {limit:,}",
            hint=hint or "send less, or keep the long part in a file of the node",
            what=what,
            limit=limit,
            size=size,
        )


class Forbidden(RegistryError):
    """The caller may not do this here, however it is asked."""

    code = "forbidden"


# Workflow files


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a text, placed.

    `line` and `column` count from 1; line 0 is a value that came without a text. `mend` says what to
    do, empty where the message does.
    """

    source: str
    line: int
    column: int
    message: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.message}" + (f"\n  {self.mend}" if self.mend else "")


class WorkflowInvalid(InvalidRequest):
    """A workflow's text has faults; the message holds the first of them, `faults` all that were found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        shown = "\n".join(str(fault) for fault in faults[:25])
        more = f"\nand {len(faults) - 25} more" if len(faults) > 25 else ""
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"the workflow has {count}\n{shown}{more}",
            hint="mend what is named and try again; validate_workflow checks without starting anything",
            faults=[
                {"line": fault.line, "column": fault.column, "message": fault.message, "mend": fault.mend}
                for fault in faults
            ],
        )
        self.faults = tuple(faults)
