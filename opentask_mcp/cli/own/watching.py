"""`run watch`: a run followed live, drawn anew on a terminal, a JSON line for each change elsewhere.

Watching only looks: it takes no lock, ticks nothing and may be stopped at any time.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from ..building import command, params_of
from ..commands import FORMS
from ..session import Session

if TYPE_CHECKING:
    from registry.core.record import Bag

_SHOW: Final = FORMS["run show"]
_EVENTS: Final = FORMS["run events"]
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
_LOOKS_APART_S: Final = 0.2
_DRAWN_APART_S: Final = 1.0
_EVENTS_DRAWN: Final = 8

Answer = dict[str, Any]


def _watch(run_id: str, interval: float) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    follow = _draw if session.is_for_people else _write_lines
    with suppress(KeyboardInterrupt):  # how a person ends a watch
        follow(session, run_id, interval)
    return 0


def changes(session: Session, run_id: str, interval: float, *, quiet_s: float) -> Iterator[tuple[Answer, list[Answer]]]:
    """The run as it stands and what happened since the last look, oldest first; again at each change.

    Args:
        interval: Seconds between looks at the trail's size, which is all that a look costs.
        quiet_s: Look again after so many seconds even when nothing changed, for what time alone changes.

    Ends with the look that finds the run ended.
    """
    seen = 0
    first = True
    while True:
        mark = session.registry.log_mark(run_id)
        looked_at = time.monotonic()
        state = session.ask(_SHOW, {"run_id": run_id}).model_dump(mode="json", exclude_none=True)
        fresh = _events_since(session, run_id, seen)
        if fresh:
            seen = int(fresh[-1]["seq"])
        yield state, fresh if not first else fresh[-_EVENTS_DRAWN:]
        first = False
        if state["status"] in _ENDED:
            return
        while session.registry.log_mark(run_id) == mark and time.monotonic() - looked_at < quiet_s:
            time.sleep(interval)


def _events_since(session: Session, run_id: str, seen: int) -> list[Answer]:
    """The events behind one, oldest first; at the first look the newest page only."""
    found: list[Answer] = []
    asked: dict[str, object] = {"run_id": run_id, "view": "events"}
    while True:
        page = session.ask(_EVENTS, asked).model_dump(mode="json", exclude_none=True)
        rows = [row for row in page.get("events", ()) if row["seq"] > seen]
        found += rows
        if not rows or not seen or "next_cursor" not in page or len(rows) < len(page["events"]):
            return found[::-1]
        asked = {**asked, "cursor": page["next_cursor"]}


def _write_lines(session: Session, run_id: str, interval: float) -> None:
    """One line a look: the whole run first, then what changed with the events that changed it."""
    from registry.operations.wire import camelize

    rev = None
    for state, events in changes(session, run_id, interval, quiet_s=float("inf")):
        answer = state
        if rev is not None:
            asked = {"run_id": run_id, "since_rev": rev}
            answer = session.ask(_SHOW, asked).model_dump(mode="json", exclude_none=True)
        rev = state["rev"]
        line: Bag = {**answer, "events": [*events]}
        session.write(camelize(line), lines=True)


def _draw(session: Session, run_id: str, interval: float) -> None:
    from ..show.live import Screen

    told: list[Answer] = []
    with Screen() as screen:
        for state, events in changes(session, run_id, interval, quiet_s=_DRAWN_APART_S):
            told = [*told, *events][-_EVENTS_DRAWN:]
            screen.draw(state, told)


watch = command(
    "watch",
    params=[
        params_of(_SHOW)[0],
        click.Option(
            ["--interval"],
            type=click.FloatRange(min=0.02, max=60),
            default=_LOOKS_APART_S,
            metavar="SECONDS",
            help="Seconds between looks.",
        ),
    ],
    callback=_watch,
    about="Follow a run live until it ends, or Ctrl-C.\n\n"
    "In a pipe or with --json, a line of JSON for each change: the run as it stands, then what is new.",
)
