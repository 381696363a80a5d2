"""The commands page: the help of every command, as the terminal shows it."""

from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from functools import partial
from typing import Final

import click

from opentask_mcp.cli.main import opentask
from opentask_mcp.cli.statuses import STATUS_OF_CODE
from opentask_mcp.mcp.main import _parser

from .markdown import block, document, listed, table

_WIDTH: Final = 100
_SHARED: Final = ("  --root ", "  --json ", "  --agent ", "  --help ")


def page() -> str:
    """docs/reference/commands.md."""
    statuses: dict[int, list[str]] = {}
    for error, status in STATUS_OF_CODE.items():
        statuses.setdefault(status, []).append(error)
    rows = [("0", "done"), *((str(status), listed(sorted(statuses[status]))) for status in sorted(statuses))]
    parts: list[str] = []
    for words in _walk((), opentask()):
        parts += [
            f"{'##' if len(words) < 2 else '###'} {' '.join(('opentask', *words))}",
            block("text", _help(words)),
        ]
    return document(
        "Commands",
        "The two programs. On a terminal answers are tables; with `--json`, and when the output is no terminal, an "
        'answer is one JSON object on stdout and a refusal `{"error": {...}}` on stderr.',
        "## Exit status",
        table(("status", "meaning"), rows),
        "`run validate` that finds faults ends with 7, `workflow validate` with 2, `run wait` that ends too early with "
        "5, or 4 where what is waited for can no longer come.",
        "Every command takes `--root DIR`, `--json`, `--agent ID` and `--help`; they are shown once, at the top.",
        *parts,
        "## opentask-mcp",
        block("text", _server_help()),
    )


def _walk(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _walk((*words, name), inner)


def _context(name: str, command: click.Command, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH)


def _help(words: tuple[str, ...]) -> str:
    context = _context("opentask", opentask(), None)
    for name in words:
        # Each with the command that it names: what stands above a command has no places of its own.
        assert isinstance(context.command, click.Group)
        inner = context.command.get_command(context, name)
        assert inner is not None
        context = _context(name, inner, context)
    rows = context.command.get_help(context).splitlines()
    if words:
        rows = [row for row in rows if not row.startswith(_SHARED)]
        if rows[-1] == "Options:":
            del rows[-2:]
    return "\n".join(rows)


def _server_help() -> str:
    parser = _parser({})
    parser.formatter_class = partial(RawDescriptionHelpFormatter, width=_WIDTH)
    return parser.format_help()
