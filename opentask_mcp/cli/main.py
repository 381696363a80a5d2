"""Where the command line begins and every failure ends."""

import io
import os
import sys
from collections.abc import Sequence

import click

from .. import __version__
from .building import Group, shared_options
from .failing import tell_failure, tell_fault, tell_usage
from .session import Session
from .statuses import DONE, INTERRUPTED

_ABOUT = """Long agent jobs on disk: start them, look at them, steer them.

`opentask demo` shows all of it in ten seconds. On a terminal answers are tables; with --json, and
when the output is no terminal, they are JSON. The registry is the folder that --root or
OPENTASK_REGISTRY_ROOT names, else the nearest parent of the working directory that is one.

Exit status: 0 done, 2 invalid request, 3 not found, 4 conflict, 5 busy (try again), 6 limit,
7 damaged data, 1 a fault of OpenTask.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the value is the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _say_what_can_be_said()
    session = Session()
    if "--json" in words:
        # A line that cannot be read is refused before its options are looked at.
        session.choose("json", True)
    try:
        status = opentask().main(words, prog_name="opentask", standalone_mode=False, obj=session)
        return status if isinstance(status, int) else DONE
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        return DONE
    except click.ClickException as fault:
        return tell_usage(fault, session)
    except (KeyboardInterrupt, click.Abort):
        click.echo("", err=True)
        return INTERRUPTED
    except Exception as fault:  # the edge: whatever happens is told in one form
        from registry.errors import RegistryError

        if isinstance(fault, RegistryError):
            return tell_failure(fault, session)
        if os.environ.get("OPENTASK_DEBUG"):
            raise
        return tell_fault(fault, session, asked=f"opentask {' '.join(words[:2])}")


def _say_what_can_be_said() -> None:
    """What a terminal or a pipe has no letters for is shown as ? and ends no command."""
    if isinstance(sys.stdout, io.TextIOWrapper) and (sys.stdout.errors == "strict" or not _is_utf8(sys.stdout)):
        sys.stdout.reconfigure(errors="replace")


def _is_utf8(stream: io.TextIOWrapper) -> bool:
    return stream.encoding.lower().replace("-", "").replace("_", "") == "utf8"


def opentask() -> click.Group:
    """The whole command, with nothing loaded yet."""

    def version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            click.echo(f"opentask-mcp {__version__}")
            ctx.exit()

    version_option = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=version, help="Print the version."
    )
    return Group(
        None, params=[*shared_options(), version_option], help=_ABOUT, context_settings={"max_content_width": 100}
    )
