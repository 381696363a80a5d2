"""`artifact read`: the text itself for people and pipes, a slice of it as JSON for programs."""

from typing import Any, Final

import click

from ..building import about, arguments_of, command, params_of
from ..commands import FORMS
from ..session import Session

_FORM: Final = FORMS["artifact read"]


def _read(raw: bool, **given: Any) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    arguments = arguments_of(_FORM, given)
    if not raw and not session.is_for_people:
        return session.answer(_FORM, arguments)
    answer = session.ask(_FORM, arguments).model_dump(mode="json", exclude_none=True)
    if answer.get("content") is None or answer.get("note"):
        click.echo(answer.get("note", ""), err=True)
    while True:
        click.echo(_shown(answer.get("content", ""), raw=raw), nl=False)
        if "limit" in arguments or "next_offset" not in answer:
            break
        further = {**arguments, "offset": answer["next_offset"]}
        answer = session.ask(_FORM, further).model_dump(mode="json", exclude_none=True)
    if not raw:
        click.echo()
    return 0


def _shown(text: str, *, raw: bool) -> str:
    """On a terminal a file written by others must not move the cursor or ring the bell."""
    from registry.core.names import is_harmless

    return text if raw else "".join(char for char in text if char in "\n\t" or is_harmless(char))


read = command(
    "read",
    params=[
        *params_of(_FORM),
        click.Option(["--raw"], is_flag=True, help="Write the whole text and nothing else, also into a pipe."),
    ],
    callback=_read,
    about=about(_FORM),
)
