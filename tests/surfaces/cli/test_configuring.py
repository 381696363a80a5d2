"""What MCP clients are told, and how little of their files is touched."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

from opentask_mcp.cli.clients import CLIENTS, server_command
from tests.surfaces.cli.fixture import Cli

GOLDEN = {
    "claude": """\
{
  "mcpServers": {
    "opentask": {
      "command": "COMMAND",
      "args": [
        "--root",
        "ROOT"
      ]
    }
  }
}
""",
    "openclaw": """\
{
  "mcp": {
    "servers": {
      "opentask": {
        "command": "COMMAND",
        "args": [],
        "env": {
          "OPENTASK_REGISTRY_ROOT": "ROOT"
        }
      }
    }
  }
}
""",
    "cursor": """\
{
  "mcpServers": {
    "opentask": {
      "command": "COMMAND",
      "args": [
        "--root",
        "ROOT"
      ]
    }
  }
}
""",
    "vscode": """\
{
  "servers": {
    "opentask": {
      "type": "stdio",
      "command": "COMMAND",
      "args": [
        "--root",
        "ROOT"
      ]
    }
  }
}
""",
    "codex": """\
[mcp_servers.opentask]
command = "COMMAND"
args = ["--root", "ROOT"]
""",
    "claude-desktop": """\
{
  "mcpServers": {
    "opentask": {
      "command": "COMMAND",
      "args": [
        "--root",
        "ROOT"
      ]
    }
  }
}
""",
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder to stand in."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("client", GOLDEN)
def test_each_client_gets_its_own_form(cli: Cli, client: str) -> None:
    """Each has its own place and form; a wrong key is a server that never starts."""
    said = cli("mcp", "config", client)

    text = said.out.replace(json.dumps(server_command(CLIENTS[client])), '"COMMAND"').replace(str(cli.root), "ROOT")
    assert (said.status, said.err, text) == (0, "", GOLDEN[client] + "\n")


def test_programs_get_all_of_them_as_json(cli: Cli) -> None:
    """An installer chooses for itself."""
    clients = cli("mcp", "config", "--json").answer["clients"]
    one = cli("mcp", "config", "openclaw", "--json", "--agent", "cc").answer

    assert [row["client"] for row in clients] == list(GOLDEN)
    assert one["server"]["args"] == ["--agent", "cc"]
    assert one["command"].startswith("openclaw mcp set opentask '{")


def test_the_command_that_is_named_starts_this_installation() -> None:
    """A client knows neither our virtual environment nor our PATH."""
    named = Path(server_command())

    assert not named.is_absolute() or named == Path(sys.executable).parent / "opentask-mcp"


@pytest.mark.parametrize("client", ["openclaw", "claude-desktop"])
def test_programs_without_a_shell_get_the_whole_path(client: str) -> None:
    """What a desktop or a service starts has the PATH of the system, not of a login."""
    beside = Path(sys.executable).parent / "opentask-mcp"

    assert server_command(CLIENTS[client]) == (str(beside) if beside.exists() else "opentask-mcp")


@pytest.mark.parametrize(
    ("client", "file"), [("claude", ".mcp.json"), ("cursor", ".cursor/mcp.json"), ("vscode", ".vscode/mcp.json")]
)
def test_a_file_that_is_not_there_is_made(cli: Cli, project: Path, client: str, file: str) -> None:
    """The usual case: a project without any server."""
    made = cli("mcp", "config", client, "--write").answer
    again = cli("mcp", "config", client, "--write").answer

    assert made == {"client": client, "file": str(project / file), "change": "made"}
    assert again["change"] == "unchanged"
    text = (project / file).read_text().replace(json.dumps(server_command()), '"COMMAND"')
    assert text.replace(str(cli.root), "ROOT") == GOLDEN[client]


def test_codex_gets_a_table_behind_what_is_there(cli: Cli) -> None:
    """TOML with comments stays as it is; a table of ours that was edited is not replaced."""
    path = Path.home() / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text('# mine\nmodel = "x"')

    first = cli("mcp", "config", "codex", "--write").answer
    again = cli("mcp", "config", "codex", "--write").answer
    text = path.read_text()
    path.write_text(text.replace("--root", "--read-only"))
    edited = cli("mcp", "config", "codex", "--write")

    assert (first["change"], again["change"]) == ("written", "unchanged")
    assert text.startswith('# mine\nmodel = "x"\n\n[mcp_servers.opentask]\n')
    assert tomllib.loads(text)["mcp_servers"]["opentask"]["args"] == ["--root", str(cli.root)]
    assert (edited.status, edited.error["code"]) == (4, "conflict")
