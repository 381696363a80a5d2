"""`opentask task ...` and `opentask heartbeat`: the shapes that scripts of the per-agent list know."""

from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.cli.fixture import Cli, on_terminal


def created(cli: Cli, name: str, agent: str = "anna", *more: str) -> str:
    """A task's id."""
    answer = cli("task", "create", "--agent", agent, "--name", name, *more).answer
    assert list(answer) == ["status", "task_id", "message"]
    assert answer["status"] == "success"
    return str(answer["task_id"])


def test_a_task_goes_from_the_queue_to_the_list_of_what_was_done(cli: Cli) -> None:
    """A shell script works off a queue and remembers nothing but its own name."""
    (cli.root / "opentask.toml").write_text('[agents.anna]\nname = "Anna"\n')
    first = created(cli, "First", "anna", "--priority", "P0", "--params", '{"n": 1}', "--tag", "t", "--group", "g")
    second = created(cli, "Second", "anna", "--depends-on", first)

    started = cli("task", "start", "--agent", "anna").answer
    during = cli("task", "list", "--agent", "anna").answer
    done = cli("task", "complete", "--agent", "anna", "--result", "It is done").answer
    after = cli("task", "list", "--agent", "anna").answer

    assert (started["status"], started["task_id"]) == ("success", first)
    assert list(during) == [
        "agent_id", "agent_name", "current_task", "pending_tasks", "completed_tasks", "failed_tasks",
        "created_at", "updated_at",
    ]  # fmt: skip
    assert (during["agent_name"], during["current_task"]["task_id"]) == ("Anna", first)
    assert [row["task_id"] for row in during["pending_tasks"]] == [second]
    assert (done["status"], done["task_id"]) == ("success", first)
    assert after["current_task"] is None
    assert [row["terminal_summary"] for row in after["completed_tasks"]] == ["It is done"]


def test_an_agent_has_one_task_in_hand_unless_it_says_otherwise(cli: Cli) -> None:
    """The list has one current task; a second start was acknowledged by the list it comes from."""
    created(cli, "First")
    second = created(cli, "Second")
    cli("task", "start", "--agent", "anna")

    refused = cli("task", "start", "--agent", "anna")
    beside = cli("task", "start", "--agent", "anna", "--beside").answer
    shown = cli("task", "list", "--agent", "anna").answer

    assert (refused.status, refused.error["code"]) == (4, "conflict")
    assert refused.error["hint"] == "task complete or task fail ends it; --beside takes another beside it"
    assert beside["task_id"] == second
    assert (shown["current_task"]["title"], [row["title"] for row in shown["running_tasks"]]) == ("Second", ["First"])


def test_a_task_that_is_put_away_is_not_started_by_ending_another(cli: Cli) -> None:
    """An agent that holds nothing would look for what to end."""
    made = created(cli, "x")
    cli("task", "start", "--agent", "anna")
    cli("task", "complete", "--agent", "anna")
    cli("archive", "--before", "0d")

    refused = cli("task", "start", "--agent", "anna", "--task-id", made)

    assert refused.status == 4
    assert "--beside" not in refused.error["hint"]


def test_an_id_is_shown_as_it_was_given(cli: Cli) -> None:
    """'mira' is refused, send 'mira': nobody sees the blank."""
    refused = cli("task", "start", "--agent", "mira ")

    assert refused.error["message"].startswith("--agent is 'mira '; an id is ")


def test_a_task_in_the_hands_of_another_says_whose(cli: Cli) -> None:
    """The list says it is in hand, and its agent has none: who reads it looks for a fault."""
    made = created(cli, "x", "otto")
    cli("task", "start", "--agent", "mira", "--task-id", made)

    lists = [cli("task", "list", "--agent", agent).answer["current_task"] for agent in ("otto", "mira")]
    _, shown = on_terminal(cli.root, "task", "list", "--agent", "otto")
    cli("task", "complete", "--agent", "mira")

    assert [(row["agent_id"], row["owner"]) for row in lists] == [("otto", "mira")] * 2
    assert "with mira" in shown
    assert "owner" not in cli("task", "get", made).answer["task"]


