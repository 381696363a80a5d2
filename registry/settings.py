"""Which registry is meant, and how it wants to be used.

A registry is a folder. `opentask.toml` in it is edited by people and written by no tool but
`init`; every setting has a default, so the file may be empty.

    approvals = "open"        # open | elicit | operator
    durability = "full"       # full | process
    effects = "agent"         # agent | gateway
    lock_wait_s = 5
    lost_grace_s = 300        # a flow's child whose session is gone is lost after so long
    [agents.builder]
    name = "Builder"
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast, get_args

from .core.limits import LOST_GRACE_S, LOST_GRACE_S_MAX, TOOL_LOCK_WAIT_S
from .core.names import ID_RULE, is_id, nearest, shown
from .errors import Forbidden, InvalidRequest, RegistryError
from .storage.files.layout import RUNS, SETTINGS, WORKFLOWS
from .storage.files.mounts import network_kind

Approvals = Literal["open", "elicit", "operator"]
Durability = Literal["full", "process"]
Effects = Literal["agent", "gateway"]

ROOT_VARIABLE: Final = "OPENTASK_REGISTRY_ROOT"
_HOW_TO_NAME: Final = f"name the registry with --root DIR or {ROOT_VARIABLE}, or make one with `opentask init DIR`"
_SETTINGS_BYTES_MAX: Final = 256 << 10

_FIRST_SETTINGS: Final = """\
# Settings of this registry. Every one has a default; take the # away to change it.

# Who may approve: open (an agent may pass on what a person said), elicit (only a form that
# the person answers), operator (only the command line or the operator token).
# approvals = "open"

# full: every change is on the disk before it is acknowledged. process: the system decides when.
# durability = "full"

# Who carries out what the registry cannot: agent or gateway.
# effects = "agent"

# Seconds that the session of a flow's child is known to be gone before the child is lost.
# lost_grace_s = 300

# [agents.builder]
# name = "Builder"
"""


@dataclass(frozen=True)
class AgentSettings:
    """What people call an agent."""

    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A registry's root and its settings.

    Attributes:
        root: Absolute path of the registry's folder; it need not exist to be read as empty.
        root_is_marked: It was named, or holds what marks a registry; others are written only
            where that can hardly be a mistake.
        lock_wait_s: How long a change waits for others on the same run.
        lost_grace_s: How long a session is known to be gone before the flow's child it carried is lost.
        allow_network_fs: Write even where the disk is another machine's.
        keeps_index: Keep the index that lists are made from; a server that only reads writes nothing at all.
    """

    root: Path
    root_is_marked: bool = True
    approvals: Approvals = "open"
    durability: Durability = "full"
    effects: Effects = "agent"
    lock_wait_s: float = TOOL_LOCK_WAIT_S
    lost_grace_s: float = LOST_GRACE_S
    allow_network_fs: bool = False
    keeps_index: bool = True
    agents: Mapping[str, AgentSettings] = field(default_factory=dict)

    def write_refusal(self) -> RegistryError | None:
        """Why nothing may be written here, or None."""
        return _refusal_of_place(self.root, is_marked=self.root_is_marked) or (
            None if self.allow_network_fs else _refusal_of_disk(self.root)
        )


def load_settings(
    root: str | None = None,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    allow_network_fs: bool = False,
    lock_wait_s: float | None = None,
) -> Settings:
    """The settings of the registry that is meant.

    Args:
        root: What `--root` says; else the environment, else the nearest marked folder from `cwd` upwards.
        lock_wait_s: Goes before the file's.

    Raises:
        InvalidRequest: opentask.toml has a fault, or the named root is a file.
    """
    path, is_marked = find_root(root, environ=environ, cwd=cwd)
    settings = _read(path / SETTINGS, Settings(root=path, root_is_marked=is_marked, allow_network_fs=allow_network_fs))
    if lock_wait_s is None:
        return settings
    return Settings(**{**settings.__dict__, "lock_wait_s": lock_wait_s})


def find_root(root: str | None, *, environ: Mapping[str, str], cwd: Path) -> tuple[Path, bool]:
    """The registry's folder, and whether it was named or is marked as one.

    Raises:
        InvalidRequest: what was named is a file.
    """
    named = root or environ.get(ROOT_VARIABLE)
    if named:
        path = Path(os.path.abspath(cwd / Path(named).expanduser()))
        if path.exists() and not path.is_dir():
            raise InvalidRequest(f"root {shown(str(path), 200)!r} is a file; a registry is a folder", hint=_HOW_TO_NAME)
        return path, True
    start = Path(os.path.abspath(cwd))
    for folder in (start, *start.parents):
        if _is_marked(folder):
            return folder, True
    return start, False


