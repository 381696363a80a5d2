"""Following a run from a script: the run as it stands, then what is new, a line each."""

import json
import subprocess
import sys

from tests.surfaces.cli.fixture import Cli


def test_each_change_is_a_line_until_the_run_ends(cli: Cli) -> None:
    """A program that follows a run must see every event once and know when it is over."""
    run_id = cli.audit()
    command = [
        sys.executable,
        "-m",
        "opentask_mcp",
        "--root",
        str(cli.root),
        "run",
        "watch",
        run_id,
        "--interval",
        "0.02",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        lines = [json.loads(watching.stdout.readline())]
        cli("run", "progress", run_id, "half")
        lines.append(json.loads(watching.stdout.readline()))
        cli("run", "cancel", run_id)
        lines += [json.loads(line) for line in watching.stdout]
        assert watching.wait(60) == 0

    assert (lines[0]["status"], lines[0]["title"]) == ("running", "Audit of lighthouse")
    assert "title" not in lines[1]
    assert lines[1]["lastProgress"]["message"] == "half"
    assert (lines[-1]["status"], lines[-1]["counts"]) == ("cancelled", {"skipped": 4})
    seqs = [event["seq"] for line in lines for event in line["events"]]
    assert seqs == list(range(1, len(seqs) + 1))
    assert lines[-1]["events"][-1]["event"] == "run.cancelled"


def test_watching_a_run_that_is_not_there_is_refused(cli: Cli) -> None:
    """A typo must not wait for ever."""
    ran = cli("run", "watch", "nope")

    assert (ran.status, ran.error["code"]) == (3, "not_found")


def test_more_events_than_a_page_come_in_order(cli: Cli) -> None:
    """A burst between two looks must not lose its beginning."""
    from opentask_mcp.cli.own.watching import changes
    from opentask_mcp.cli.session import Session

    run_id = cli.audit()
    session = Session()
    session.choose("root", str(cli.root))
    looks = changes(session, run_id, 0.001, quiet_s=0)
    _, first = next(looks)
    for number in range(45):
        cli("event", "append", run_id, "note.count", "--message", str(number))
    _, burst = next(looks)

    assert [event["event"] for event in first] == ["run.created", "node.ready"]
    assert [event["message"] for event in burst] == [str(number) for number in range(45)]
