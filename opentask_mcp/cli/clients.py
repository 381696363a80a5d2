"""How each MCP client is told about the server: which file, and what stands in it."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from registry.errors import Conflict

from .json_member import Step

Format = Literal["json", "toml"]
Server = Mapping[str, JsonValue]
NAME: Final = "opentask"
PROGRAM: Final = "opentask-mcp"
ROOT_VARIABLE: Final = "OPENTASK_REGISTRY_ROOT"

_OURS: Final = re.compile(r"opentask[-_]mcp(\.exe|\.mcp|[=<>~@\[].*)?")
_SHOWN_CHARS_MAX: Final = 80

_DESKTOP: Final = {
    "darwin": "~/Library/Application Support/Claude/claude_desktop_config.json",
    "linux": "~/.config/Claude/claude_desktop_config.json",
}


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program that speaks MCP.

    Attributes:
        title: What people call it.
        file: Where its configuration is: below the working directory, or with `~` below the home folder.
        path: Where the server stands in that file.
        through_env: It gives servers almost no environment and no folder, so the root is named in `env`.
        by_path: It may not have the PATH of a shell, so the server is named by its whole path.
        is_strict: It reads JSON to the letter: no comments, no comma at the end.
        is_private: Its file holds secrets of others; made anew, it is for its owner alone.
        writer: Its own command that does the same, where it has one.
        then: What the person does after the file has changed.
    """

    title: str
    file: str
    path: tuple[str, ...]
    form: Format = "json"
    has_type: bool = False
    through_env: bool = False
    by_path: bool = False
    is_strict: bool = False
    is_private: bool = False
    writer: tuple[str, ...] = ()
    then: str = ""


CLIENTS: Final[Mapping[str, Client]] = {
    "claude": Client(
        title="Claude Code",
        file=".mcp.json",
        path=("mcpServers", NAME),
        is_strict=True,
        writer=("claude", "mcp", "add-json", "--scope", "project", NAME),
        then="restart Claude Code in this folder and approve the server",
    ),
    "openclaw": Client(
        title="OpenClaw",
        file="~/.openclaw/openclaw.json",
        path=("mcp", "servers", NAME),
        through_env=True,
        by_path=True,
        is_private=True,
        writer=("openclaw", "mcp", "set", NAME),
        then="look with `openclaw mcp doctor`; sessions begun from now on have it",
    ),
    "cursor": Client(title="Cursor", file=".cursor/mcp.json", path=("mcpServers", NAME)),
    "vscode": Client(title="VS Code", file=".vscode/mcp.json", path=("servers", NAME), has_type=True),
    "codex": Client(title="Codex", file="~/.codex/config.toml", path=("mcp_servers", NAME), form="toml"),
    "claude-desktop": Client(
        title="Claude Desktop",
        file=_DESKTOP.get(sys.platform, _DESKTOP["linux"]),
        path=("mcpServers", NAME),
        is_strict=True,
        by_path=True,
        then="quit Claude Desktop and start it again",
    ),
}


def file_of(name: str, environ: Mapping[str, str]) -> Path:
    """The client's configuration file, absolute; OpenClaw's may be named by its own variables."""
    file = CLIENTS[name].file
    if name == "openclaw":
        state = environ.get("OPENCLAW_STATE_DIR")
        file = environ.get("OPENCLAW_CONFIG_PATH") or (f"{state}/openclaw.json" if state else file)
    return Path(os.path.abspath(Path(file).expanduser()))


def entry(client: Client, *, command: str, root: Path, agent: str | None) -> dict[str, JsonValue]:
    """What stands at the client's path: how to start the server for one registry."""
    arguments: list[JsonValue] = [] if client.through_env else ["--root", str(root)]
    arguments += ["--agent", agent] if agent else []
    found: dict[str, JsonValue] = {"type": "stdio"} if client.has_type else {}
    found |= {"command": command, "args": arguments}
    return found | ({"env": {ROOT_VARIABLE: str(root)}} if client.through_env else {})


