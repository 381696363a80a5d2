"""What people see: tables, words, and questions that only a person can answer."""

import json
import re
from pathlib import Path

import pytest

from opentask_mcp.cli.show import answers
from tests.surfaces.cli.fixture import Cli, on_terminal

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def _plain(shown: str) -> list[str]:
    return [line.rstrip() for line in _COLOUR.sub("", shown).splitlines()]


def test_runs_are_a_table(cli: Cli) -> None:
    """The first thing a person looks at."""
    cli.at_gate("a-1")

    status, shown = on_terminal(cli.root, "run", "list", columns=160)

    lines = _plain(shown)
    assert status == 0
    assert lines[0].split() == ["run", "status", "progress", "title", "changed", "wants"]
    assert re.match(
        r"a-1  running  █+░+  2 of 4   1 waiting, 1 pending  Audit of lighthouse  \d+ s ago  waits", lines[1]
    )
    assert lines[-1] == f"next  opentask --root {cli.root} run show a-1   # it is running; shows what to do next"


def test_a_run_is_shown_with_what_it_waits_for(cli: Cli) -> None:
    """Where does it stand, and is it my turn?"""
    cli.at_gate("a-1")

    status, shown = on_terminal(cli.root, "run", "show", "a-1", columns=160)

    text = "\n".join(_plain(shown))
    assert status == 0
    assert text.startswith("a-1  running  ")
    assert re.search(r"^gate +waiting +approval +review +May it go out\?$", text, re.MULTILINE)
    assert re.search(r"^waits  gate for approval a person  \d+ s ago$", text, re.MULTILINE)
    assert f"next  opentask --root {cli.root} control approve a-1 --node-id gate" in text


def test_a_refusal_is_sentences_with_commands_to_go_on(cli: Cli) -> None:
    """A person gets commands, not names of tools."""
    cli.audit("a-1")

    status, shown = on_terminal(cli.root, "run", "show", "a1", columns=160)

    assert status == 3
    assert _plain(shown)[:3] == [
        "not_found: no run 'a1'; nearest: 'a-1' (running)",
        "  hint  `opentask run list` shows all",
        f"  next  opentask --root {cli.root} run show a-1   # if that was meant",
    ]


def test_json_may_be_asked_for_on_a_terminal(cli: Cli) -> None:
    """To see what a script will get."""
    cli.audit("a-1")

    status, shown = on_terminal(cli.root, "run", "show", "a-1", "--json")

    assert (status, json.loads(shown)["runId"]) == (0, "a-1")


def test_words_of_others_cannot_reach_the_terminal_itself(cli: Cli) -> None:
    """An event may hold the sequence that clears the screen or renames the window."""
    run_id = cli.audit("a-1")
    cli("run", "progress", run_id, "\x1b[2J\x1b]0;mine\x07[bold]done[/bold]")

    _, shown = on_terminal(cli.root, "run", "events", run_id, columns=160)

    assert "\x1b[2J" not in shown
    assert "\x1b]0;" not in shown
    assert "\x07" not in shown
    assert "[2J]0;mine[bold]done[/bold]" in shown


def test_a_run_is_followed_until_it_ends(cli: Cli) -> None:
    """The picture stays on the screen when the run is over."""
    run_id = cli.audit("a-1")
    cli("run", "cancel", run_id, "--message", "enough")

    status, shown = on_terminal(cli.root, "run", "watch", run_id, columns=160)

    text = "\n".join(_plain(shown))
    assert status == 0
    assert "a-1  cancelled" in text
    assert "run.cancelled" in text


def test_a_person_acts_as_a_person(cli: Cli) -> None:
    """What a person paused, no agent may resume by itself."""
    cli.audit("a-1")

    on_terminal(cli.root, "control", "pause", "a-1")

    event = next(one for one in cli("run", "events", "a-1").answer["events"] if one["event"] == "run.paused")
    assert (event["by"]["kind"], event["by"]["via"], event["by"]["verified"]) == ("operator", "cli", False)


@pytest.fixture
def strict(cli: Cli) -> Cli:
    """A registry that takes decisions from people on a terminal alone, with a run that waits for one."""
    (cli.root / "opentask.toml").write_text('approvals = "operator"\n')
    cli.at_gate("a-1")
    return cli


def test_an_approval_takes_the_typed_id_where_only_people_may_decide(strict: Cli) -> None:
    """The strictest setting: a decision is neither a slip nor a program's."""
    status, shown = on_terminal(strict.root, "control", "approve", "a-1", "--node-id", "gate", types="a-1\n")

    assert (status, "to approve, type the run's id (a-1)" in shown) == (0, True)
    events = strict("run", "events", "a-1").answer["events"]
    decided = next(one for one in events if one["event"] == "node.completed" and one["nodeId"] == "gate")
    assert (decided["by"]["kind"], decided["by"]["verified"]) == ("operator", True)


