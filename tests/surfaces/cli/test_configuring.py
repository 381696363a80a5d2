"""What MCP clients are told, and how little of their files is touched."""

import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

from opentask_mcp.cli.clients import server_command
from opentask_mcp.cli.json_member import NotPlainJson, with_member
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
    """Five clients, five places and forms; a wrong key is a server that never starts."""
    said = cli("mcp", "config", client)

    text = said.out.replace(json.dumps(server_command()), '"COMMAND"').replace(str(cli.root), "ROOT")
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


def test_every_other_byte_of_a_file_stays(cli: Cli, project: Path) -> None:
    """It is the team's file, in version control, with their order and spacing."""
    before = '{\n\t"mcpServers": {\n\t\t"other": {"command": "x",   "args": []}\n\t},\n\n\t"n": 1.50\n}'
    (project / ".mcp.json").write_text(before)
    (project / ".mcp.json").chmod(0o600)

    cli("mcp", "config", "claude", "--write")

    after = (project / ".mcp.json").read_text()
    begin, end = '{\n\t"mcpServers": {\n\t\t"other": {"command": "x",   "args": []}', '\n\t},\n\n\t"n": 1.50\n}'
    assert after.startswith(begin + ',\n\t\t"opentask": {\n\t\t\t"command"')
    assert after.endswith(end)
    assert json.loads(after)["mcpServers"]["opentask"]["args"] == ["--root", str(cli.root)]
    assert os.stat(project / ".mcp.json").st_mode & 0o777 == 0o600


def test_a_file_with_comments_is_left_alone(cli: Cli, project: Path) -> None:
    """Better a line to paste than a file that lost its comments."""
    (project / ".mcp.json").write_text('{\n  // ours\n  "mcpServers": {}\n}\n')

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, ran.error["code"]) == (2, "invalid_request")
    assert "nothing was changed" in ran.error["message"]
    assert "// ours" in (project / ".mcp.json").read_text()


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


def test_openclaw_is_written_by_its_own_command(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone knows its file: comments, checks, a gateway that has it open."""
    missing = cli("mcp", "config", "openclaw", "--write")
    program = tmp_path / "bin" / "openclaw"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    written = cli("mcp", "config", "openclaw", "--write").answer

    assert (missing.status, missing.error["code"]) == (3, "not_found")
    called = (tmp_path / "called").read_text().splitlines()
    assert called[:3] == ["mcp", "set", "opentask"]
    assert json.loads(called[3])["env"] == {"OPENTASK_REGISTRY_ROOT": str(cli.root)}
    assert written["change"] == "written"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {}}', '{"a": {"b": 1}}'),
        ('{"a":{"c":2}}\n', '{"a":{"c":2, "b": 1}}\n'),
        ('{"a":{"b":2}}', '{"a":{"b":1}}'),
        ('{"a": {"b": 2}, "a": {"b": 3}}', '{"a": {"b": 2}, "a": {"b": 1}}'),
        (
            '{\n    "x": "}{\\"a\\"",\n    "a": {\n    }\n}\n',
            '{\n    "x": "}{\\"a\\"",\n    "a": {\n        "b": 1\n    }\n}\n',
        ),
        ('{\n  "x": [1, 2]\n}', '{\n  "x": [1, 2],\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {"b": 1.0}}', '{"a": {"b": 1.0}}'),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ],
)  # fmt: skip
def test_a_member_is_set_and_nothing_else(text: str, after: str) -> None:
    """Whatever way the file is written."""
    changed = with_member(text, ("a", "b"), 1)

    assert changed == after
    assert json.loads(changed)["a"]["b"] == 1


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', "// x\n{}", "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    """Guessing where the entry belongs would break the file."""
    with pytest.raises(NotPlainJson):
        with_member(text, ("a", "b"), 2)
