"""Tasks and numbers on a terminal that is narrow, or has no letters for what is shown."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.surfaces.cli.fixture import Cli, on_terminal

LAMP = "日本語のとても長いタイトル"


@pytest.fixture
def filled(cli: Cli) -> Path:
    """A registry with a long agent id, a long group and a title of wide letters."""
    for agent, name, group in (
        ("mira", "Answer the harbour office about the lamp", "letters"),
        ("mira", LAMP, "letters"),
        ("release-engineer-01", "x", "a-rather-long-group-name-for-a-release"),
    ):
        assert cli("task", "create", "--agent", agent, "--name", name, "--group", group).status == 0
    cli("task", "start", "--agent", "mira")
    cli("task", "complete", "--agent", "mira", "--result", "done it all well")
    return cli.root


def _lines(root: Path, *words: str, columns: int) -> list[str]:
    _, shown = on_terminal(root, *words, columns=columns)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines()


@pytest.mark.parametrize("columns", [40, 50, 80])
def test_a_bar_is_on_one_line_however_narrow_the_terminal_is(filled: Path, columns: int) -> None:
    """A bar over many lines says nothing, and moves everything else out of sight."""
    lines = _lines(filled, "task", "stats", columns=columns)

    assert max(map(cell_len, lines)) <= columns
    assert [line for line in lines if re.fullmatch(r"\s*[█░]+\s*", line)] == []
    assert [line for line in lines if line.startswith("release-e") and "░░" in line] != []


@pytest.mark.parametrize("columns", [40, 60])
def test_titles_stay_readable_in_a_narrow_terminal(filled: Path, columns: int) -> None:
    """One letter a line is read by nobody; what matters less makes room for the title."""
    lines = _lines(filled, "task", "list", "--agent", "mira", columns=columns)

    shown = "\n".join(lines)
    assert max(map(cell_len, lines)) <= columns
    assert LAMP[:6] in shown
    assert "harbour" in shown
    assert "changed" not in shown


@pytest.mark.parametrize("words", [("task", "stats"), ("task", "list", "--agent", "mira"), ("run", "list")])
def test_a_terminal_without_the_letters_shows_something_else(
    filled: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old terminal is no reason to see nothing at all."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")

    status, shown = on_terminal(filled, *words)

    assert (status, "internal_error" in shown) == (0, False)
    assert ("##" if words != ("task", "list", "--agent", "mira") else "????") in shown
