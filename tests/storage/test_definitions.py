"""Reusable definitions are found by id, name or path, and only below `workflows/`."""

from pathlib import Path

import pytest

from registry.errors import Forbidden, InvalidRequest, LimitExceeded, NotFound
from registry.storage.files.definitions import Definitions


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "audit.task.md").write_text("audit")
    (folder / "ship.task.md").write_text("ship")
    (folder / "notes.md").write_text("notes")
    (folder / ".hidden.task.md").write_text("hidden")
    (folder / "link.task.md").symlink_to(folder / "audit.task.md")
    return Definitions(str(tmp_path))


def test_definitions_are_listed_by_name(definitions: Definitions, tmp_path: Path) -> None:
    assert [path for path, _ in definitions.paths()] == ["workflows/audit.task.md", "workflows/ship.task.md"]
    assert Definitions(str(tmp_path / "nowhere")).paths() == []


@pytest.mark.parametrize(
    "name", ["audit", "audit.task.md", "workflows/audit", "workflows/audit.task.md", "./workflows/audit.task.md"]
)
def test_a_definition_has_many_names(definitions: Definitions, name: str) -> None:
    """Models write whichever they saw last."""
    found = definitions.read(name)

    assert (found.path, found.text) == ("workflows/audit.task.md", b"audit")


def test_a_misspelt_name_is_answered_with_the_nearest(definitions: Definitions) -> None:
    with pytest.raises(NotFound) as refused:
        definitions.read("audti")
    assert (refused.value.message, refused.value.hint) == (
        "no workflow 'audti' in workflows/",
        "did you mean 'audit'?",
    )
    with pytest.raises(NotFound) as refused:
        definitions.read("zzz")
    assert refused.value.hint == "there are audit, ship"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "workflows/../../x", ""])
def test_a_path_outside_is_refused(definitions: Definitions, path: str) -> None:
    with pytest.raises(InvalidRequest, match="leads out of workflows/"):
        definitions.read(path)


def test_links_and_giants_are_refused(definitions: Definitions, tmp_path: Path) -> None:
    (tmp_path / "workflows" / "big.task.md").write_bytes(b"x" * (256 * 1024 + 1))

    with pytest.raises(Forbidden):
        definitions.read("link")
    with pytest.raises(LimitExceeded):
        definitions.read("big")
