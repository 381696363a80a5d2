"""`init`: a folder made a registry, and what comes with the program put where it is used."""

from pathlib import Path

import click

from ..building import shared_options
from ..session import Session


def _init(directory: str | None, examples: bool, skill: str | None) -> int:
    from registry.errors import Forbidden, InvalidRequest
    from registry.settings import init_root

    from ...shipped import put_skill, put_workflows

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
    if examples:
        made += put_workflows(path)
    skill_path = str(put_skill(Path(skill).expanduser().absolute())) if skill is not None else None
    if not session.is_for_people:
        session.write({"root": str(path), "made": [*made], **({"skill": skill_path} if skill_path else {})})
        return 0
    click.echo(f"{click.style(str(path), bold=True)}  {'is a registry now' if made else 'is a registry already'}")
    for name in made:
        click.echo(f"  made {name}")
    if skill_path is not None:
        click.echo(f"  the skill is in {skill_path}")
    _tell_next(f"--root {named} " if named is not None else "", has_workflows=examples)
    return 0


def _tell_next(before: str, *, has_workflows: bool) -> None:
    if has_workflows:
        click.echo(f"\nnext  opentask {before}workflow list")
    else:
        click.echo(
            f"\nnext  put a workflow into workflows/, or: opentask {before}run create --task-text 'what is to be done'"
        )
        click.echo(f"next  opentask {before}init --examples   # eight workflows to use or to change")
    click.echo(f"next  opentask {before}mcp config claude --write   # so that Claude Code finds it")


init = click.Command(
    "init",
    params=[
        click.Argument(["directory"], required=False, metavar="[DIR]"),
        click.Option(["--examples"], is_flag=True, help="Put the ready-to-use workflows into workflows/."),
        click.Option(
            ["--skill"],
            metavar="FOLDER",
            help="Put the skill for agents below a folder of skills, such as .claude/skills or ~/.openclaw/skills.",
        ),
        *shared_options(),
    ],
    callback=_init,
    help="Make a registry in a folder (the working directory): opentask.toml, workflows/ and runs/.\n\n"
    "What is there already stays as it is.",
)
