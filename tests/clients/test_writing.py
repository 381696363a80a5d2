"""`mcp config CLIENT --write` adds the server to files that people and programs have already filled."""

import json
import os
from pathlib import Path

import pytest

from opentask_mcp.cli.clients import CLIENTS, server_command
from opentask_mcp.cli.json5_text import parts_of
from opentask_mcp.cli.placing import change_file
from registry.errors import Conflict, InvalidRequest
from tests.surfaces.cli.fixture import Cli

OPENCLAW = """\
\ufeff// my gateway\r
{\r
  gateway: { port: 18789, auth: { token: 'secret' }, },\r
  mcp: {\r
    // servers\r
    servers: {\r
      files: { command: "npx", args: ["-y", "files"] }, // of Maria\r
    },\r
  },\r
  "futureSetting": 1.50,\r
}\r
"""


def entry(client: str, root: Path) -> dict[str, object]:
    command = server_command(CLIENTS[client])
    if client == "openclaw":
        return {"command": command, "args": [], "env": {"OPENTASK_REGISTRY_ROOT": str(root)}}
    return {"command": command, "args": ["--root", str(root)]}


def test_every_other_byte_of_a_teams_file_stays(cli: Cli, project: Path) -> None:
    """It is in version control, with their order and spacing."""
    before = '{\n\t"mcpServers": {\n\t\t"other": {"command": "x",   "args": []}\n\t},\n\n\t"n": 1.50\n}'
    (project / ".mcp.json").write_text(before)
    (project / ".mcp.json").chmod(0o640)

    done = cli("mcp", "config", "claude", "--write").answer

    assert done == {"client": "claude", "file": str(project / ".mcp.json"), "change": "written"}
    after = (project / ".mcp.json").read_text()
    begin, end = '{\n\t"mcpServers": {\n\t\t"other": {"command": "x",   "args": []}', '\n\t},\n\n\t"n": 1.50\n}'
    assert after.startswith(begin + ',\n\t\t"opentask": {\n\t\t\t"command"')
    assert after.endswith(end)
    assert json.loads(after)["mcpServers"]["opentask"] == entry("claude", cli.root)
    assert os.stat(project / ".mcp.json").st_mode & 0o777 == 0o640
    assert os.listdir(project) == [".mcp.json"]


def test_openclaws_file_keeps_comments_marks_line_ends_and_what_we_do_not_know(cli: Cli) -> None:
    """A whole gateway hangs on that file, and its owner has written into it."""
    path = Path.home() / ".openclaw" / "openclaw.json"
    path.parent.mkdir()
    path.write_bytes(OPENCLAW.encode())
    path.chmod(0o600)

    cli("mcp", "config", "openclaw", "--write")

    after = path.read_bytes().decode()
    head, tail = OPENCLAW.split("// of Maria\r\n")
    assert after.startswith(head + '// of Maria\r\n      "opentask": {\r\n        "command": ')
    assert after.endswith("\r\n      },\r\n" + tail)
    assert "\n" not in after.replace("\r\n", "")
    assert parts_of(after).value["mcp"]["servers"]["opentask"] == entry("openclaw", cli.root)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert cli("mcp", "config", "openclaw", "--write").answer["change"] == "unchanged"


def test_what_a_person_put_into_our_entry_stays(cli: Cli, project: Path) -> None:
    """Writing again after the registry moved must not take their toolsets and time limits away."""
    before = (
        '{"mcpServers": {"opentask": {"command": "old", "args": ["--toolsets", "all", "--root", "/old"], '
        '"timeout": 9, "env": {"OPENTASK_TOOLSETS": "all"}}}}'
    )
    (project / ".mcp.json").write_text(before)

    cli("mcp", "config", "claude", "--write", "--agent", "cc")

    now = json.loads((project / ".mcp.json").read_text())["mcpServers"]["opentask"]
    assert now == {
        "command": server_command(),
        "args": ["--toolsets", "all", "--root", str(cli.root), "--agent", "cc"],
        "timeout": 9,
        "env": {"OPENTASK_TOOLSETS": "all"},
    }


