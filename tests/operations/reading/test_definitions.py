"""Reading workflow definitions: those of the root, and nothing else by their paths."""

import os
from pathlib import Path

import pytest

from registry.core.limits import WORKFLOW_BYTES_MAX
from registry.errors import Forbidden, InvalidRequest, LimitExceeded, NotFound
from registry.storage.files.definitions import Definition, Definitions


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "workflows" / "old").mkdir(parents=True)
    (root / "workflows" / "b.task.md").write_text("b")
    (root / "workflows" / "a.task.md").write_text("a")
    (root / "workflows" / "notes.md").write_text("n")
    (root / "workflows" / "old" / "c.task.md").write_text("c")
    (tmp_path / "secret.task.md").write_text("secret")
    return root


def test_definitions_are_the_task_files_by_name(root: Path) -> None:
    """Notes beside them are no templates."""
    definitions = Definitions(str(root))

    assert [path for path, _ in definitions.paths()] == ["workflows/a.task.md", "workflows/b.task.md"]
    assert [definitions.read(name).text for name in ("workflows/a.task.md", "a.task.md", "a")] == [b"a", b"a", b"a"]


def test_a_root_without_definitions_has_none(tmp_path: Path) -> None:
    """A fresh folder is an empty registry, not a broken one."""
    assert Definitions(str(tmp_path / "none")).paths() == []
    with pytest.raises(NotFound):
        Definitions(str(tmp_path / "none")).read("workflows/a.task.md")


def test_a_link_is_no_definition(root: Path, tmp_path: Path) -> None:
    """Else whoever may write a link below workflows/ may read any file of the machine."""
    os.symlink(tmp_path / "secret.task.md", root / "workflows" / "link.task.md")
    assert "workflows/link.task.md" not in [path for path, _ in Definitions(str(root)).paths()]
    with pytest.raises(Forbidden):
        Definitions(str(root)).read("workflows/link.task.md")


@pytest.mark.parametrize(
    "path", ["../secret.task.md", "/etc/passwd", "workflows/../../secret.task.md", "opentask.toml", ""]
)
def test_no_path_leads_elsewhere(root: Path, path: str) -> None:
    """A path comes from a model."""
    with pytest.raises((NotFound, InvalidRequest)):
        Definitions(str(root)).read(path)


def test_a_pipe_does_not_stop_the_server(root: Path) -> None:
    """Opening one for reading waits for a writer that never comes."""
    os.mkfifo(root / "workflows" / "pipe.task.md")
    with pytest.raises(Forbidden):
        Definitions(str(root)).read("workflows/pipe.task.md")


def test_a_file_larger_than_a_workflow_is_not_read(root: Path) -> None:
    """The limit and the size are named before a byte is parsed."""
    (root / "workflows" / "big.task.md").write_bytes(b"x" * (WORKFLOW_BYTES_MAX + 1))
    with pytest.raises(LimitExceeded):
        Definitions(str(root)).read("workflows/big.task.md")


def test_the_command_line_may_name_any_file(root: Path, tmp_path: Path) -> None:
    """A person's own shell can read it anyway."""
    definitions = Definitions(str(root))

    assert definitions.read_elsewhere(str(tmp_path / "secret.task.md")) == Definition(
        path=str(tmp_path / "secret.task.md"), text=b"secret", mtime_ns=os.stat(tmp_path / "secret.task.md").st_mtime_ns
    )
    assert definitions.read_elsewhere(str(tmp_path / "none")) is None
    assert definitions.read_elsewhere("a\0b") is None
    with pytest.raises(InvalidRequest):
        definitions.read_elsewhere(str(tmp_path))
