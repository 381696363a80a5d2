"""`node transition` and `node result`: the two forms in which scripts have always told how a node goes."""

from collections.abc import Mapping
from typing import Any, Final

import click

from ..building import Words, arguments_of, command, params_of
from ..commands import FORMS
from ..forms import Form
from ..session import Session

_EVENTS: Final[Mapping[str, str]] = {
    "ready": "node.ready",
    "running": "node.started",
    "waiting": "node.waiting",
    "completed": "node.completed",
    "failed": "node.failed",
    "skipped": "node.skipped",
}
"""The event that brings a node to a status."""

_APPEND: Final = Form(
    words="node transition",
    operation="append_event",
    help="Record a step of a node without a lease.",
    places=("run_id", "node_id"),
    without=("event",),
)
_FINISH: Final = Form(
    words="node result",
    operation="finish_node",
    help="Hand in how a node ended, with sessions and artifacts.",
    places=("run_id", "node_id", "outcome"),
)
_BIND: Final = FORMS["run bind"]


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


def _transition(status: str, **given: Any) -> int:
    if status not in _EVENTS:
        raise click.UsageError(f"STATUS is {status!r}; it must be {', '.join(_EVENTS)}")
    arguments = arguments_of(_APPEND, given)
    return _session().answer(_APPEND, {**arguments, "event": _EVENTS[status]})


def _result(session_key: str | None, child_session_key: str | None, **given: Any) -> int:
    session = _session()
    arguments = arguments_of(_FINISH, given)
    sessions = {"session_key": session_key, "child_session_key": child_session_key}
    if session_key or child_session_key:
        # Bound first: result.json, which the end writes, names them.
        where = {name: arguments[name] for name in ("run_id", "node_id")}
        session.ask(_BIND, {**where, **{name: key for name, key in sessions.items() if key}})
    return session.answer(_FINISH, arguments)


_places, _options = params_of(_APPEND)[:2], params_of(_APPEND)[2:]
transition = command(
    "transition",
    params=[
        *_places,
        click.Argument(["status"], type=Words(tuple(_EVENTS)), metavar="[" + "|".join(_EVENTS) + "]"),
        *_options,
    ],
    callback=_transition,
    about="Record a step of a node that nobody claimed, by the status it leads to.\n\n"
    "A claimed node needs its --fence here too; `opentask node finish` is the usual end of claimed work.",
)
result = command(
    "result",
    params=[
        *params_of(_FINISH),
        click.Option(["--session-key"], help="The session that worked on the node."),
        click.Option(["--child-session-key"], help="The sub-agent's session."),
    ],
    callback=_result,
    about="Hand in how a node ended, as `opentask node finish` does, and tie the node to its sessions first.",
)
