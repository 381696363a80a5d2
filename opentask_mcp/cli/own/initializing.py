"""`init`: a folder made a registry."""

from pathlib import Path

import click

from ..building import shared_options
from ..session import Session


def _init(directory: str | None) -> int:
    from registry.errors import Forbidden, InvalidRequest
    from registry.settings import init_root

    session = click.get_current_context().find_object(Session)
    assert session is not None
    if directory is not None and session.root is not None:
        raise InvalidRequest("the folder is named twice, as DIR and as --root", hint="name it once")
    named = directory or session.root
    path = Path(named).expanduser().absolute() if named is not None else Path.cwd()
    if named is None and path in (Path.home(), Path(path.anchor)):
        # Every folder below would belong to it.
        raise Forbidden(f"'{path}' is no place for a registry by accident", hint="name it: opentask init DIR")
    made = init_root(path)
    if not session.is_for_people:
        session.write({"root": str(path), "made": [*made]})
        return 0
    click.echo(f"{click.style(str(path), bold=True)}  {'is a registry now' if made else 'is a registry already'}")
    for name in made:
        click.echo(f"  made {name}")
    before = f"--root {named} " if named is not None else ""
    click.echo(
        "\nnext  put a workflow into workflows/, or: " + f"opentask {before}run create --task-text 'what is to be done'"
    )
    click.echo(f"next  opentask {before}mcp config claude --write   # so that Claude Code finds it")
    return 0


init = click.Command(
    "init",
    params=[click.Argument(["directory"], required=False, metavar="[DIR]"), *shared_options()],
    callback=_init,
    help="Make a registry in a folder (the working directory): opentask.toml, workflows/ and runs/.\n\n"
    "What is there already stays as it is.",
)
