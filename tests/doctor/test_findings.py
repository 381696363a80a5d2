"""What doctor says about work that got stuck, and about what lies around runs."""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry import clock
from registry.storage.files.locks import RunLock
from tests.doctor.given import OTHER, RUN, Ask, Given, opened


class Hands:
    """The hands of the clock, set by a test."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clock, "now", lambda: hands.at)
    return hands


def findings(work: Given, **asked: object) -> list[dict[str, Any]]:
    return list(work.ask("doctor", **asked)["findings"])


def test_a_sound_registry_has_no_findings(work: Given) -> None:
    """An alarm that always rings is heard by nobody."""
    answer = work.ask("doctor")

    assert answer == {
        "ok": True, "runs_checked": 2, "errors": 0, "findings": [], "more_findings": 0, "warnings": 0, "next": [],
    }  # fmt: skip


def test_a_worker_that_fell_silent_is_listed_and_recorded(work: Given, hands: Hands) -> None:
    """With no timer running nobody would ever notice a lease that ran out."""
    hands.at += timedelta(days=1, minutes=10)

    found = findings(work, run_id=RUN)
    assert {row["code"] for row in found} == {"stale_running", "overdue"}
    stale = next(row for row in found if row["code"] == "stale_running")
    assert (stale["node_id"], stale["mended_by"], stale["severity"]) == ("build", "repair_run", "warning")
    assert "'cc' ran out at" in stale["message"]

    answer = work.ask("repair_run", run_id=RUN)
    assert (answer["ok"], answer["left"]) == (True, [])
    assert findings(work, run_id=RUN) == []


def test_a_worker_without_a_lease_is_a_persons_to_judge(work: Given, hands: Hands) -> None:
    """Nothing ends a lease of 0 seconds; doctor names the call and the repair leaves it alone."""
    work.ask("claim_node", run_id=OTHER, node_id="gather", lease_s=0)
    hands.at += timedelta(days=2)

    (found,) = findings(work, run_id=OTHER)
    assert (found["code"], found["mended_by"]) == ("silent_running", "request_control")
    assert work.ask("doctor", run_id=OTHER)["next"] == [
        {
            "tool": "request_control",
            "args": {"run_id": OTHER, "action": "release", "node_id": "gather"},
            "why": "if its worker is known to be dead",
        }
    ]
    assert [row["code"] for row in work.ask("repair_run", run_id=OTHER)["left"]] == ["silent_running"]


def test_a_cancel_that_did_not_reach_the_outside_is_listed(work: Given, hands: Hands) -> None:
    """A cancelled run whose sub-agent still works costs money and changes files."""
    work.ask("bind_session", run_id=RUN, node_id="build", child_session_key="agent:x:child")
    work.ask("request_control", run_id=RUN, action="cancel", message="stop")
    assert findings(work, run_id=RUN) == []
    hands.at += timedelta(hours=2)

    (found,) = findings(work, run_id=RUN)
    assert (found["code"], found["mended_by"]) == ("cancel_stuck", "host")
    (effect,) = work.ask("get_run", run_id=RUN)["effects"]
    assert effect["effect_id"] in found["how"]
    work.ask("tick_run", run_id=RUN, effects_done=[effect["effect_id"]])
    assert findings(work, run_id=RUN) == []


def test_a_message_that_nobody_sent_is_listed(work: Given, hands: Hands) -> None:
    """An effect waits for somebody who is woken; without a cron job nobody is."""
    work.ask("bind_session", run_id=RUN, cron_job_id="job-1")
    work.ask("request_control", run_id=RUN, action="pause", message="wait")
    hands.at += timedelta(hours=2)

    assert {row["code"] for row in findings(work, run_id=RUN)} == {"unsent_effect"}


def test_times_a_day_ahead_are_listed(work: Given, hands: Hands) -> None:
    """A machine whose clock stood in 2099 leaves leases that never end."""
    now = hands.at
    hands.at += timedelta(days=365)
    work.ask("claim_node", run_id=OTHER, node_id="gather")
    hands.at = now

    found = findings(work, run_id=OTHER)
    assert [row["code"] for row in found] == ["impossible_time", "impossible_time"]
    assert {row.get("node_id") for row in found} == {"gather", None}
    work.ask("request_control", run_id=OTHER, action="release", node_id="gather", message="the clock was wrong")
    assert work.codes(OTHER) == {"time_order"}
    assert work.ask("repair_run", run_id=OTHER)["left"] == []


def test_a_control_that_nobody_applied_is_listed(work: Given) -> None:
    """A person who wrote into the inbox waits for somebody to look."""
    line = '{"id":"c1","action":"pause","runId":"demo-1","timestamp":"2026-01-01T00:00:00Z","message":"wait"}\n'
    (work.folder / "control.jsonl").write_text(line)

    (found,) = findings(work, run_id=RUN)
    assert (found["code"], found["message"]) == ("unapplied_control", "1 lines in control.jsonl were not judged yet")
    assert work.ask("repair_run", run_id=RUN)["run_status"] == "paused"
    assert findings(work, run_id=RUN) == []


def test_a_renamed_run_goes_on_under_its_new_name(work: Given) -> None:
    """The folder's name is the run's id: an agent must not be sent to a run that is not there."""
    work.folder.rename(work.root / "runs" / "renamed")

    assert work.ask("get_run", run_id="renamed")["run_id"] == "renamed"
    assert work.codes("renamed") == {"run_renamed"}
    assert work.finish("renamed")["run_id"] == "renamed"
    assert work.ask("repair_run", run_id="renamed")["left"] == []
    assert work.ask("validate_run", run_id="renamed")["problems"] == []


def test_a_copy_of_a_run_is_a_run_of_its_own(work: Given) -> None:
    """`cp -r` of a run must not make two folders that answer for each other."""
    shutil.copytree(work.folder, work.root / "runs" / "copy")

    assert work.codes("copy") == {"run_renamed"}
    assert work.finish("copy")["run_id"] == "copy"
    assert work.ask("get_run", run_id=RUN, node_id="build")["node"]["status"] == "running"
    assert work.codes() == set()


@pytest.mark.parametrize("name", ["state.json", "refs.json"])
def test_what_a_full_disk_left_behind_is_no_edit(work: Given, name: str) -> None:
    """Nobody wrote there: a person who is told that somebody did looks for what never was."""
    registry = opened(work.root)
    ask = Ask(work.root, registry)
    ask("get_run", run_id=RUN)
    former = (work.folder / name).read_bytes()
    ask("finish_node", run_id=RUN, node_id="build", fence=work.fence, outcome="completed")
    (work.folder / name).write_bytes(former)

    assert ask("repair_run", run_id=RUN)["mended"] == [f"projected: {name} made anew from the trail"]

    registry.store.close()
    assert not list(work.folder.glob(".*edited*"))


def test_what_killed_writers_left_is_kept_aside(work: Given) -> None:
    """Temporary files and half-made runs are nobody's, and may still be all that is left of somebody's words."""
    left = work.folder / "nodes" / "build" / ".report.md.1234abcd7.tmp"
    left.write_text("half a report")
    half = work.root / "runs" / ".new-0011223344556677"
    half.mkdir()
    (half / "state.json").write_text("{")
    old = time.time() - 86_400
    for path in (left, half):
        os.utime(path, (old, old))
    (work.root / ".locks").mkdir(exist_ok=True)
    os.mkfifo(work.root / ".locks" / "agent-cc.lock")
    (work.root / "runs" / "notes.txt").write_text("mine")

    found = {row["code"]: row for row in findings(work)}
    assert found.keys() == {"leftover", "half_made", "agent_lock", "no_run"}
    assert found["leftover"]["where"] == "nodes/build/.report.md.1234abcd7.tmp"

    registry = opened(work.root)
    told = registry.store.care.put_away_strays()
    assert sorted(line.partition(":")[0] for line in told) == ["agent_lock", "half_made"]
    work.ask("repair_run", run_id=RUN)
    assert {row["code"] for row in findings(work)} == {"no_run"}
    kept = [path.read_text() for path in [*work.root.rglob(".torn/**/*")] if path.is_file() and not path.is_fifo()]
    assert sorted(kept) == ["half a report", "{"]


def test_a_writer_that_hangs_is_named(work: Given, hands: Hands) -> None:
    """Whoever cannot change a run must learn which process keeps it."""
    descriptor = os.open(work.folder / ".run.lock", os.O_RDWR)
    lock = RunLock(descriptor, now_text=hands.at.isoformat)
    lock.acquire(RUN, wait_s=1, op="finish_node")
    try:
        assert findings(work, run_id=RUN) == []
        hands.at += timedelta(minutes=5)
        (found,) = findings(work, run_id=RUN)
        assert found["code"] == "lock_held"
        assert f"process {os.getpid()} has held the run's lock since" in found["message"]
    finally:
        lock.release()
        os.close(descriptor)


def test_an_index_that_is_none_is_listed(work: Given) -> None:
    """A broken index costs time, never data; a person should still hear of it."""
    (work.root / ".opentask" / "index.sqlite3").write_text("not a database")

    assert [(row["code"], row["severity"]) for row in findings(work)] == [("index_fault", "warning")]


def test_pages_cover_every_run_once(work: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of any size is looked over without one answer growing with it."""
    from registry.operations import doctor

    for number in range(7):
        copy = work.root / "runs" / f"sick-{number}"
        shutil.copytree(work.folder, copy)
    monkeypatch.setattr(doctor, "_BYTES_A_PAGE", 200_000)
    seen: list[str] = []
    checked, cursor = 0, None
    while True:
        page = work.ask("doctor", **({"cursor": cursor} if cursor else {}))
        seen += [row["run_id"] for row in page["findings"]]
        checked += page["runs_checked"]
        assert page["runs_checked"] <= 3
        cursor = page.get("next_cursor")
        if cursor is None:
            break
        assert page["next"][0] == {
            "tool": "doctor", "args": {"cursor": cursor}, "why": "looks at the runs behind these",
        }  # fmt: skip

    assert (seen, checked) == ([f"sick-{number}" for number in range(7)], 9)


def test_a_folder_without_a_run_is_told_and_never_a_fault(work: Given) -> None:
    """An empty folder, or one with somebody's own files, is no run; nobody may be told that it is sound."""
    (work.root / "runs" / "empty").mkdir()
    (work.root / "runs" / "mine").mkdir()
    (work.root / "runs" / "mine" / "state.json").write_text('{"my": "own"}')

    assert {row["run_id"]: row["code"] for row in findings(work)} == {"empty": "no_run_left", "mine": "no_run_left"}


@pytest.mark.parametrize("size", [10, 100])
def test_a_page_costs_what_its_runs_cost(work: Given, size: int, tmp_path: Path) -> None:
    """The rows of one run that is sick all over must not keep the next page from coming."""
    lines = b"".join(b'{"event":"note.x","payload":{"n":%d}}\n{"broken\n' % number for number in range(size))
    with (work.folder / "events.jsonl").open("ab") as trail:
        trail.write(lines)

    assert work.codes() == {"not_adopted"}
    assert work.ask("repair_run", run_id=RUN)["left"] == []
