"""`run create`: the inputs of a workflow by name."""

from typing import Any, Final

import click

from ..building import about, arguments_of, command, params_of, parsed
from ..commands import FORMS
from ..session import Session

_FORM: Final = FORMS["run create"]


def _create(given_inputs: tuple[str, ...], **given: Any) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    arguments = arguments_of(_FORM, given)
    if given_inputs:
        others = arguments.get("inputs")
        arguments["inputs"] = {**(others if isinstance(others, dict) else {}), **dict(map(_input, given_inputs))}
    return session.answer(_FORM, arguments)


def _input(words: str) -> tuple[str, Any]:
    """`name=text`, or `name:=JSON` for numbers, lists and the like."""
    name, equals, value = words.partition("=")
    if not equals or not name.rstrip(":"):
        raise click.UsageError(f"--input {words!r} has no name; write --input NAME=TEXT, or NAME:=JSON for a number")
    if name.endswith(":"):
        return name[:-1], parsed(f"--input {name[:-1]}", value)
    return name, value


create = command(
    "create",
    params=[
        *params_of(_FORM),
        click.Option(
            ["--input", "given_inputs"],
            multiple=True,
            metavar="NAME=TEXT",
            help="An input of the workflow; NAME:=JSON for what is no text; repeat for more.",
        ),
    ],
    callback=_create,
    about=about(_FORM),
)
