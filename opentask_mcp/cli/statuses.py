"""The exit status of every way a command can end: what scripts branch on."""

from collections.abc import Callable, Mapping
from typing import Final

DONE: Final = 0
OUR_FAULT: Final = 1
INVALID_REQUEST: Final = 2
NOT_FOUND: Final = 3
CONFLICT: Final = 4
BUSY: Final = 5
LIMIT: Final = 6
DAMAGED: Final = 7
INTERRUPTED: Final = 130

STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "invalid_request": INVALID_REQUEST,
    "forbidden": INVALID_REQUEST,
    "not_found": NOT_FOUND,
    "conflict": CONFLICT,
    "revision_conflict": CONFLICT,
    "illegal_transition": CONFLICT,
    "lease_lost": CONFLICT,
    "paused": CONFLICT,
    "lock_timeout": BUSY,
    # The same call with the same request id or fence settles it.
    "outcome_unknown": BUSY,
    "storage_full": LIMIT,
    "limit_exceeded": LIMIT,
    "log_corrupt": DAMAGED,
    "internal_error": OUR_FAULT,
}

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


def _of_wait(answer: Mapping[str, object]) -> int:
    """A wait that may still come true is worth trying again; one that cannot is not."""
    if answer["reached"]:
        return DONE
    return CONFLICT if answer["run_status"] in _ENDED else BUSY


def _of_flow_change(answer: Mapping[str, object]) -> int:
    """A change that was not made is not done, though the answer is no error."""
    if answer["applied"]:
        return DONE
    return {"not_found": NOT_FOUND, "persist_failed": LIMIT}.get(str(answer["code"]), CONFLICT)


def _of_linked(answer: Mapping[str, object]) -> int:
    if answer["created"] or answer.get("task"):
        return DONE
    return CONFLICT if answer["found"] else NOT_FOUND


def _of_flow_cancel(answer: Mapping[str, object]) -> int:
    """Children that are still active have been asked to stop: that is done. What has ended cannot be cancelled."""
    if not answer["found"]:
        return NOT_FOUND
    return DONE if answer["cancelled"] or answer.get("tasks") else CONFLICT


_OF_ANSWER: Final[Mapping[str, Callable[[Mapping[str, object]], int]]] = {
    "validate_run": lambda answer: DONE if answer["ok"] else DAMAGED,
    "doctor": lambda answer: DONE if answer["ok"] else DAMAGED,
    "repair_run": lambda answer: DONE if answer["ok"] else DAMAGED,
    "validate_workflow": lambda answer: DONE if answer["ok"] else INVALID_REQUEST,
    "wait_for_run": _of_wait,
    "update_flow": _of_flow_change,
    "run_flow_task": _of_linked,
    "cancel_flow": _of_flow_cancel,
}


def status_of_answer(operation: str, answer: Mapping[str, object]) -> int:
    """What an answer that is no error means to a script: a check that found faults is not `done`."""
    judge = _OF_ANSWER.get(operation)
    return judge(answer) if judge is not None else DONE
