"""`doctor` and `repair`: all runs at once, or one."""

from typing import Any, Final

import click

from ..building import about, command, params_of
from ..commands import FORMS
from ..forms import Form
from ..session import Session
from ..statuses import DAMAGED, DONE

_DOCTOR: Final = FORMS["doctor"]
_REPAIR: Final = FORMS["repair"]
Answer = dict[str, Any]

_FINDINGS_MAX: Final = 1_000
"""Findings in one answer; a registry with more is mended in several goes."""


def _doctor(run_id: str | None, cursor: str | None) -> int:
    session = _session()
    if run_id is not None or cursor is not None:
        return session.answer(_DOCTOR, {"run_id": run_id, "cursor": cursor})
    answer = _all_pages(session)
    session.show_plain(_DOCTOR.words, answer)
    return DONE if answer["ok"] else DAMAGED


def _all_pages(session: Session) -> Answer:
    """One answer over all runs, from as many calls as that takes."""
    answer = _asked(session, _DOCTOR, {})
    findings, checked = list(answer["findings"]), int(answer["runs_checked"])
    errors, warnings = int(answer["errors"]), int(answer["warnings"])
    cursor = answer.pop("next_cursor", None)
    while cursor is not None and len(findings) < _FINDINGS_MAX:
        page = _asked(session, _DOCTOR, {"cursor": cursor})
        findings += page["findings"]
        checked, errors = checked + int(page["runs_checked"]), errors + int(page["errors"])
        warnings += int(page["warnings"])
        answer["next"] = [*answer["next"], *page["next"]]
        cursor = page.get("next_cursor")
    answer["next"] = [call for call in answer["next"] if "cursor" not in call["args"]][:5]
    totals = {"ok": not errors, "runs_checked": checked, "errors": errors, "warnings": warnings}
    answer |= {**totals, "findings": findings, "more_findings": errors + warnings - len(findings)}
    return answer | ({"next_cursor": cursor} if cursor is not None else {})


def _repair(run_id: str | None, every: bool) -> int:
    session = _session()
    if (run_id is None) == (not every):
        raise click.UsageError("name a run, or say --all for every run that doctor lists")
    return session.answer(_REPAIR, {"run_id": run_id}) if run_id is not None else _repair_all(session)


def _repair_all(session: Session) -> int:
    """Mend every run that needs it; one that cannot be mended keeps no other from it."""
    from registry.errors import RegistryError

    moved = list(session.registry.store.care.put_away_strays())
    mended: list[Answer] = []
    for run_id in _sick_runs(session):
        try:
            found = _asked(session, _REPAIR, {"run_id": run_id})
        except RegistryError as failure:
            found = {"run_id": run_id, "ok": False, "mended": [], "failed": f"{failure.code}: {failure.message}"}
        found.pop("next", None)
        mended.append(found)
    ok = all(row["ok"] for row in mended)
    answer: Answer = {"ok": ok, "moved": moved, "runs": mended}
    session.show_plain(_REPAIR.words, answer)
    return DONE if ok else DAMAGED


def _sick_runs(session: Session) -> list[str]:
    runs: dict[str, None] = {}
    asked: Answer = {}
    while True:
        page = _asked(session, _DOCTOR, asked)
        runs |= {
            row["run_id"]: None for row in page["findings"] if row["mended_by"] == "repair_run" and "run_id" in row
        }
        if "next_cursor" not in page:
            return list(runs)
        asked = {"cursor": page["next_cursor"]}


def _asked(session: Session, form: Form, arguments: Answer) -> Answer:
    # The rows of an answer are told apart by whoever reads them.
    return dict(session.ask(form, arguments).plain())


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


doctor = command("doctor", params=params_of(_DOCTOR), callback=_doctor, about=about(_DOCTOR))
repair = command(
    "repair",
    params=[
        *params_of(_REPAIR),
        click.Option(["--all", "every"], is_flag=True, help="Every run that doctor lists."),
    ],
    callback=_repair,
    about=about(_REPAIR),
)
