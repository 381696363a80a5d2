"""What the commands about tasks have in common: whose tasks, which task, and how they answer."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from ..building import shared_options
from ..session import Session

if TYPE_CHECKING:
    from registry.core.record import Bag
    from registry.errors import RegistryError
    from registry.operations.table import Result

TASK_ID: Final = ["--task-id", "task_id"]
_HELP: Final = "The agent whose tasks are meant; OPENTASK_AGENT_ID, if nothing is said."


def agent_option() -> click.Option:
    """`--agent A`, here whose tasks are meant; `--agent-id` is the same, as operations call it."""
    return click.Option(["--agent", "--agent-id", "agent_id"], metavar="ID", help=_HELP)


def task_command(
    name: str, *, params: list[click.Parameter], callback: Callable[..., int], about: str
) -> click.Command:
    """A command with the options that every command has, but that `--agent` says whose tasks are meant."""
    others = [option for option in shared_options() if option.name != "agent"]
    return click.Command(name, params=[*params, *others], callback=callback, help=about)


def session_of() -> Session:
    """The session of the command that runs."""
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


def agent_of(session: Session, agent_id: str | None) -> str:
    """The agent that is meant.

    Raises:
        InvalidRequest: none was named, or its id is none.
    """
    from registry.core.names import ID_RULE, is_id, legal_id, quoted
    from registry.errors import InvalidRequest

    found = agent_id or session.agent
    if found is None:
        raise InvalidRequest("whose tasks? --agent is missing", hint="name the agent, or set OPENTASK_AGENT_ID")
    if not is_id(found):
        near = legal_id(found)
        raise InvalidRequest(
            f"--agent is {quoted(found)}; an id is {ID_RULE}" + (f"; for example {near}" if near else "")
        )
    return found


def answer(session: Session, command: str, document: "Mapping[str, Any]") -> int:
    """Show an answer: as people read it on a terminal, else as JSON in the names of the per-agent lists."""
    if session.is_for_people:
        from ..show import answers

        answers.show(command, dict(document), before=session.before)
    else:
        session.write(dict(document))
    return 0


def not_its(task: str, owner: str | None, agent_id: str) -> "RegistryError":
    """The refusal of a change to a task that is assigned to somebody else than the agent that is named."""
    from registry.core.names import shown
    from registry.errors import Conflict, NextCall

    return Conflict(
        f"task {shown(task)!r} is assigned to {repr(owner) if owner else 'nobody'}, not to {agent_id!r}; "
        "nothing was changed",
        hint="leave --agent out, or name the agent it is assigned to",
        next=(NextCall("get_task", {"task_id": task}, "shows the task"),),
    )


def with_nulls(result: "Result") -> "Bag":
    """A result whose own fields are all there, null where nothing is known: scripts look them up by name."""
    return {**dict.fromkeys(type(result).model_fields), **result.plain()}


def done(task_id: str, message: str, **more: Any) -> "Bag":
    """The answer to a change of one task."""
    return {"status": "success", "task_id": task_id, "message": message, **more}
