"""`task create`, `task cancel`, `task retry`: what those do who give work."""

from typing import Any, Final

import click

from ..building import about, arguments_of, params_of, parsed
from ..commands import FORMS
from .task_options import agent_of, agent_option, answer, done, not_its, session_of, task_command

_CREATE: Final = FORMS["task create"]
_CANCEL: Final = FORMS["task cancel"]
_RETRY: Final = FORMS["task retry"]


def _create(agent_id: str | None, params_text: str | None, from_file: str | None, **given: Any) -> int:
    session = session_of()
    if from_file is not None:
        from .giving_many import create_many

        said = [name for name, value in {**given, "params": params_text}.items() if value not in (None, False, ())]
        if said:
            raise click.UsageError(f"--from-file says all of each task itself, {said[0].partition('__')[0]} too")
        return create_many(session, from_file, agent_id)
    arguments = {**arguments_of(_CREATE, given), "agent_id": agent_of(session, agent_id)}
    if params_text is not None:
        if "params" in arguments:
            raise click.UsageError("--params and --params-json are the same; say it once")
        arguments["params"] = parsed("--params", params_text)
    made = session.ask(_CREATE, arguments).plain()
    what = "created" if made["created"] else "was there already"
    place = f", place {made['queue_position']} in the queue" if "queue_position" in made else ""
    held = made["held_by"]
    waits = f", held by {', '.join(map(str, held))}" if isinstance(held, list) and held else ""
    message = f"Task {made['task_id']} {what} for {made['agent_id']} ({made['priority_label']}{place}{waits})"
    return answer(session, "task create", done(str(made["task_id"]), message))


def _cancel(agent_id: str | None, **given: Any) -> int:
    session = session_of()
    arguments = arguments_of(_CANCEL, given)
    _require_its(agent_id, arguments.get("task_id"))
    found = session.ask(_CANCEL, arguments).plain()
    task = found.get("task")
    named = str(task["task_id"]) if isinstance(task, dict) else str(arguments.get("task_id"))
    if found["cancelled"]:
        return answer(session, "task cancel", done(named, f"Task {named} cancelled", **found))
    unchanged = {"status": "unchanged", "task_id": named, "message": str(found.get("reason", "")), **found}
    return answer(session, "task cancel", unchanged)


def _retry(agent_id: str | None, **given: Any) -> int:
    session = session_of()
    arguments = arguments_of(_RETRY, given)
    _require_its(agent_id, arguments.get("task_id"))
    retried = session.ask(_RETRY, arguments).plain()
    number, most = retried["retry_count"], retried["max_retries"]
    assert isinstance(number, int)
    assert isinstance(most, int)
    message = f"Task {retried['task_id']} is queued again (retry {number}{f' of {most}' if number <= most else ''})"
    return answer(session, "task retry", done(str(retried["task_id"]), message, task=retried["task"]))


def _require_its(agent_id: str | None, task: object) -> None:
    """Where an agent is named, the task is to be its own: a slip of the id must not hit another's work."""
    if agent_id is None or not isinstance(task, str):
        return
    from registry.errors import NotFound
    from registry.operations.task_ids import existing_task

    registry = session_of().registry
    try:
        run_id, node_id = existing_task(registry, task)
        owner = registry.store.state(run_id).nodes[node_id].agent_id
    except NotFound:
        return  # The operation says so in its own words.
    if owner != agent_id:
        raise not_its(task, owner, agent_id)


def _without_agent(form_params: list[click.Parameter]) -> list[click.Parameter]:
    return [param for param in form_params if param.name != "agent_id"]


create = task_command(
    "create",
    params=[
        agent_option(),
        *_without_agent(params_of(_CREATE)),
        click.Option(["--params", "params_text"], metavar="JSON", help="The task's parameters, an object."),
        click.Option(
            ["--from-file"],
            metavar="FILE",
            help="Create many: on each line a JSON object of name, priority, request_id, ...; - is standard input.",
        ),
    ],
    callback=_create,
    about=about(_CREATE),
)
cancel = task_command("cancel", params=[agent_option(), *params_of(_CANCEL)], callback=_cancel, about=about(_CANCEL))
retry = task_command("retry", params=[agent_option(), *params_of(_RETRY)], callback=_retry, about=about(_RETRY))