def test_an_option_written_with_an_equals_sign_is_found(cli: Cli, project: Path) -> None:
    """Two roots in one command would be a guess which of them counts."""
    (project / ".mcp.json").write_text('{"mcpServers": {"opentask": {"command": "x", "args": ["--root=/old"]}}}')

    cli("mcp", "config", "claude", "--write")

    now = json.loads((project / ".mcp.json").read_text())["mcpServers"]["opentask"]
    assert now["args"] == [f"--root={cli.root}"]


def test_a_new_file_of_openclaws_is_for_its_owner_alone(cli: Cli) -> None:
    """Tokens come into it later."""
    made = cli("mcp", "config", "openclaw", "--write").answer

    assert made["change"] == "made"
    assert os.stat(made["file"]).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("variable", ["OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR"])
def test_openclaws_own_variables_say_which_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A gateway with a profile reads another file than the usual one."""
    path = tmp_path / "profile" / "openclaw.json"
    monkeypatch.setenv(variable, str(path if variable == "OPENCLAW_CONFIG_PATH" else path.parent))

    assert cli("mcp", "config", "openclaw", "--write").answer["file"] == str(path)
    assert cli("mcp", "config", "openclaw", "--json").answer["file"] == str(path)
    assert not (Path.home() / ".openclaw").exists()


def test_a_file_that_cannot_be_read_is_left_alone_and_the_mend_is_named(cli: Cli, project: Path) -> None:
    """Better a line to paste than a file that lost something."""
    broken = '{\n  "mcpServers": {\n    "other": {"command": "x"}\n    "more": {}\n  }\n}\n'
    (project / ".mcp.json").write_text(broken)

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, ran.error["code"]) == (2, "invalid_request")
    assert ran.error["message"] == (
        f"{project}/.mcp.json is no JSON that can be added to (line 4, column 5: expected a comma or }}); "
        "nothing was changed"
    )
    assert ran.error["hint"].startswith(
        'mend that line and do this again, or put this there by hand: mcpServers: {"opentask": {"command": '
    )
    assert "claude mcp add-json --scope project opentask '{" in ran.error["hint"]
    assert (project / ".mcp.json").read_text() == broken


def test_servers_that_are_no_object_are_left_alone(cli: Cli, project: Path) -> None:
    """Something else is meant by that file."""
    (project / ".mcp.json").write_text('{"mcpServers": ["other"]}')

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, "mcpServers is not an object" in ran.error["message"]) == (2, True)
    assert (project / ".mcp.json").read_text() == '{"mcpServers": ["other"]}'


def test_bytes_that_are_no_text_are_left_alone(cli: Cli, project: Path) -> None:
    """Decoding them somehow and writing them back would change them."""
    (project / ".mcp.json").write_bytes(b'{"mcpServers": {}, "name": "\xff"}')

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, "is not UTF-8 text (byte 29)" in ran.error["message"]) == (2, True)
    assert (project / ".mcp.json").read_bytes().endswith(b'\xff"}')


def test_a_link_stays_a_link_and_its_file_is_changed(cli: Cli, project: Path, tmp_path: Path) -> None:
    """People keep such files in a repository of their own and link to them."""
    real = tmp_path / "dotfiles" / "mcp.json"
    real.parent.mkdir()
    real.write_text("{}")
    real.chmod(0o604)
    (project / ".mcp.json").symlink_to(real)

    cli("mcp", "config", "claude", "--write")

    assert (project / ".mcp.json").is_symlink()
    assert json.loads(real.read_text())["mcpServers"]["opentask"] == entry("claude", cli.root)
    assert os.stat(real).st_mode & 0o777 == 0o604
    assert os.listdir(real.parent) == ["mcp.json"]


def test_a_change_by_another_program_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """The client itself may write its file at any moment."""
    path = tmp_path / "theirs" / "settings.json"
    path.parent.mkdir()
    path.write_text("{}")

    def slowly(text: str) -> str:
        path.write_text('{"theirs": 1}')
        return '{"ours": 1}'

    with pytest.raises(Conflict, match="was changed by another program just now; nothing was changed"):
        change_file(path, slowly, mode=0o644)

    assert (path.read_text(), os.listdir(path.parent)) == ('{"theirs": 1}', ["settings.json"])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder in the file's place is as far as root's own tests can go."""
    path = tmp_path / "settings.json"
    path.mkdir()

    with pytest.raises(InvalidRequest, match=r"settings\.json is not a file"):
        change_file(path, lambda text: "{}", mode=0o644)


