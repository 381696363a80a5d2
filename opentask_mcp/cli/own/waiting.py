"""`run wait`: as wait_for_run, and longer; no host hangs up on a shell after a minute."""

from typing import Any, Final

import click

from ..building import about, arguments_of, command, params_of
from ..commands import FORMS
from ..session import Session

_FORM: Final = FORMS["run wait"]
_CALL_S_MAX: Final = 50.0
"""What one call may wait over MCP, and so what its request is checked against."""


def _wait(**given: Any) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    arguments = arguments_of(_FORM, given)
    wanted = _seconds(arguments.get("timeout_s"))
    if wanted is None or wanted <= _CALL_S_MAX:
        return session.answer(_FORM, arguments)
    longer = {"timeout_s": wanted}
    return session.answer(
        _FORM,
        {**arguments, "timeout_s": _CALL_S_MAX},
        adjust=lambda request: request.model_copy(update=longer),
    )


def _seconds(text: object) -> float | None:
    """A number of seconds; None for what the operation is to judge."""
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if seconds < float("inf") else None


wait = command("wait", params=params_of(_FORM), callback=_wait, about=about(_FORM))
