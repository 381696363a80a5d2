"""`run replay` and `run diff`: a run as it once was, and what changed since."""

import click

from ..building import command, params_of
from ..commands import FORMS
from ..session import Session
from .showing import require_run_id


def _replay(run_id: str, at: int | None, whole: bool) -> int:
    from registry.operations.replays import document_of, replay, run_once

    session = _session()
    caller = session.caller("get_run", {})
    if whole:
        session.write(document_of(run_once(caller, require_run_id(run_id), at=at)))
    else:
        session.show_plain("run replay", replay(caller, require_run_id(run_id), at=at).plain())
    return 0


def _diff(run_id: str, first: int, last: int) -> int:
    from registry.operations.replays import run_diff

    session = _session()
    session.show_plain("run diff", run_diff(session.caller("get_run", {}), require_run_id(run_id), first, last).plain())
    return 0


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


_run_id = params_of(FORMS["run show"])[0]
_revision = click.IntRange(min=1, max=1 << 53)
replay = command(
    "replay",
    params=[
        _run_id,
        click.Option(["--at"], type=_revision, metavar="REV", help="The revision; the last one if none is named."),
        click.Option(["--whole"], is_flag=True, help="State, bindings and plan as JSON, whole."),
    ],
    callback=_replay,
    about="Show a run as its trail has it at a revision.\n\nThe events of a run name their revisions.",
)
diff = command(
    "diff",
    params=[
        _run_id,
        click.Argument(["first"], type=_revision, metavar="A"),
        click.Argument(["last"], type=_revision, metavar="B"),
    ],
    callback=_diff,
    about="Show what changed in a run between two revisions.",
)