def changes(server: Server, known: JsonValue) -> Iterator[tuple[tuple[Step, ...], JsonValue]]:
    """What must be set in a client's entry so that it starts this server; what else a person put there stays.

    An entry that starts the server through another program, as `uvx opentask-mcp` does, keeps that program:
    its words and ours would be a mixture that starts nothing.

    Args:
        known: The entry as it is; None where there is none.

    Raises:
        Conflict: the entry is there and starts something that is not this server.
    """
    if known is None:
        yield (), dict(server)
        return
    starter = _starter(known)
    if starter is None:
        raise Conflict(
            f"{NAME!r} is there already and starts something else: {_shown(known)}; nothing was changed",
            hint="take that entry out, or give it another name, and do this again",
        )
    assert isinstance(known, Mapping)
    for name, value in server.items():
        there = known.get(name)
        if isinstance(value, list) and isinstance(there, list):
            yield from (((name, *way), item) for way, item in _options(value, there))
        elif isinstance(value, Mapping) and isinstance(there, Mapping):
            yield from (((name, inner), item) for inner, item in value.items())
        elif not (name == "command" and starter == "another"):
            yield (name,), value


def _starter(known: JsonValue) -> Literal["server", "another"] | None:
    """Whether an entry starts this server itself, or lets another program start it; None where it does neither."""
    words = _words(known)
    if not words or not isinstance(known, Mapping):
        return None
    command, *arguments = words
    if _is_ours(command):
        return "server"
    if any(map(_is_ours, arguments)):
        return "another"
    # A program under another name, or one that is gone: options of ours tell it.
    environment = known.get("env")
    has_root = isinstance(environment, Mapping) and ROOT_VARIABLE in environment
    has_root = has_root or any(word.partition("=")[0] == "--root" for word in arguments)
    return "server" if has_root and all(word.startswith("--") for word in arguments[:1]) else None


def _words(known: JsonValue) -> list[str]:
    """What an entry starts, word by word; empty where that cannot be told."""
    if not isinstance(known, Mapping) or "url" in known:
        return []
    command, arguments = known.get("command"), known.get("args", [])
    if not isinstance(command, str) or not isinstance(arguments, list):
        return []
    return [command, *map(str, arguments)]


def _is_ours(word: str) -> bool:
    """Whether a word is this server: its program, its package with or without a version, its module."""
    return _OURS.fullmatch(re.split(r"[/\\]", word)[-1]) is not None


def _shown(known: JsonValue) -> str:
    return (" ".join(_words(known)) or json.dumps(known, ensure_ascii=False))[:_SHOWN_CHARS_MAX]


def _options(wanted: Sequence[JsonValue], there: Sequence[JsonValue]) -> Iterator[tuple[tuple[Step, ...], JsonValue]]:
    """Options and their values, each set where it stands, else added behind the others."""
    end = len(there)
    for option, value in zip(wanted[::2], wanted[1::2], strict=True):
        joined = next((at for at, one in enumerate(there) if str(one).startswith(f"{option}=")), None)
        if joined is not None:
            yield (joined,), f"{option}={value}"
        elif option in there:
            # A value that is missing at the end is added there.
            at = there.index(option) + 1
            yield (at,), value
            end = max(end, at + 1)
        else:
            yield (end,), option
            yield (end + 1,), value
            end += 2


def configuration(client: Client, server: Server) -> str:
    """The whole text of a configuration file that holds nothing else."""
    if client.form == "toml":
        return toml_table(client.path, server)
    nested: JsonValue = dict(server)
    for name in reversed(client.path):
        nested = {name: nested}
    return json.dumps(nested, indent=2, ensure_ascii=False) + "\n"


def toml_table(path: tuple[str, ...], server: Server) -> str:
    """A table of strings and lists of strings; what JSON writes of those is TOML too."""
    lines = [f"[{'.'.join(path)}]", *(f"{name} = {json.dumps(value)}" for name, value in server.items())]
    return "\n".join(lines) + "\n"


def server_command(client: Client | None = None) -> str:
    """How a client starts the server: by name where the shell finds this very one, else by its path."""
    beside = Path(sys.executable).parent / PROGRAM
    on_path = shutil.which(PROGRAM)
    if client is not None and client.by_path:
        found = beside if beside.exists() else Path(on_path or PROGRAM)
        return str(found)
    if on_path is not None and (not beside.exists() or Path(on_path).resolve() == beside.resolve()):
        return PROGRAM
    return str(beside) if beside.exists() else PROGRAM
