"""What a user reads when a command fails: sentences on a terminal, JSON elsewhere; always on stderr."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

from .commands import FORMS, line_of
from .session import Session
from .statuses import OUR_FAULT, STATUS_OF_CODE

if TYPE_CHECKING:
    from registry.core.record import Bag
    from registry.errors import NextCall, RegistryError

_NEXT_MAX: Final = 3
_TOOLS: Final = tuple(dict.fromkeys(form.operation for form in FORMS.values()))
_TOOL: Final = re.compile(rf"\b({'|'.join(_TOOLS)})\b( (?:[a-z]+_)*[a-z]+\b)?")


def in_our_words(text: str) -> str:
    """A sentence with the names of tools replaced by the commands that do the same."""

    def command(found: re.Match[str]) -> str:
        tool, after = found[1], found[2] or ""
        word = after.strip()
        for form in FORMS.values():
            if form.operation == tool and word and word in form.says.values():
                return f"`opentask {form.words}`"
        plain = next((form for form in FORMS.values() if form.operation == tool and not form.says), None)
        if plain is not None:
            return f"`opentask {plain.words}`{after}"
        group = next(form.words.split()[0] for form in FORMS.values() if form.operation == tool)
        return f"`opentask {group}`{after}"

    return _TOOL.sub(command, text)


def tell_failure(failure: "RegistryError", session: Session) -> int:
    """Say what is so, what to do and what to call next; the exit status."""
    from ..dispatch import failure_document

    if session.is_for_people:
        _sentences(failure.code, in_our_words(failure.message), in_our_words(failure.hint))
        for line in suggestions(failure.next, before=session.before):
            click.echo(f"  {click.style('next', fg='cyan')}  {line}", err=True)
    else:
        write_error(failure_document(failure))
    return STATUS_OF_CODE.get(failure.code, OUR_FAULT)


def tell_usage(fault: click.ClickException, session: Session) -> int:
    """A command line that cannot be read, in the form of every other failure."""
    message = _as_within(fault.format_message().rstrip("."))
    context = getattr(fault, "ctx", None)
    # The help option would be found by anybody; which command's is what a person has to be told.
    hint = f"{context.command_path} --help tells what it takes" if context is not None else "opentask --help"
    if session.is_for_people:
        _sentences("invalid_request", message, hint)
    else:
        error: Bag = {
            "code": "invalid_request", "message": message, "hint": hint, "retryable": False, "details": {},
        }  # fmt: skip
        write_error({"error": error})
    return STATUS_OF_CODE["invalid_request"]


def tell_fault(fault: Exception, session: Session, *, asked: str) -> int:
    """A fault of ours: in the same form, and on a terminal with what a report of it needs."""
    from ..dispatch import fault_document

    document = fault_document(fault, asked=asked)
    if session.is_for_people:
        error = document["error"]
        assert isinstance(error, dict)
        _sentences(str(error["code"]), str(error["message"]), str(error["hint"]))
        click.echo("  with OPENTASK_DEBUG=1 set, the same command shows where it happened", err=True)
    else:
        write_error(document)
    return OUR_FAULT


def suggestions(calls: "Iterable[NextCall]", *, before: tuple[str, ...] = ()) -> list[str]:
    """The next calls as command lines, each with its reason."""
    lines = []
    for call in calls:
        line = line_of(call.tool, call.args, before=before)
        if line is not None:
            lines.append(line + (f"   # {in_our_words(call.why)}" if call.why else ""))
    return list(dict.fromkeys(lines))[:_NEXT_MAX]


def write_error(document: "Bag") -> None:
    """Write a failure to stderr as JSON."""
    from pydantic_core import to_json

    click.echo(to_json(document, indent=2), err=True)


def _as_within(sentence: str) -> str:
    """A sentence as it stands behind a code and a colon; a word in capitals stays."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _sentences(code: str, message: str, hint: str) -> None:
    click.echo(f"{click.style(code, fg='red', bold=True)}: {message}", err=True)
    if hint:
        click.echo(f"  {click.style('hint', fg='yellow')}  {hint}", err=True)
