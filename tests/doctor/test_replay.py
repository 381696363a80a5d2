"""A run as it once was, and what changed since, told by the trail alone."""

import json
from typing import Any

import pytest

from registry.core.run import Actor
from registry.errors import NotFound
from registry.operations.caller import Caller
from registry.operations.replays import document_of, replay, run_diff, run_once
from registry.operations.table import Result
from tests.doctor.damages import crc_changed, cut_line, gone
from tests.doctor.given import RUN, Given, opened
from tests.surfaces.cli.fixture import as_process


def caller(work: Given) -> Caller:
    return Caller(registry=opened(work.root), actor=Actor(kind="agent", id="cc", via="cli"), agent_id="cc")


def plain(answer: Result) -> dict[str, Any]:
    return dict(answer.plain())


def test_every_revision_is_shown_as_it_was(work: Given) -> None:
    """Whoever asks how a run came to be where it is must see each step, not only the last."""
    seen = [replay(caller(work), RUN, at=rev) for rev in range(1, 6)]

    assert [{row.node_id: row.status for row in run.nodes} for run in seen] == [
        {"gather": "ready", "build": "pending", "sum": "pending"},
        {"gather": "running", "build": "pending", "sum": "pending"},
        {"build": "ready", "gather": "completed", "sum": "pending"},
        {"build": "running", "gather": "completed", "sum": "pending"},
        {"build": "running", "gather": "completed", "sum": "pending"},
    ]
    assert [run.revision for run in seen] == [1, 2, 3, 4, 5]
    assert replay(caller(work), RUN) == seen[-1]


def test_the_last_revision_is_the_run(work: Given) -> None:
    """A replay that does not lead to the state would show another history than the one that was."""
    asked = caller(work)
    assert run_once(asked, RUN, at=None) == asked.registry.store.read(RUN).run


def test_no_fence_is_told(work: Given) -> None:
    """A fence is its holder's alone, in the past too: the work may still go on."""
    asked = caller(work)
    for told in (document_of(run_once(asked, RUN, at=None)), run_diff(asked, RUN, 1, 5).plain()):
        assert work.fence not in json.dumps(told)


def test_a_diff_tells_places_and_events(work: Given) -> None:
    """What changed must be readable without knowing how patches are made."""
    answer = plain(run_diff(caller(work), RUN, 2, 3))

    changes = {(row["part"], row["where"]): (row.get("before"), row.get("after")) for row in answer["changes"]}
    assert changes["state", "nodes/gather/status"] == ("running", "completed")
    assert changes["state", "nodes/build/status"] == ("pending", "ready")
    assert [row["event"] for row in answer["events"]] == ["node.completed", "node.ready"]
    back = plain(run_diff(caller(work), RUN, 3, 2))
    assert {(row["part"], row["where"]): (row.get("after"), row.get("before")) for row in back["changes"]} == changes


@pytest.mark.parametrize("rev", [0, 6, 10**12])
def test_a_revision_that_never_was_is_refused_with_those_that_were(work: Given, rev: int) -> None:
    """An off-by-one must end in the range and not in an empty answer."""
    with pytest.raises(NotFound, match=rf"cannot be shown at revision {rev}: its trail tells 1 to 5"):
        replay(caller(work), RUN, at=rev)


def test_what_a_damage_took_is_not_made_up(work: Given) -> None:
    """History over a gap would be a guess; what lies before it and behind a repair stands."""
    cut_line(3)(work.folder)
    with pytest.raises(NotFound, match="is damaged at byte"):
        replay(caller(work), RUN)
    assert replay(caller(work), RUN, at=1).revision == 1

    work.ask("repair_run", run_id=RUN)

    assert replay(caller(work), RUN).last_event == "log.repaired"
    with pytest.raises(NotFound):
        replay(caller(work), RUN, at=3)


def test_the_commands_show_both(work: Given) -> None:
    """On a shell, as JSON where nobody looks."""
    shown = json.loads(as_process(work.root, "run", "replay", RUN, "--at", "2").stdout)
    assert (shown["runId"], shown["revision"], shown["counts"]) == (RUN, 2, {"running": 1, "pending": 2})
    whole = json.loads(as_process(work.root, "run", "replay", RUN, "--whole").stdout)
    assert whole["state"]["nodes"]["gather"]["status"] == "completed"
    answer = json.loads(as_process(work.root, "run", "diff", RUN, "1", "5").stdout)
    assert (answer["fromRevision"], answer["toRevision"], answer["moreChanges"]) == (1, 5, 0)
    refused = as_process(work.root, "run", "replay", RUN, "--at", "9")
    assert (refused.returncode, refused.stdout) == (3, "")


def test_doctor_and_repair_are_commands(work: Given) -> None:
    """Whoever reads `repair_run` in an error has a shell more often than the admin tools."""
    crc_changed(4)(work.folder)
    gone("state.json")(work.folder)

    looked = as_process(work.root, "doctor")
    assert (looked.returncode, json.loads(looked.stdout)["ok"]) == (7, False)
    one = as_process(work.root, "doctor", RUN)
    assert one.returncode == 7
    mended = as_process(work.root, "repair", "--all")
    assert mended.returncode == 0
    (row,) = json.loads(mended.stdout)["runs"]
    assert (row["runId"], row["ok"], row["mended"][0][:13]) == (RUN, True, "log_repaired:")
    assert as_process(work.root, "doctor").returncode == 0
    assert as_process(work.root, "repair").returncode == 2
    assert as_process(work.root, "repair", RUN, "--all").returncode == 2
    assert json.loads(as_process(work.root, "repair", RUN).stdout)["mended"] == []