def test_anything_else_that_is_typed_changes_nothing(strict: Cli) -> None:
    """Enter is not a yes."""
    status, shown = on_terminal(strict.root, "control", "approve", "a-1", "--node-id", "gate", types="\n")

    assert (status, "was not confirmed; nothing was changed" in shown) == (2, True)
    assert strict("node", "show", "a-1", "gate").answer["node"]["status"] == "waiting"


@pytest.mark.parametrize(
    "words",
    [
        ("control", "approve", "a-1", "--node-id", "gate", "--message", "they said yes"),
        ("control", "skip", "a-1", "--node-id", "gate"),
        ("node", "transition", "a-1", "gate", "skipped"),
        ("node", "transition", "a-1", "gate", "completed"),
        ("plan", "change", "a-1", "remove_node", "gate"),
        ("event", "append", "a-1", "node.skipped", "--node-id", "gate"),
    ],
)
def test_no_command_of_an_agent_ends_an_approval_there(strict: Cli, words: tuple[str, ...]) -> None:
    """Every other door must be shut too."""
    ran = strict(*words)

    assert ran.status in (2, 4)
    assert strict("node", "show", "a-1", "gate").answer["node"]["status"] == "waiting"


def test_steps_typed_on_a_terminal_are_no_door_either(strict: Cli) -> None:
    """A program can have a terminal; it does not know that it must type an id."""
    status, _ = on_terminal(strict.root, "node", "transition", "a-1", "gate", "skipped")

    assert status == 2
    assert strict("node", "show", "a-1", "gate").answer["node"]["status"] == "waiting"


def test_a_plan_without_its_approval_takes_the_typed_id(strict: Cli) -> None:
    """Taking the question away is answering it."""
    words = ("plan", "change", "a-1", "remove_node", "gate")

    refused, _ = on_terminal(strict.root, *words, types="yes\n")
    done, _ = on_terminal(strict.root, *words, types="a-1\n")

    assert (refused, done) == (2, 0)


@pytest.mark.parametrize("answer", [{}, {"run_id": "a-1", "strange": [{"deep": [1]}], "next": []}])
def test_an_answer_without_a_view_is_shown_all_the_same(
    answer: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """A new operation must not fail for want of a table."""
    answers.show("new thing", answer)

    assert ("strange" in answer) == ("strange" in capsys.readouterr().out)


@pytest.mark.parametrize(("attempt", "shown"), [(1, "attempt   1 of 2"), (3, "attempt   3")])
def test_an_attempt_beyond_the_limit_is_not_shown_as_one_of_fewer(
    attempt: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attempts whose worker was lost do not count; '3 of 1' made people look for a fault in the limit."""
    task = {"task_id": "a", "status": "queued", "title": "A", "priority": 5, "priority_label": "P2"}
    more: dict[str, object] = {"tags": [], "created_at": None, "attempt": attempt, "max_attempts": 2}

    answers.show("task get", {"task": {**task, **more}})

    assert shown in _plain(capsys.readouterr().out)


def test_every_answer_of_a_whole_run_can_be_shown(cli: Cli, tmp_path: Path) -> None:
    """No view may trip over what an answer leaves out."""
    cli.audit("a-1")
    (tmp_path / "faulty.task.md").write_text("---\nworkflowId: x\ntitle: x\nnodes: [{id: a}]\n---\n")
    lines = (
        ("workflow", "list"), ("workflow", "validate", "audit"), ("workflow", "show", "audit"),
        ("workflow", "validate", str(tmp_path / "faulty.task.md")), ("run", "create", "--task-text", "sing"),
        ("node", "claim", "a-1"), ("node", "claim", "a-1"), ("node", "show", "a-1", "gather"),
        ("run", "wait", "a-1", "--timeout-s", "0"), ("run", "tick", "a-1"), ("run", "validate", "a-1"),
        ("node", "handoff", "a-1", "review", "--goal", "look"), ("run", "bind", "a-1", "cron", "--value", "j"),
        ("run", "show", "a-1", "--view", "detailed"), ("run", "show", "a-1", "--view", "refs"),
        ("artifact", "write", "a-1", "gather", "report.md", "--content", "# R"),
        ("artifact", "read", "a-1", "report.md", "--node-id", "gather"), ("run", "graph", "a-1"),
        ("control", "send_message", "a-1", "--message", "hello"), ("run", "progress", "a-1", "half"),
        ("run", "cancel", "a-1"), ("run", "list"), ("mcp", "config", "claude"), ("init",),
    )  # fmt: skip

    for words in lines:
        status, shown = on_terminal(cli.root, *words)
        assert (status in (0, 2, 5), "internal_error" in shown, words) == (True, False, words), shown
