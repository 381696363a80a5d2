"""Completion: of commands and options by click, of ids from the registry; and the scripts that shells load."""

from typing import Any, Final

import click

from ..building import Words, shared_options
from ..session import Session

_SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_OPENTASK_COMPLETE"


def ids(ctx: click.Context, field: str, incomplete: str) -> list[Any]:
    """The ids that a word may become; none where the registry cannot be read, since nobody would see why."""
    from click.shell_completion import CompletionItem

    from registry.errors import RegistryError
    from registry.operations.documents import complete

    session = ctx.find_object(Session)
    if session is None:
        return []
    known = {name: str(value) for name, value in ctx.params.items() if isinstance(value, str)}
    if ctx.args:
        # Behind an option that still lacks its value, click has not given the words their places yet.
        known.setdefault("run_id", ctx.args[0])
    argument = "workflow_id" if field == "workflow_path" else field
    try:
        return [CompletionItem(value) for value in complete(session.registry, argument, incomplete, known)]
    except RegistryError:
        return []


def _completion(shell: str) -> int:
    from click.shell_completion import get_completion_class

    if shell not in _SHELLS:
        raise click.UsageError(f"SHELL is {shell!r}; it must be {', '.join(_SHELLS)}")
    found = get_completion_class(shell)
    assert found is not None
    script = found(click.get_current_context().find_root().command, {}, "opentask", _VARIABLE)
    click.echo(script.source())
    return 0


completion = click.Command(
    "completion",
    params=[click.Argument(["shell"], type=Words(_SHELLS), metavar="[" + "|".join(_SHELLS) + "]"), *shared_options()],
    callback=_completion,
    help="Print the script that completes commands, options and ids.\n\n"
    'For bash: eval "$(opentask completion bash)", in ~/.bashrc to keep it.',
)
