"""Every command, with whatever a person or a script may type."""

import io
import json
import random
import sys

import pytest

from opentask_mcp.cli.commands import FORMS, OWN
from opentask_mcp.cli.main import main
from opentask_mcp.cli.statuses import STATUS_OF_CODE
from tests.doctor.given import RUN, Given
from tests.fuzz.hostile import LONG, NAMES

LINES = 150 if LONG else 8
SLEEPERS = frozenset({"demo", "serve", "run watch"})
"""They go on until somebody ends them, and have tests of their own."""
OPTIONS = (
    "--node-id", "--message", "--payload-json", "--run-id", "--json", "--fence", "--report", "--report-file", "--agent",
    "--cursor", "--limit", "--workflow-text", "--workflow-path", "--node-json", "--at", "--status", "--since-rev",
    "--x", "--inputs-json", "--needs", "--content-file", "--value", "--tag", "--lease-s", "--help", "--mermaid",
)  # fmt: skip
WORDS = (
    *(name for name in NAMES if "\0" not in name and "\ud800" not in name),
    "9" * 5_000, "[" * 5_000, '{"a": 1}', '"x"', "NaN", "1e999", "-1", "completed", "pause", "note.x", "findings.md",
    "0",
)  # fmt: skip
COMMANDS = sorted({*FORMS, *OWN} - SLEEPERS)


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_is_typed_is_done_or_refused_in_one_form(
    work: Given, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script branches on the status and reads the error; a person must never see a traceback."""
    chance = random.Random(command)
    for _ in range(LINES):
        words = command.split()
        places = chance.randint(0, 4)
        words += [chance.choice((RUN, "build", *WORDS)) for _ in range(places)]
        for _ in range(chance.randint(0, 3)):
            words += [chance.choice(OPTIONS), chance.choice(WORDS)]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed\n")))
        if "wait" in words[1:2]:
            words += ["--timeout-s", "0"]

        status = main(["--root", str(work.root), *words])

        said = capsys.readouterr()
        assert status in {0, *STATUS_OF_CODE.values()} - {1}, (words, said)
        assert "Traceback" not in said.err + said.out, words
        assert "internal_error" not in said.err, (words, said.err)
        if status and said.err.strip():
            assert json.loads(said.err)["error"]["message"], words
    assert work.ask("doctor")["errors"] == 0


def test_the_commands_are_all_commands() -> None:
    """A new command must be tried too."""
    assert len(COMMANDS) > 40
    assert {*FORMS, *OWN} - {*COMMANDS} <= SLEEPERS