def test_all_agents_are_counted(cli: Cli) -> None:
    """One look at who has how much to do."""
    created(cli, "x")
    created(cli, "y", "otto")
    cli("task", "start", "--agent", "otto")

    answer = cli("task", "list-all").answer

    zero = {"current": 0, "pending": 0, "completed": 0, "failed": 0}
    assert [(row["agent_id"], row["task_count"]) for row in answer["agents"]] == [
        ("anna", {**zero, "pending": 1}),
        ("otto", {**zero, "current": 1}),
    ]
    assert answer["total_tasks"] == {**zero, "pending": 1, "current": 1}


def test_fail_retry_cancel_and_history(cli: Cli) -> None:
    """Cancelled tasks stay in the history."""
    one, two = created(cli, "one"), created(cli, "two")
    cli("task", "start", "--agent", "anna", "--task-id", one)
    failed = cli("task", "fail", "--agent", "anna", "--error", "no water").answer
    again = cli("task", "retry", "--agent", "anna", "--task-id", one).answer
    cancelled = cli("task", "cancel", "--agent", "anna", "--task-id", two).answer
    repeated = cli("task", "cancel", "--agent", "anna", "--task-id", two).answer

    assert (failed["message"], again["message"]) == (
        f"Task {one} failed",
        f"Task {one} is queued again (retry 1 of 3)",
    )
    assert (cancelled["status"], cancelled["cancelled"]) == ("success", True)
    assert (repeated["status"], repeated["reason"]) == ("unchanged", "Task is already terminal.")
    history = cli("task", "history", "--agent", "anna", "--limit", "5").answer
    assert [(row["task_id"], row["status"]) for row in history["history"]] == [(two, "cancelled")]
    assert cli("task", "query", "--agent", "anna", "--status", "pending").answer["tasks"][0]["task_id"] == one
    assert cli("task", "get", one).answer["task"]["attempts"][0]["error"] == "no water"


def test_an_agent_does_not_end_or_cancel_another_agents_task(cli: Cli) -> None:
    """A slip of the id must not hit another's work."""
    made = created(cli, "x")
    cli("task", "start", "--agent", "anna")

    ended = cli("task", "complete", "--agent", "otto", "--task-id", made)
    cancelled = cli("task", "cancel", "--agent", "otto", "--task-id", made)

    assert (ended.status, cancelled.status) == (4, 4)
    assert cancelled.error["message"] == f"task '{made}' is assigned to 'anna', not to 'otto'; nothing was changed"
    assert "is with 'anna' (attempt 1), not with 'otto'" in ended.error["message"]
    assert cli("task", "get", made).answer["task"]["status"] == "running"


@pytest.mark.parametrize("verb", [("complete",), ("fail", "--error", "oops")])
def test_what_nobody_started_is_ended_by_nobody(cli: Cli, verb: tuple[str, ...]) -> None:
    """One word wrong in a script would end another agent's work, or one's own before it was looked at."""
    made = created(cli, "x", "otto")

    another = cli("task", *verb, "--agent", "mira", "--task-id", made)
    early = cli("task", *verb, "--agent", "otto", "--task-id", made)

    assert another.error["message"] == f"task '{made}' is assigned to 'otto', not to 'mira'; nothing was changed"
    assert early.error["code"] == "illegal_transition"
    assert early.error["message"] == f"task '{made}' was not started; task {verb[0]} ends what task start began"
    assert cli("task", "get", made).answer["task"]["status"] == "queued"


def test_the_numbers_of_an_agent_are_all_there(cli: Cli) -> None:
    """null says that nothing ended; a missing key breaks a script."""
    created(cli, "x")

    assert cli("task", "stats", "--agent", "anna").answer == {
        "agent_id": "anna",
        "total": {"current": 0, "pending": 1, "completed": 0, "failed": 0, "cancelled": 0, "all": 1},
        "success_rate": None,
        "avg_completion_time": None,
        "avg_completion_seconds": None,
        "median_completion_seconds": None,
    }


def test_a_heartbeat_says_one_line_when_there_is_nothing(cli: Cli) -> None:
    """Agents compare the line, in a pipe."""
    assert cli("heartbeat", "--agent", "anna").out == "HEARTBEAT_OK\n"
    idle, urgent, soon = (created(cli, f"{p} work", "anna", "--priority", p) for p in ("P2", "P0", "P1"))

    said = cli("heartbeat", "--agent", "anna").out

    assert said.splitlines() == [
        "P0, at once:",
        f"- {urgent} (priority 10): P0 work",
        "P1, in order:",
        f"- {soon} (priority 7): P1 work",
        "P2, when idle:",
        f"- {idle} (priority 5): P2 work",
    ]


