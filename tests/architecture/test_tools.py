"""A test that needs a program of the system is skipped for a user and never for the project."""

from pathlib import Path

import pytest

from tests.tools import require_tool


def test_a_program_that_is_there_is_given_with_its_path() -> None:
    """Tests start the program they asked about."""
    assert require_tool("sh").endswith("/sh")


def test_a_missing_program_skips_the_test_on_a_users_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying the project out must not begin with red."""
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="needs no-such-program, which is not on PATH"):
        require_tool("no-such-program")


def test_a_missing_program_fails_the_test_where_changes_are_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skipped test would be a promise nobody checks."""
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="needs no-such-program, which is not on PATH"):
        require_tool("no-such-program")


def test_a_program_of_one_folder_is_looked_for_nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which version of it is asked matters: another on PATH would prove something else."""
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"needs sh, which is not in .*; `make tools` brings it"):
        require_tool("sh", folder=tmp_path, mend="`make tools` brings it")
