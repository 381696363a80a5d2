"""`opentask archive` and `opentask reindex`."""

import pytest

from tests.surfaces.cli.fixture import Cli, on_terminal


def ended(cli: Cli, text: str = "Water the plants") -> str:
    run_id = str(cli("run", "create", "--task-text", text).answer["runId"])
    cli("run", "cancel", run_id)
    return run_id


def test_finished_runs_go_to_the_archive_and_come_back(cli: Cli) -> None:
    """A script that tidies up every night reads what went, what stayed and why."""
    run_id = ended(cli)

    would = cli("archive", "--before", "0d", "--dry-run").answer
    went = cli("archive", "--before", "0d").answer

    assert list(went) == ["before", "dryRun", "archived", "kept", "warnings"]
    assert [(row["runId"], row["status"]) for row in would["archived"]] == [(run_id, "cancelled")]
    (row,) = went["archived"]
    assert (cli.root / "archive" / row["month"] / run_id / "events.jsonl").is_file()
    assert [run["runId"] for run in cli("run", "list", "--status", "archived").answer["runs"]] == [run_id]
    assert cli("run", "list").answer["runs"] == []

    refused = cli("run", "progress", run_id, "late")
    assert (refused.status, refused.error["hint"]) == (4, f"opentask archive --restore {run_id} brings it back")
    assert cli("archive", "--restore", run_id).answer == {"runId": run_id, "month": row["month"]}
    assert [run["runId"] for run in cli("run", "list").answer["runs"]] == [run_id]


@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", "", "-1d", "2026-01-31T09:00:00"])
def test_a_date_that_is_none_is_refused_with_examples(cli: Cli, before: str) -> None:
    """`--before` guessed wrong must not put this year's runs away."""
    ended(cli)

    refused = cli("archive", "--before", before)

    assert (refused.status, refused.error["hint"]) == (
        2,
        "for example 2026-01-31, 2026-01-31T09:00:00+00:00 or 90d",
    )


@pytest.mark.parametrize("words", [(), ("--before", "1d", "--restore", "x"), ("--restore", "x", "--dry-run")])
def test_archive_is_told_one_thing_to_do(cli: Cli, words: tuple[str, ...]) -> None:
    """Putting away and bringing back are not done in one breath."""
    assert cli("archive", *words).status == 2


def test_people_see_what_went_and_that_nothing_is_removed(cli: Cli) -> None:
    """The word archive frightens whoever once lost something to one."""
    run_id = ended(cli)

    _, shown = on_terminal(cli.root, "archive", "--before", "0d")

    assert run_id in shown
    assert "1 finished run went to the archive; nothing is removed" in shown


def test_reindex_says_how_many_runs_it_read(cli: Cli) -> None:
    """Whoever copied files by hand wants to know that all of them were looked at."""
    ended(cli)

    answer = cli("reindex").answer

    assert (answer["runs"], list(answer)) == (1, ["runs", "seconds"])