def test_an_agent_must_be_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of nobody is a mistake; the variable that servers read names the agent here too."""
    assert "--agent is missing" in cli("task", "start").error["message"]
    monkeypatch.setenv("OPENTASK_AGENT_ID", "anna")
    assert cli("heartbeat").out == "HEARTBEAT_OK\n"


def test_an_agent_that_has_no_tasks_yet_is_listed_with_every_key(cli: Cli) -> None:
    """null says that nothing was ever changed; a missing key breaks a script."""
    (cli.root / "opentask.toml").write_text('[agents.anna]\nname = "Anna"\n')

    assert cli("task", "list-all").answer["agents"] == [
        {
            "agent_id": "anna",
            "agent_name": "Anna",
            "task_count": {"current": 0, "pending": 0, "completed": 0, "failed": 0},
            "last_updated": None,
        }
    ]


def test_the_numbers_of_a_range_have_every_key_of_those_of_all_time(cli: Cli) -> None:
    """A script that adds a range must not find other names, or none."""
    created(cli, "x")
    whole = cli("task", "stats", "--agent", "anna").answer

    ranged = cli("task", "stats", "--agent", "anna", "--from", "2020-01-01T00:00:00Z").answer

    assert {name: ranged[name] for name in whole} == whole


def test_a_query_gives_as_many_rows_as_were_asked_for(cli: Cli) -> None:
    """What fits a model's answer is no limit for a script: 50 rows unless it says otherwise, up to 500."""
    for number in range(52):
        created(cli, f"task {number}")

    pages = [cli("task", "query", "--agent", "anna", *more).answer for more in ((), ("--limit", "500"))]
    rest = cli("task", "query", "--agent", "anna", "--cursor", pages[0]["next_cursor"]).answer

    assert [len(page["tasks"]) for page in (*pages, rest)] == [50, 52, 2]
    assert [*pages[0]["tasks"], *rest["tasks"]] == pages[1]["tasks"]
    assert ["next_cursor" in page for page in (pages[1], rest)] == [False, False]


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("task", "list", "--agent", "anna"), ["pending (1)", "Water the plants", "P0 10"]),
        (("task", "list-all"), ["anna", "1 pending"]),
        (("task", "stats"), ["agent", "░", "1 pending"]),
        (("task", "query"), ["queued", "Water the plants"]),
        (("task", "start", "--agent", "anna"), ["started by anna", "Run folder"]),
        (("task", "history", "--agent", "anna"), ["no tasks"]),
    ],
)
def test_people_see_tables(tmp_path: Path, words: tuple[str, ...], seen: list[str], capsys: Any) -> None:
    """On a terminal nobody wants to read JSON."""
    cli = Cli(tmp_path, capsys)
    created(cli, "Water the plants", "anna", "--priority", "P0")

    status, shown = on_terminal(tmp_path, *words)

    assert status == 0
    assert [part for part in seen if part not in shown] == []


def test_many_tasks_are_made_from_the_lines_of_a_file(cli: Cli, tmp_path: Path) -> None:
    """A queue is filled from a list that somebody has; sent again with the same ids, nothing is there twice."""
    lines = tmp_path / "errands.jsonl"
    lines.write_text(
        '{"name": "Order lamp oil", "priority": "P0", "request_id": "oil"}\n\n'
        '{"name": "Tell the pilots", "agent_id": "otto", "request_id": "pilots"}\n'
    )

    first = cli("task", "create", "--agent", "anna", "--from-file", str(lines)).answer
    again = cli("task", "create", "--agent", "anna", "--from-file", str(lines)).answer

    assert list(first) == ["status", "message", "created", "existing", "task_ids"]
    assert (first["status"], first["created"], first["existing"]) == ("success", 2, 0)
    assert (again["created"], again["existing"], again["task_ids"]) == (0, 2, first["task_ids"])
    queues = [cli("task", "list", "--agent", agent).answer["pending_tasks"] for agent in ("anna", "otto")]
    assert [[(row["task_id"], row["priority"]) for row in queue] for queue in queues] == [
        [(first["task_ids"][0], 10)],
        [(first["task_ids"][1], 5)],
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"name": ', "line 2 of --from-file is not JSON"),
        ('"name"', "line 2 of --from-file is not an object"),
        ('{"name": "b", "priotity": 3}', "line 2: "),
        ('{"name": "b", "priority": 11}', "line 2: "),
    ],
)
def test_a_line_that_asks_for_no_task_is_named_before_any_is_made(
    cli: Cli, tmp_path: Path, line: str, said: str
) -> None:
    """Half of a list in the queue is worse than none: who sends it again has the first half twice."""
    lines = tmp_path / "errands.jsonl"
    lines.write_text(f'{{"name": "a"}}\n{line}\n')

    refused = cli("task", "create", "--agent", "anna", "--from-file", str(lines))

    assert (refused.status, refused.error["code"]) == (2, "invalid_request")
    assert refused.error["message"].startswith(said)
    assert cli("task", "list", "--agent", "anna").answer["pending_tasks"] == []


