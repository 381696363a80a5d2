"""What comes with the program besides the program: ready-to-use workflows, and the skill for agents.

In a checkout both lie beside the packages; in an installed wheel, below this one.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from registry.errors import Conflict, Forbidden

_PACKAGE: Final = Path(__file__).resolve().parent
_INSTALLED: Final = _PACKAGE / "share"
_WORKFLOWS: Final = "workflows"
_SKILL: Final = "opentask"


def workflows_folder() -> Path:
    """The folder of ready-to-use workflows."""
    return _first(_INSTALLED / "workflows", _PACKAGE.parent / "workflows")


def skill_folder() -> Path:
    """The folder of the skill, named as hosts want it."""
    return _first(_INSTALLED / "skills" / _SKILL, _PACKAGE.parent / "skills" / _SKILL)


def put_workflows(root: Path) -> list[str]:
    """Put the ready-to-use workflows into a registry; those that were made, below its root.

    A file that is there stays: its owner may have changed it.

    Raises:
        Forbidden: the folder cannot be written.
    """
    return [f"{_WORKFLOWS}/{name}" for name in _copied(workflows_folder(), root / _WORKFLOWS)]


def put_skill(folder: Path) -> Path:
    """Put the skill below a host's folder of skills; where it is.

    Raises:
        Conflict: a skill of that name is there and is not this version, unchanged.
        Forbidden: the folder cannot be written.
    """
    source, target = skill_folder(), folder / _SKILL
    for file in _files(source):
        there = target / file.relative_to(source)
        if there.exists() and there.read_bytes() != file.read_bytes():
            raise Conflict(
                f"{target} holds another version of the skill, or one that somebody changed; nothing was changed",
                hint="move that folder away and do this again",
            )
    _copied(source, target)
    return target


def _copied(source: Path, target: Path) -> list[str]:
    made = []
    try:
        for file in _files(source):
            place = target / file.relative_to(source)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
                made.append(place.relative_to(target).as_posix())
    except OSError as fault:
        raise Forbidden(f"'{target}' cannot be written ({fault.strerror})", hint="choose another folder") from fault
    return made


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _first(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.is_dir()), folders[0])
