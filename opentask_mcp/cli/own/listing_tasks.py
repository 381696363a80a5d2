"""`task list`, `list-all`, `get`, `query`, `stats`, `history`, `heartbeat`: what there is to do, and what was done."""

from typing import TYPE_CHECKING, Any, Final

import click

from ..building import about, arguments_of, params_of
from ..commands import FORMS
from ..session import Session
from .task_options import TASK_ID, agent_of, agent_option, answer, session_of, task_command, with_nulls

if TYPE_CHECKING:
    from registry.core.record import Bag
    from registry.operations.table import Result

_QUERY: Final = FORMS["task query"]
_GET: Final = FORMS["task get"]
_STATS: Final = FORMS["task stats"]
_HISTORY_ROWS: Final = 50
_QUERY_ROWS: Final = 50


def _list(agent_id: str | None) -> int:
    from registry.operations.agent_lists import agent_list

    session = session_of()
    agent = agent_of(session, agent_id)
    document = with_nulls(agent_list(session.caller("list_tasks", {}), agent))
    for name in ("running_tasks", "warnings"):
        if not document[name]:
            del document[name]
    return answer(session, "task list", document)


def _list_all() -> int:
    from registry.operations.agent_lists import all_lists

    session = session_of()
    found = all_lists(session.caller("list_tasks", {}))
    document = {**with_nulls(found), "agents": [with_nulls(row) for row in found.agents]}
    if not document["warnings"]:
        del document["warnings"]
    return answer(session, "task list-all", document)


def _get(agent_id: str | None, named: str | None, **given: Any) -> int:
    session = session_of()
    arguments = arguments_of(_GET, given)
    if named is not None:
        arguments.setdefault("task_id", named)
    found = session.ask(_GET, arguments).plain()
    if agent_id is not None and isinstance(found["task"], dict) and found["task"].get("agent_id") != agent_id:
        from registry.errors import NotFound

        raise NotFound(
            f"agent {agent_id!r} has no task {str(arguments['task_id'])!r}",
            hint="leave --agent out to see it all the same",
        )
    return answer(session, "task get", found)


def _query(agent_id: str | None, **given: Any) -> int:
    session = session_of()
    arguments = arguments_of(_QUERY, given)
    if (agent := agent_id or session.agent) is not None:
        arguments["agent_id"] = agent_of(session, agent)
    return answer(session, "task query", {"agent_id": agent, **_pages(session, arguments)})


def _pages(session: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    """As many rows as were asked for: one answer holds what fits a model, and nothing here has to fit one."""
    page = session.ask(_QUERY, {"limit": _QUERY_ROWS, **arguments}).plain()
    rows = _rows(page)
    limit = int(arguments.get("limit", _QUERY_ROWS))
    while "next_cursor" in page and len(rows) < limit:
        page = session.ask(_QUERY, {**arguments, "limit": limit - len(rows), "cursor": page["next_cursor"]}).plain()
        rows += _rows(page)
    return {**page, "tasks": rows}


def _rows(page: "Bag") -> list[Any]:
    rows = page["tasks"]
    assert isinstance(rows, list)
    return rows


def _stats(agent_id: str | None, **given: Any) -> int:
    from registry.operations.agent_lists import agent_stats

    session = session_of()
    arguments = arguments_of(_STATS, given)
    agent = agent_id or session.agent
    if agent is None or arguments or session.is_for_people:
        if agent is not None:
            arguments["agent_id"] = agent_of(session, agent)
        return answer(session, "task stats", _whole(session.ask(_STATS, arguments)))
    return answer(
        session, "task stats", with_nulls(agent_stats(session.caller("task_stats", {}), agent_of(session, agent)))
    )


def _whole(numbers: "Result") -> dict[str, Any]:
    """Numbers with what cannot be told yet as null; an agent's times also under the names that its list gives them."""
    document: dict[str, Any] = with_nulls(numbers)
    document["avg_completion_seconds"] = document["avg_completion_s"]
    document["median_completion_seconds"] = document["median_completion_s"]
    return document


def _history(agent_id: str | None, limit: int, cursor: str | None) -> int:
    from registry.operations.agent_lists import agent_history

    session = session_of()
    agent = agent_of(session, agent_id)
    page = agent_history(session.caller("list_tasks", {}), agent, limit=limit, cursor=cursor)
    document = page.plain()
    document["history"] = document.pop("tasks")
    return answer(session, "task history", document)


def _heartbeat(agent_id: str | None) -> int:
    from registry import clock
    from registry.operations.heartbeats import heartbeat_lines, heartbeat_of

    session = session_of()
    agent = agent_of(session, agent_id)
    if session.json:
        session.write(heartbeat_of(session.registry, agent, now=clock.now()).plain())
        return 0
    # A line that agents compare, so it is plain text in a pipe too.
    for line in heartbeat_lines(session.registry, agent, now=clock.now()):
        click.echo(line)
    return 0


def _without_agent(form_params: list[click.Parameter]) -> list[click.Parameter]:
    return [param for param in form_params if param.name != "agent_id"]


list_ = task_command(
    "list",
    params=[agent_option()],
    callback=_list,
    about="List what an agent has to do, does and did.\n\nCancelled tasks are in `task history`.",
)
list_all = task_command(
    "list-all", params=[], callback=_list_all, about="List all agents with the number of their tasks."
)
get = task_command(
    "get",
    params=[
        click.Argument(["named"], required=False, metavar="[TASK_ID]"),
        agent_option(),
        click.Option(TASK_ID, help="The task, if it is not said as an argument."),
    ],
    callback=_get,
    about=about(_GET),
)
query = task_command(
    "query", params=[agent_option(), *_without_agent(params_of(_QUERY))], callback=_query, about=about(_QUERY)
)
stats = task_command(
    "stats", params=[agent_option(), *_without_agent(params_of(_STATS))], callback=_stats, about=about(_STATS)
)
history = task_command(
    "history",
    params=[
        agent_option(),
        click.Option(["--limit"], type=click.IntRange(1, 500), default=_HISTORY_ROWS, help="Rows at most."),
        click.Option(["--cursor"], help="Go on where a page ended: its next_cursor."),
    ],
    callback=_history,
    about="List an agent's ended tasks, cancelled ones too, newest first.",
)
heartbeat = task_command(
    "heartbeat",
    params=[agent_option()],
    callback=_heartbeat,
    about="Say what an agent is to do now: P0 at once, P1 in order, P2 when idle.\n\n"
    "The one line HEARTBEAT_OK says that there is nothing.",
)
