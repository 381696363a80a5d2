"""`run bind`: by named options, or in the form `run bind RUN KIND --value ID` that scripts have used."""

from collections.abc import Mapping
from typing import Any, Final

import click

from ..building import Words, about, arguments_of, command, params_of
from ..commands import FORMS
from ..session import Session

_FORM: Final = FORMS["run bind"]
_FIELDS: Final[Mapping[str, str]] = {
    "cron": "cron_job_id",
    "node-session": "session_key",
    "child-session": "child_session_key",
    "node-run": "worker_run_id",
    "driver-run": "driver_run_id",
}
"""What `--value` is, by kind."""


def _bind(kind: str | None, value: str | None, **given: Any) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    arguments = arguments_of(_FORM, given)
    if kind is not None and kind not in _FIELDS:
        raise click.UsageError(f"KIND is {kind!r}; it must be {', '.join(_FIELDS)}")
    if (kind is None) != (value is None):
        raise click.UsageError("KIND and --value belong together: opentask run bind RUN cron --value JOB")
    if kind is not None:
        arguments[_FIELDS[kind]] = value
    return session.answer(_FORM, arguments)


_given = params_of(_FORM)
bind = command(
    "bind",
    params=[
        _given[0],
        click.Argument(["kind"], required=False, type=Words(tuple(_FIELDS)), metavar="[" + "|".join(_FIELDS) + "]"),
        click.Option(["--value"], help="The id or key that KIND is about."),
        *_given[1:],
    ],
    callback=_bind,
    about=about(_FORM),
)
