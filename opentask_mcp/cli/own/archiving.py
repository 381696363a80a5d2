"""`archive` and `reindex`: finished runs out of the way, and lists made anew."""

import re
import time
from typing import TYPE_CHECKING, Final

import click

from ..building import command
from ..session import Session
from ..statuses import DONE

if TYPE_CHECKING:
    from datetime import datetime

    from registry.operations.archives import Archived, Kept

_DAYS: Final = re.compile(r"([0-9]{1,5})d")
_KEPT_SHOWN: Final = 20


def _archive(before: str | None, restore: str | None, dry_run: bool) -> int:
    if (before is None) == (restore is None):
        raise click.UsageError("say --before DATE to put finished runs away, or --restore RUN to bring one back")
    if restore is None:
        assert before is not None
        return _put_away(_session(), before, dry_run=dry_run)
    if dry_run:
        raise click.UsageError("--dry-run goes with --before")
    return _bring_back(_session(), restore)


def _put_away(session: Session, before: str, *, dry_run: bool) -> int:
    from registry.core.names import iso
    from registry.operations.archives import Archived, archive_before

    at = _moment(before)
    archived: list[Archived] = []
    kept: list[Kept] = []

    def tell(one: "Archived | Kept") -> None:
        if isinstance(one, Archived):
            archived.append(one)
        else:
            kept.append(one)

    notices = archive_before(session.registry, at, dry_run=dry_run, tell=tell)
    rows = [
        {"runId": run.run_id, "status": run.status, "updatedAt": run.updated_at, "month": run.month} for run in archived
    ]
    if not session.is_for_people:
        session.write(
            {
                "before": iso(at),
                "dryRun": dry_run,
                "archived": [{key: value for key, value in row.items() if value is not None} for row in rows],
                "kept": [{"runId": run.run_id, "why": run.why} for run in kept],
                "warnings": [*notices],
            }
        )
        return DONE
    _show(archived, kept, dry_run=dry_run)
    for notice in notices:
        click.secho(f"  {notice}", fg="yellow")
    return DONE


def _show(archived: "list[Archived]", kept: "list[Kept]", *, dry_run: bool) -> None:
    from ..show.plain import harmless

    verb = "would go" if dry_run else "went"
    for run in archived:
        where = f"  archive/{run.month}/" if run.month else ""
        click.echo(f"  {harmless(run.run_id)}  {run.status}  {run.updated_at[:10]}{where}")
    runs = "1 finished run" if len(archived) == 1 else f"{len(archived):,} finished runs"
    click.secho(f"{runs} {verb} to the archive; nothing is removed", bold=True)
    for one in kept[:_KEPT_SHOWN]:
        click.echo(f"  stays  {harmless(one.run_id)}: {harmless(one.why)}")
    if len(kept) > _KEPT_SHOWN:
        click.echo(f"  and {len(kept) - _KEPT_SHOWN:,} more stay; --json names them all")
    if archived and not dry_run:
        click.echo("next  opentask run list --status archived   # they are found there; archive --restore RUN")


def _bring_back(session: Session, run_id: str) -> int:
    from registry.operations.archives import restore_run

    month = restore_run(session.registry, run_id)
    if session.is_for_people:
        click.echo(f"{click.style(run_id, bold=True)} is back from archive/{month}")
    else:
        session.write({"runId": run_id, "month": month})
    return DONE


def _moment(text: str) -> "datetime":
    """A date (its beginning in UTC), a time with offset, or so many days ago."""
    from datetime import timedelta

    from registry import clock
    from registry.core.names import moment, shown
    from registry.errors import InvalidRequest

    days = _DAYS.fullmatch(text)
    if days is not None:
        return clock.now() - timedelta(days=int(days[1]))
    try:
        return moment(f"{text}T00:00:00+00:00" if len(text) == len("2026-01-31") else text)
    except ValueError:
        raise InvalidRequest(
            f"--before is {shown(text)!r}; it must be a date, a time with offset, or days ago",
            hint="for example 2026-01-31, 2026-01-31T09:00:00+00:00 or 90d",
        ) from None


def _reindex() -> int:
    session = _session()
    begun = time.monotonic()
    if session.is_for_people:
        from rich.progress import Progress

        with Progress(transient=True) as shown:
            bar = shown.add_task("reading runs", total=None)
            runs = session.registry.store.reindex(lambda done, of: shown.update(bar, completed=done, total=of))
        click.echo(f"{runs:,} {'run is' if runs == 1 else 'runs are'} indexed, in {time.monotonic() - begun:.1f} s")
        return DONE
    runs = session.registry.store.reindex(lambda _done, _of: None)
    session.write({"runs": runs, "seconds": round(time.monotonic() - begun, 3)})
    return DONE


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


archive = command(
    "archive",
    params=[
        click.Option(["--before"], metavar="DATE", help="Put away what ended before: 2026-01-31, or 90d for days ago."),
        click.Option(["--restore"], metavar="RUN", help="Bring a run back, to be changed again."),
        click.Option(["--dry-run"], is_flag=True, help="Only say which runs would go."),
    ],
    callback=_archive,
    about="Move finished runs as they are to archive/YYYY-MM/, or bring one back.\n\n"
    "Archived runs are found by `run show` and by `run list --status archived`, and take no changes until they are "
    "brought back. Nothing is removed. A run stays where an effect or a person's message is still waiting.",
)
reindex = command(
    "reindex",
    params=[],
    callback=_reindex,
    about="Read every run again for the lists.\n\n"
    "Lists find by themselves whatever OpenTask changed, and runs that came or went. After files inside of runs "
    "were changed by other means, this finds it all at once. It may be stopped and repeated at any time.",
)
