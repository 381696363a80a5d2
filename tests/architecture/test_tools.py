"""A test that needs a program of the system is skipped for a user and never for the project."""

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
