"""`run create`: the inputs of a workflow by name, and a spec file's nodes in place of its own."""

from typing import Any, Final

import click

from ..building import about, arguments_of, command, params_of, parsed, text_of
from ..commands import FORMS
from ..session import Session

_FORM: Final = FORMS["run create"]


def _create(given_inputs: tuple[str, ...], spec_file: str | None, **given: Any) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    arguments = arguments_of(_FORM, given)
    if given_inputs:
        others = arguments.get("inputs")
        arguments["inputs"] = {**(others if isinstance(others, dict) else {}), **dict(map(_input, given_inputs))}
    if spec_file is not None:
        arguments["workflow_text"] = _merged(session, arguments, spec_file)
    return session.answer(_FORM, arguments)


def _merged(session: Session, arguments: dict[str, object], spec_file: str) -> str:
    """The text of the workflow that was asked for with the spec's nodes; it takes the place of what named it."""
    from registry.formats.workflow_file import require_workflow
    from registry.operations.workflow_sources import source_of

    from .spec_files import with_spec

    path, text = arguments.pop("workflow_path", None), arguments.pop("workflow_text", None)
    if (path is None) == (text is None):
        raise click.UsageError("--spec-file belongs to one of --workflow-path and --workflow-markdown")
    caller = session.caller("scaffold_run", arguments)
    source = source_of(caller, path=_said(path), text=_said(text))
    workflow = require_workflow(source.text, source=source.name)
    return with_spec(workflow, parsed("--spec-file", text_of("--spec-file", spec_file)), source=spec_file)


def _said(value: object) -> str | None:
    return value if isinstance(value, str) else None


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
        click.Option(
            ["--spec-file"],
            metavar="FILE",
            help="JSON with nodes to run instead of the workflow's; prompts, outputs and timeouts that they leave "
            "out are taken from its nodes of the same id.",
        ),
    ],
    callback=_create,
    about=about(_FORM),
)
