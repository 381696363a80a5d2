"""Which registry is meant, and what its settings say."""

import os
from pathlib import Path

import pytest

from registry.errors import Forbidden, InvalidRequest
from registry.settings import AgentSettings, Settings, find_root, init_root, load_settings
from registry.storage.files.mounts import kind_in


def test_the_root_that_is_named_goes_before_the_one_that_is_found(tmp_path: Path) -> None:
    """--root, then the environment, then the nearest marked folder, then here."""
    marked, deep = tmp_path / "marked", tmp_path / "marked" / "a" / "b"
    deep.mkdir(parents=True)
    (marked / "opentask.toml").touch()

    assert find_root("x", environ={"OPENTASK_REGISTRY_ROOT": "/y"}, cwd=deep) == (deep / "x", True)
    assert find_root(None, environ={"OPENTASK_REGISTRY_ROOT": "/y"}, cwd=deep) == (Path("/y"), True)
    assert find_root(None, environ={}, cwd=deep) == (marked, True)
    assert find_root(None, environ={}, cwd=tmp_path) == (tmp_path, False)


def test_a_folder_with_workflows_and_runs_is_marked(tmp_path: Path) -> None:
    """Registries of the earlier implementation have no opentask.toml."""
    (tmp_path / "runs" / "r").mkdir(parents=True)
    assert find_root(None, environ={}, cwd=tmp_path / "runs" / "r") == (tmp_path / "runs" / "r", False)
    (tmp_path / "workflows").mkdir()
    assert find_root(None, environ={}, cwd=tmp_path / "runs" / "r") == (tmp_path, True)


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest, match="is a file; a registry is a folder"):
        find_root("file", environ={}, cwd=tmp_path)


def test_home_and_slash_are_written_only_when_they_were_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server started anywhere must not strew runs over somebody's home."""
    monkeypatch.setenv("HOME", str(tmp_path))

    refusal = load_settings(environ={}, cwd=tmp_path).write_refusal()
    assert isinstance(refusal, Forbidden)
    assert "home folder" in refusal.message
    assert (
        refusal.hint
        == "name the registry with --root DIR or OPENTASK_REGISTRY_ROOT, or make one with `opentask init DIR`"
    )
    assert isinstance(Settings(root=Path("/"), root_is_marked=False).write_refusal(), Forbidden)
    assert load_settings(str(tmp_path), environ={}, cwd=tmp_path).write_refusal() is None
    init_root(tmp_path)
    assert load_settings(environ={}, cwd=tmp_path).write_refusal() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refusal = load_settings(str(tmp_path / "new"), environ={}, cwd=tmp_path).write_refusal()
    assert isinstance(refusal, Forbidden)


def test_init_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    """Running it twice, or in a folder with workflows, loses nothing."""
    root = tmp_path / "new" / "registry"

    assert init_root(root) == ["opentask.toml", "workflows/", "runs/"]
    (root / "opentask.toml").write_text('approvals = "operator"\n')
    assert init_root(root) == []
    assert load_settings(str(root), environ={}, cwd=tmp_path).approvals == "operator"


def test_the_first_settings_file_says_the_defaults(tmp_path: Path) -> None:
    """What stands behind # must be what holds, and must be right when the # is taken away."""
    init_root(tmp_path)
    plain = load_settings(str(tmp_path), environ={}, cwd=tmp_path)
    text = (tmp_path / "opentask.toml").read_text()
    uncommented = [
        line.removeprefix("# ") if "=" in line else line for line in text.splitlines() if "agents" not in line
    ]
    (tmp_path / "opentask.toml").write_text("\n".join(line for line in uncommented if "Builder" not in line))

    assert load_settings(str(tmp_path), environ={}, cwd=tmp_path) == plain
    assert (plain.approvals, plain.durability, plain.effects, plain.lock_wait_s) == ("open", "full", "agent", 5.0)


def test_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "opentask.toml").write_text(
        'approvals = "elicit"\ndurability = "process"\neffects = "gateway"\nlock_wait_s = 30\n'
        '[agents.builder]\nname = "Builder"\n[agents.tester]\n'
    )

    assert load_settings(str(tmp_path), environ={}, cwd=tmp_path) == Settings(
        root=tmp_path,
        approvals="elicit",
        durability="process",
        effects="gateway",
        lock_wait_s=30.0,
        agents={"builder": AgentSettings("Builder"), "tester": AgentSettings("")},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("aprovals = 'open'", "opentask.toml: 'aprovals' is no setting; did you mean 'approvals'?"),
        ("approvals = 'opne'", "opentask.toml: approvals is 'opne'; it must be one of open, elicit, operator"),
        ("durability = true", "opentask.toml: durability is 'True'; it must be one of full, process"),
        ("lock_wait_s = 'long'", "opentask.toml: lock_wait_s is 'long'; it must be a number of seconds up to 600"),
        ("[agents.'no id']", "opentask.toml: [agents.no id] is no agent id; ids are letters, digits"),
        ("[agents.a]\ncolour = 1", "opentask.toml: [agents.a] may hold name, a text, and nothing else"),
        ("agents = 3", "opentask.toml: agents must be tables such as [agents.builder]"),
        ("approvals", "opentask.toml: it is not TOML: "),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A setting that is silently ignored is worse than none."""
    (tmp_path / "opentask.toml").write_text(text)
    with pytest.raises(InvalidRequest) as refused:
        load_settings(str(tmp_path), environ={}, cwd=tmp_path)
    assert refused.value.message.startswith(message)


def test_a_network_disk_is_recognised_by_its_innermost_mount() -> None:
    """Locks of several machines do not hold on it."""
    mounts = [
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "30 22 0:5 / /home rw shared:1 - nfs4 server:/home rw",
        "31 30 8:2 / /home/local rw - ext4 /dev/sdb1 rw",
        "32 22 0:6 / /mnt/my\\040share rw - cifs //server/share rw",
    ]
    assert [kind_in(mounts, path) for path in ("/tmp", "/home/me/x", "/homes", "/home/local/x", "/mnt/my share")] == [
        None,
        "nfs4",
        None,
        None,
        "cifs",
    ]
