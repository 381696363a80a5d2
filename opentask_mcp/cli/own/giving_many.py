"""`task create --from-file`: many tasks at once, one JSON object on each line, with a bar that says how far it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..building import text_of
from ..commands import FORMS
from ..session import Session
from .task_options import agent_of, answer

if TYPE_CHECKING:
    from registry.errors import RegistryError

_OPTION: Final = "--from-file"
_CREATE: Final = FORMS["task create"]
_MARK: Final = "\ufeff"
"""What some editors write in front of UTF-8."""

_Lines = list[tuple[int, dict[str, Any]]]
"""Number of each line and the task it asks for."""


class _Advance(Protocol):
    def __call__(self) -> None: ...


def create_many(session: Session, path: str, agent_id: str | None) -> int:
    """Create a task for each line of a file; nothing is created unless every line can be read.

    Args:
        agent_id: Whose tasks those are whose lines do not say it.

    Raises:
        InvalidRequest: a line asks for no task; its number is said.
        RegistryError: a task was refused; `details` say how many tasks were created before it.
    """
    lines = _read(session, path, agent_id)
    begun = time.monotonic()
    ids: list[str] = []
    created = 0
    with _bar(session, len(lines)) as advance:
        for number, arguments in lines:
            made = _made(session, number, arguments, done=created)
            ids.append(str(made["task_id"]))
            created += bool(made["created"])
            advance()
    there = len(ids) - created
    message = f"{created:,} {'task' if created == 1 else 'tasks'} created in {time.monotonic() - begun:.1f} s"
    if there:
        message += f"; {there:,} {'was' if there == 1 else 'were'} there already"
    counts = {"created": created, "existing": there, "task_ids": ids}
    return answer(session, "task create", {"status": "success", "message": message, **counts})


def _read(session: Session, path: str, agent_id: str | None) -> _Lines:
    from pydantic_core import from_json

    from registry.errors import InvalidRequest, RegistryError
    from registry.operations.parse import parse_request
    from registry.operations.table import OPERATIONS

    lines: _Lines = []
    # By \n alone: a text in JSON may hold what else Python takes for the end of a line.
    for number, text in enumerate(text_of(_OPTION, path).removeprefix(_MARK).split("\n"), 1):
        if not text.strip():
            continue
        try:
            asked = from_json(text)
        except ValueError as fault:
            raise InvalidRequest(f"line {number} of {_OPTION} is not JSON: {fault}", hint=_EXAMPLE) from None
        if not isinstance(asked, dict):
            raise InvalidRequest(f"line {number} of {_OPTION} is not an object", hint=_EXAMPLE)
        if "agent_id" not in asked:
            asked["agent_id"] = agent_of(session, agent_id)
        try:
            parse_request(OPERATIONS[_CREATE.operation], asked)
        except RegistryError as refusal:
            raise _told(refusal, number, done=0) from None
        lines.append((number, asked))
    return lines


_EXAMPLE: Final = (
    'each line is an object with create_task\'s arguments, such as {"name": "Order lamp oil", "priority": 7}'
)


def _made(session: Session, number: int, arguments: dict[str, Any], *, done: int) -> dict[str, Any]:
    from registry.errors import RegistryError

    try:
        return dict(session.ask(_CREATE, arguments).plain())
    except RegistryError as refusal:
        raise _told(refusal, number, done=done) from None


def _told(refusal: "RegistryError", number: int, *, done: int) -> "RegistryError":
    """A refusal with its line, and how many tasks stand all the same."""
    before = f"; created before it, and still there: {done:,}" if done else "; nothing was created"
    refusal.message = f"line {number}: {refusal.message}{before}"
    refusal.details = {**refusal.details, "line": number, "done": done}
    return refusal


@contextmanager
def _bar(session: Session, total: int) -> Iterator[_Advance]:
    if not session.is_for_people:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        "creating tasks", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True
    ) as progress:
        bar = progress.add_task("", total=total)
        yield lambda: progress.advance(bar)