@pytest.mark.parametrize("client", [name for name in CLIENTS if name != "codex"])
def test_what_is_written_is_what_is_printed(cli: Cli, client: str) -> None:
    """A person may do either and gets the same."""
    printed = cli("mcp", "config", client).out
    written = cli("mcp", "config", client, "--write").answer

    assert Path(written["file"]).read_text() + "\n" == printed


def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    """Opening it would wait for a writer for ever."""
    path = tmp_path / "settings.json"
    os.mkfifo(path)

    with pytest.raises(InvalidRequest, match=r"settings\.json is not a file"):
        change_file(path, lambda text: "{}", mode=0o644)


def test_a_file_that_its_owner_made_read_only_is_left_alone(tmp_path: Path) -> None:
    """Its folder would let another be put in its place, and root may do everything; the owner said no."""
    path = tmp_path / "theirs" / "settings.json"
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o444)

    with pytest.raises(InvalidRequest, match=r"settings\.json is read-only; nothing was changed"):
        change_file(path, lambda text: '{"ours": 1}', mode=0o644)

    assert (path.read_text(), os.listdir(path.parent)) == ("{}", ["settings.json"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["uvx", "opentask-mcp", "--root", "/old"], ["uvx", "opentask-mcp", "--root", "ROOT"]),
        (["uvx", "opentask-mcp==1.2", "--read-only"], ["uvx", "opentask-mcp==1.2", "--read-only", "--root", "ROOT"]),
        (["python3", "-m", "opentask_mcp.mcp"], ["python3", "-m", "opentask_mcp.mcp", "--root", "ROOT"]),
        (["/gone/bin/opentask-mcp", "--root"], [server_command(), "--root", "ROOT"]),
        (["/gone/bin/opentask-mcp"], [server_command(), "--root", "ROOT"]),
    ],
)
def test_an_entry_goes_on_starting_the_server_the_way_it_did(
    cli: Cli, project: Path, before: list[str], after: list[str]
) -> None:
    """The words of a launcher behind the name of another program would start nothing."""
    entry = {"command": before[0], "args": before[1:]}
    (project / ".mcp.json").write_text(json.dumps({"mcpServers": {"opentask": entry}}))

    cli("mcp", "config", "claude", "--write")

    now = json.loads((project / ".mcp.json").read_text())["mcpServers"]["opentask"]
    assert [now["command"], *now["args"]] == [word.replace("ROOT", str(cli.root)) for word in after]
    assert cli("mcp", "config", "claude", "--write").answer["change"] == "unchanged"


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"type": "http", "url": "http://127.0.0.1:8000/mcp"}, '{"type": "http", "url": "http://127.0.0.1:8000/mcp"}'),
        ({"command": "node", "args": ["/x/opentask/server.js", "--root", "."]}, "node /x/opentask/server.js --root ."),
        ({"command": "their-server", "args": []}, "their-server"),
        ({"command": "sh", "args": ["-c", "exec opentask-mcp"]}, "sh -c exec opentask-mcp"),
        ("later", '"later"'),
    ],
)
def test_an_entry_that_starts_something_else_is_left_alone(cli: Cli, project: Path, entry: object, shown: str) -> None:
    """Half of it replaced would be a server that neither of the two knows."""
    before = json.dumps({"mcpServers": {"opentask": entry}})
    (project / ".mcp.json").write_text(before)

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, ran.error["message"]) == (
        4, f"'opentask' is there already and starts something else: {shown}; nothing was changed"
    )  # fmt: skip
    assert (project / ".mcp.json").read_text() == before


@pytest.mark.parametrize("text", ['{"mcpServers": {},}', '{ // mine\n  "mcpServers": {}\n}'])
def test_what_claude_code_would_not_read_is_said(cli: Cli, project: Path, text: str) -> None:
    """It takes strict JSON alone and drops the whole file; an entry in it would never be seen."""
    (project / ".mcp.json").write_text(text)

    ran = cli("mcp", "config", "claude", "--write")

    assert (ran.status, ran.error["code"]) == (2, "invalid_request")
    assert ran.error["message"].startswith(f"{project}/.mcp.json is no JSON that can be added to (Claude Code reads ")
    assert (project / ".mcp.json").read_text() == text
    assert cli("mcp", "config", "openclaw", "--write").answer["change"] == "made"
