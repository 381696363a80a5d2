"""How commands fail: one form, on stderr, with a status that scripts branch on."""

import json
from pathlib import Path

import pytest

from opentask_mcp.cli.failing import in_our_words, suggestions, tell_failure, tell_fault
from opentask_mcp.cli.session import Session
from opentask_mcp.cli.statuses import STATUS_OF_CODE
from registry import errors
from registry.errors import LockTimeout, NextCall, RegistryError
from tests.surfaces.cli.fixture import AUDIT, Cli


def _codes() -> set[str]:
    found, open_ones = set(), [RegistryError]
    while open_ones:
        kind = open_ones.pop()
        open_ones += kind.__subclasses__()
        if kind.__module__ == errors.__name__:
            found.add(kind.code)
    return found


def test_every_code_has_a_status() -> None:
    """A new kind of failure must not end as a fault of ours."""
    assert _codes() <= set(STATUS_OF_CODE)


def test_a_refusal_is_json_on_stderr_and_nothing_on_stdout(cli: Cli) -> None:
    """A pipe must not swallow an error for an answer."""
    ran = cli("run", "show", "nope")

    assert (ran.status, ran.out) == (3, "")
    assert json.loads(ran.err) == {
        "error": {
            "code": "not_found",
            "message": "no run 'nope'",
            "hint": "list_runs shows all",
            "retryable": False,
            "details": {"run_id": "nope", "nearest": None},
        }
    }


@pytest.mark.parametrize(
    ("words", "status", "code", "message"),
    [
        (("run", "show", "../etc"), 2, "invalid_request", "run_id is '../etc'; an id is"),
        (("run", "show"), 2, "invalid_request", "missing argument 'RUN_ID'"),
        (("run", "shwo", "a-1"), 2, "invalid_request", "no command 'opentask run shwo'; did you mean"),
        (("show", "a-1"), 2, "invalid_request", "no command 'opentask show'; did you mean 'opentask run show'?"),
        (("run", "show", "a-1", "--nodes"), 2, "invalid_request", "no such option"),
        (("run", "list", "--limit", "many"), 2, "invalid_request", "limit is the string 'many'; it must be"),
        (("run", "list", "--status", "opne"), 2, "invalid_request", "status is 'opne'; did you mean 'open'?"),
        (("run", "create"), 2, "invalid_request", "give exactly one of workflow_path, workflow_text, task_text"),
        (("run", "create", "--task-text", "x", "--inputs-json", "{"), 2, "invalid_request", "--inputs-json is not"),
        (("run", "create", "--task-text", "x", "--input", "=1"), 2, "invalid_request", "--input '=1' has no name"),
        (("run", "create", "--workflow-markdown-file", "nowhere"), 2, "invalid_request", "--workflow-markdown-file"),
        (("run", "create", "--workflow-path", "nowhere"), 3, "not_found", "no workflow"),
        (("run", "bind", "a-1", "cron"), 2, "invalid_request", "KIND and --value belong together"),
        (("run", "bind", "a-1", "job", "--value", "x"), 2, "invalid_request", "KIND is 'job'; it must be cron"),
        (("node", "show", "a-1", "gater"), 3, "not_found", "run 'a-1' has no node 'gater'; did you mean 'gather'?"),
        (("node", "claim", "a-1", "wrap"), 4, "illegal_transition", "node 'wrap' is pending"),
        (("node", "finish", "a-1", "gather", "done"), 2, "invalid_request", "outcome is 'done'; it must be completed"),
        (("run", "progress", "a-1", "x" * 5_000), 6, "limit_exceeded", "message is 5,000 bytes; the limit is 4,096"),
        (("control", "approve", "a-1"), 2, "invalid_request", "approve needs node_id"),
        (("plan", "change", "a-1", "remove_node", "gather", "--expected-rev", "99"), 4, "revision_conflict", ""),
        (("mcp", "config", "emacs"), 2, "invalid_request", "CLIENT is 'emacs'; it must be claude"),
        (("mcp", "config", "--write"), 2, "invalid_request", "--write needs a client"),
        (("completion", "tcsh"), 2, "invalid_request", "SHELL is 'tcsh'; it must be bash"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_command_is_said(
    cli: Cli, words: tuple[str, ...], status: int, code: str, message: str
) -> None:
    """Whoever mistyped reads one sentence and knows what to type."""
    cli.audit()

    ran = cli(*words)

    assert (ran.status, ran.error["code"]) == (status, code)
    assert ran.error["message"].startswith(message)
    assert ran.error["message"]


def test_a_text_given_twice_is_refused(cli: Cli, tmp_path: Path) -> None:
    """Neither of the two may be dropped in silence."""
    (tmp_path / "w.md").write_text(AUDIT, encoding="utf-8")

    ran = cli("run", "create", "--workflow-markdown", AUDIT, "--workflow-markdown-file", str(tmp_path / "w.md"))

    assert (ran.status, ran.error["message"]) == (2, "workflow_text is given twice")


def test_a_damaged_trail_ends_with_its_own_status(cli: Cli) -> None:
    """7 says: do not try again, look at the disk."""
    run_id = cli.at_gate()
    trail = cli.root / f"runs/{run_id}/events.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join([*lines[:3], lines[3].replace(b"node", b"nude", 1), *lines[4:]]))
    for cached in (cli.root / f"runs/{run_id}").glob("*.json"):
        cached.unlink()

    ran = cli("run", "progress", run_id, "half")

    assert (ran.status, ran.error["code"]) == (7, "log_corrupt")


def test_a_locked_run_ends_as_busy(capsys: pytest.CaptureFixture[str]) -> None:
    """5 says: the same command may work in a second."""
    status = tell_failure(LockTimeout(run_id="a-1", waited_s=30, holder="pid 7"), Session())

    assert status == 5
    assert json.loads(capsys.readouterr().err)["error"]["retryable"] is True


def test_a_fault_of_ours_is_told_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs that read our errors must not meet a traceback."""
    assert tell_fault(KeyError("nodes"), Session(), asked="opentask run show") == 1

    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "internal_error"
    assert error["message"].startswith("opentask run show failed unexpectedly (KeyError: 'nodes')")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("list_runs shows all", "`opentask run list` shows all"),
        ("request_control release, then claim_node", "`opentask control release`, then `opentask node claim`"),
        ("only request_control approve or reject ends it", "only `opentask control approve` or reject ends it"),
        ("append_event node.completed needs running", "`opentask event append` node.completed needs running"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_sentences_speak_of_commands_on_a_terminal(text: str, said: str) -> None:
    """The library words its errors for tools; a person has commands."""
    assert in_our_words(text) == said


def test_suggestions_reach_the_registry_that_was_named() -> None:
    """A suggestion without --root would look elsewhere."""
    calls = [NextCall("list_runs", {}, "all runs"), NextCall("host", {}, "x"), NextCall("list_runs", {}, "all runs")]

    assert suggestions(calls, before=("--root", "/a b")) == ["opentask --root '/a b' run list   # all runs"]