def init_root(path: Path) -> list[str]:
    """Make a registry of a folder: opentask.toml, workflows/, runs/. What is there stays.

    Returns:
        The names that were made.

    Raises:
        Forbidden: the place cannot be written.
    """
    made: list[str] = []
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in (WORKFLOWS, RUNS):
            if not (path / name).is_dir():
                (path / name).mkdir()
                made.append(f"{name}/")
        try:
            with open(path / SETTINGS, "x", encoding="utf-8") as file:
                file.write(_FIRST_SETTINGS)
            made.insert(0, SETTINGS)
        except FileExistsError:
            pass
    except OSError as error:
        raise Forbidden(
            f"{shown(str(path), 200)!r} cannot be made a registry ({error.strerror})", hint="choose another folder"
        ) from error
    return made


def _is_marked(folder: Path) -> bool:
    return (folder / SETTINGS).is_file() or ((folder / WORKFLOWS).is_dir() and (folder / RUNS).is_dir())


def _refusal_of_place(root: Path, *, is_marked: bool) -> Forbidden | None:
    where = shown(str(root), 200)
    if not is_marked and not _is_marked(root):
        if root == Path(root.anchor):
            return Forbidden(
                f"no registry was named and this is {where!r}, which is no place for one", hint=_HOW_TO_NAME
            )
        if root == Path.home():
            return Forbidden(
                f"no registry was named and this is the home folder {where!r}, which is no place for one",
                hint=_HOW_TO_NAME,
            )
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Forbidden(f"the registry {where!r} cannot be written by this user", hint=_HOW_TO_NAME)
    return None


def _refusal_of_disk(root: Path) -> Forbidden | None:
    kind = network_kind(str(root))
    if kind is None:
        return None
    return Forbidden(
        f"the registry {shown(str(root), 200)!r} lies on a network file system ({kind}), "
        "where locks of several machines do not hold",
        hint="put it on a local disk, or say --allow-network-fs when one machine alone writes it",
        kind=kind,
    )


def _read(path: Path, settings: Settings) -> Settings:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return settings
    except OSError as error:
        raise InvalidRequest(f"{SETTINGS} cannot be read ({error.strerror})", hint="check its permissions") from error
    if len(text) > _SETTINGS_BYTES_MAX:
        raise InvalidRequest(f"{SETTINGS} is {len(text):,} bytes; settings take far less")
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault(f"it is not TOML: {error}") from error
    return _settled(document, settings)


def _settled(document: Mapping[str, object], settings: Settings) -> Settings:
    known = ("approvals", "durability", "effects", "lock_wait_s", "lost_grace_s", "agents")
    for key in document:
        if key not in known:
            guess = nearest(key, known)
            raise _fault(
                f"{shown(key)!r} is no setting; "
                + (f"did you mean {guess!r}?" if guess else f"settings are {', '.join(known)}")
            )
    return Settings(
        root=settings.root,
        root_is_marked=settings.root_is_marked,
        allow_network_fs=settings.allow_network_fs,
        approvals=cast(Approvals, _choice(document, "approvals", get_args(Approvals))),
        durability=cast(Durability, _choice(document, "durability", get_args(Durability))),
        effects=cast(Effects, _choice(document, "effects", get_args(Effects))),
        lock_wait_s=_seconds(document.get("lock_wait_s", TOOL_LOCK_WAIT_S)),
        lost_grace_s=_grace(document.get("lost_grace_s", LOST_GRACE_S)),
        agents=_agents(document.get("agents", {})),
    )


def _choice(document: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str:
    """One of some words; the first where nothing is said."""
    value = document.get(key, choices[0])
    if value not in choices:
        raise _fault(f"{key} is {shown(str(value))!r}; it must be one of {', '.join(choices)}")
    return str(value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 600:
        raise _fault(f"lock_wait_s is {shown(str(value))!r}; it must be a number of seconds up to 600")
    return float(value)


def _grace(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LOST_GRACE_S_MAX:
        raise _fault(
            f"lost_grace_s is {shown(str(value))!r}; it must be a number of seconds up to {LOST_GRACE_S_MAX:,.0f}"
        )
    return float(value)


def _agents(value: object) -> dict[str, AgentSettings]:
    if not isinstance(value, dict):
        raise _fault("agents must be tables such as [agents.builder]")
    agents: dict[str, AgentSettings] = {}
    for agent_id, table in value.items():
        if not is_id(agent_id):
            raise _fault(f"[agents.{shown(agent_id)}] is no agent id; ids are {ID_RULE}")
        if not isinstance(table, dict) or set(table) - {"name"} or not isinstance(table.get("name", ""), str):
            raise _fault(f"[agents.{agent_id}] may hold name, a text, and nothing else")
        agents[agent_id] = AgentSettings(name=table.get("name", ""))
    return agents


def _fault(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"{SETTINGS}: {what}", hint=f"mend {SETTINGS}; every setting has a default and may be left out"
    )
