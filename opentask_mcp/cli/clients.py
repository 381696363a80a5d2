"""How each MCP client is told about the server: which file, and what stands in it."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Format = Literal["json", "toml"]
NAME: Final = "opentask"
PROGRAM: Final = "opentask-mcp"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program that speaks MCP.

    Attributes:
        title: What people call it.
        file: Where its configuration is: below the working directory, or with `~` below the home folder.
        path: Where the server stands in that file.
        through_env: It gives servers almost no environment and no folder, so the root is named in `env`.
        writer: Its own command that writes its configuration, where it has one.
    """

    title: str
    file: str
    path: tuple[str, ...]
    form: Format = "json"
    has_type: bool = False
    through_env: bool = False
    writer: tuple[str, ...] = ()


CLIENTS: Final[Mapping[str, Client]] = {
    "claude": Client(title="Claude Code", file=".mcp.json", path=("mcpServers", NAME)),
    "openclaw": Client(
        title="OpenClaw",
        file="~/.openclaw/openclaw.json",
        path=("mcp", "servers", NAME),
        through_env=True,
        writer=("openclaw", "mcp", "set", NAME),
    ),
    "cursor": Client(title="Cursor", file=".cursor/mcp.json", path=("mcpServers", NAME)),
    "vscode": Client(title="VS Code", file=".vscode/mcp.json", path=("servers", NAME), has_type=True),
    "codex": Client(title="Codex", file="~/.codex/config.toml", path=("mcp_servers", NAME), form="toml"),
}


def entry(client: Client, *, command: str, root: Path, agent: str | None) -> dict[str, Any]:
    """What stands at the client's path: how to start the server for one registry."""
    arguments = [] if client.through_env else ["--root", str(root)]
    arguments += ["--agent", agent] if agent else []
    found: dict[str, Any] = {"type": "stdio"} if client.has_type else {}
    found |= {"command": command, "args": arguments}
    return found | ({"env": {"OPENTASK_REGISTRY_ROOT": str(root)}} if client.through_env else {})


def configuration(client: Client, server: Mapping[str, Any]) -> str:
    """The whole text of a configuration file that holds nothing else."""
    if client.form == "toml":
        return toml_table(client.path, server)
    nested: Any = dict(server)
    for name in reversed(client.path):
        nested = {name: nested}
    return json.dumps(nested, indent=2, ensure_ascii=False) + "\n"


def toml_table(path: tuple[str, ...], server: Mapping[str, Any]) -> str:
    """A table of strings and lists of strings; what JSON writes of those is TOML too."""
    lines = [f"[{'.'.join(path)}]", *(f"{name} = {json.dumps(value)}" for name, value in server.items())]
    return "\n".join(lines) + "\n"


def server_command() -> str:
    """How a client starts the server: by name where the shell finds this very one, else by its path."""
    beside = Path(sys.executable).parent / PROGRAM
    on_path = shutil.which(PROGRAM)
    if on_path is not None and (not beside.exists() or Path(on_path).resolve() == beside.resolve()):
        return PROGRAM
    return str(beside) if beside.exists() else PROGRAM