def test_a_line_that_is_refused_says_what_stands(cli: Cli, tmp_path: Path) -> None:
    """A dependency that does not exist shows only when it is looked for."""
    lines = tmp_path / "errands.jsonl"
    lines.write_text('{"name": "a"}\n{"name": "b", "depends_on": ["task-nowhere"]}\n')

    refused = cli("task", "create", "--agent", "anna", "--from-file", str(lines))

    assert refused.error["message"].startswith("line 2: ")
    assert refused.error["message"].endswith("; created before it, and still there: 1")
    assert len(cli("task", "list", "--agent", "anna").answer["pending_tasks"]) == 1
    assert cli("task", "create", "--agent", "anna", "--name", "x", "--from-file", str(lines)).status == 2


def test_only_what_was_created_is_counted_as_created(cli: Cli, tmp_path: Path) -> None:
    """Who cleans up after a refusal looks for as many tasks as are told; some editors mark a file as UTF-8."""
    lines = tmp_path / "errands.jsonl"
    again = '{"name": "a", "request_id": "one"}\n'
    lines.write_text(f'\ufeff{again}{again}{{"name": "b", "depends_on": ["task-nowhere"]}}\n', encoding="utf-8")

    refused = cli("task", "create", "--agent", "anna", "--from-file", str(lines))

    assert refused.error["message"].startswith("line 3: ")
    assert refused.error["message"].endswith("; created before it, and still there: 1")
    assert refused.error["details"]["done"] == 1


def test_parameters_are_said_once(cli: Cli) -> None:
    """One of two would be dropped without a word."""
    words = ("task", "create", "--agent", "anna", "--name", "x", "--params", '{"a": 1}', "--params-json", '{"b": 2}')

    assert "--params and --params-json are the same" in cli(*words).error["message"]


def test_a_forced_retry_is_not_one_of_those_that_are_left(cli: Cli) -> None:
    """'retry 4 of 3' reads as a fault of the count."""
    made = created(cli, "x")
    for number in range(1, 5):
        cli("task", "start", "--agent", "anna")
        cli("task", "fail", "--agent", "anna", "--error", "no water")
        said = cli("task", "retry", "--task-id", made, *(["--force"] if number > 3 else [])).answer["message"]

    assert said == f"Task {made} is queued again (retry 4)"


def test_a_task_in_the_archive_is_not_cancelled_and_that_is_no_error(cli: Cli) -> None:
    """A script that tidies up must not stop at what is over and put away."""
    made = created(cli, "x")
    cli("task", "start", "--agent", "anna")
    cli("task", "complete", "--agent", "anna")
    assert cli("archive", "--before", "0d").status == 0

    answer = cli("task", "cancel", "--task-id", made).answer

    assert (answer["cancelled"], answer["reason"]) == (False, "Task is already terminal.")


def test_a_file_of_tasks_is_read_whole_or_not_at_all(cli: Cli, tmp_path: Path) -> None:
    """What stands behind a limit would be tasks that nobody ever does; and a text may hold odd ends of lines."""
    lines = tmp_path / "tasks.jsonl"
    lines.write_bytes(b'{"name": "One"}\n' + b" " * (16 << 20))

    refused = cli("task", "create", "--agent", "anna", "--from-file", str(lines))

    assert (refused.status, refused.error["code"]) == (6, "limit_exceeded")
    assert cli("task", "list-all").answer["agents"] == []
    lines.write_text('{"name": "One\u2028and two"}\n', encoding="utf-8")
    assert cli("task", "create", "--agent", "anna", "--from-file", str(lines)).answer["created"] == 1
