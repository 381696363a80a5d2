"""`opentask flow ...`: every method as a command, JSON for scripts, and a status to branch on."""

import re
from pathlib import Path

import pytest

from tests.flows.given import CHILD, OWNER
from tests.surfaces.cli.fixture import Cli, on_terminal


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Commands on a registry of their own."""
    for name in ("OPENTASK_REGISTRY_ROOT", "OPENTASK_AGENT_ID", "OPENTASK_JSON"):
        monkeypatch.delenv(name, raising=False)
    return Cli(tmp_path, capsys)


def begun(cli: Cli, *more: str) -> str:
    made = cli("flow", "create", "--controller-id", "release", "--goal", "ship", "--owner-key", OWNER, *more).answer
    return str(made["flowId"])


def test_every_method_is_a_command(cli: Cli) -> None:
    """A controller may be a shell script."""
    flow_id = begun(cli, "--state-json", '{"n": 1}', "--current-step", "a")

    child = cli("flow", "run-task", flow_id, "cli", "build it", "--status", "running", "--child-session-key", CHILD)
    assert (child.answer["created"], child.answer["task"]["taskId"]) == (True, f"{flow_id}:task-1")
    waiting = cli("flow", "set-waiting", flow_id, "--expected-revision", "0", "--clear", "current-step").answer
    assert (waiting["flow"]["status"], "currentStep" in waiting["flow"]) == ("waiting", False)
    resumed = cli("flow", "resume", flow_id, "--expected-revision", "1", "--state-json", "null").answer
    assert (resumed["flow"]["status"], "state" in resumed["flow"]) == ("queued", False)
    assert cli("flow", "request-cancel", flow_id, "--expected-revision", "2").answer["applied"] is True
    assert cli("flow", "cancel", flow_id).answer["cancelled"] is False
    cli("event", "append", flow_id, "node.completed", "--node-id", "task-1")
    assert cli("flow", "get", flow_id).answer["flow"]["status"] == "cancelled"
    assert cli("flow", "get", "--token", OWNER).answer["flow"]["flowId"] == flow_id
    assert [row["flowId"] for row in cli("flow", "list", "--status", "cancelled").answer["flows"]] == [flow_id]
    assert cli("flow", "summary", flow_id).answer == {
        "total": 1, "active": 0, "terminal": 1, "failures": 0,
        "byStatus": {"completed": 1}, "byRuntime": {"cli": 1},
    }  # fmt: skip
    for end, status in (("finish", "succeeded"), ("fail", "failed")):
        other = begun(cli)
        assert cli("flow", end, other, "--expected-revision", "0").answer["flow"]["status"] == status
        opened = cli("flow", "resume", other, "--expected-revision", "1", "--reopen").answer
        assert opened["flow"]["status"] == "queued"


def test_a_change_that_was_not_made_is_not_done(cli: Cli) -> None:
    """Scripts look at the status, not at `applied`."""
    flow_id = begun(cli)

    ended = {
        "stale": cli("flow", "finish", flow_id, "--expected-revision", "4").status,
        "unknown": cli("flow", "finish", "nobody", "--expected-revision", "0").status,
        "not found": cli("flow", "get", "nobody").status,
        "no flow to cancel": cli("flow", "cancel", "nobody").status,
        "no flow to link to": cli("flow", "run-task", "nobody", "cli", "x").status,
        "cancelled": cli("flow", "cancel", flow_id).status,
        "cancelled before": cli("flow", "cancel", flow_id).status,
        "ended": cli("flow", "run-task", flow_id, "cli", "x").status,
        "wrong": cli("flow", "resume", flow_id, "--expected-revision", "x").status,
        "unclear": cli("flow", "finish", flow_id, "--expected-revision", "0", "--clear", "wait").status,
        "null": cli("flow", "fail", flow_id, "--expected-revision", "0", "--blocked-summary", "null").status,
    }

    assert ended == {
        "stale": 4, "unknown": 3, "not found": 3, "no flow to cancel": 3, "no flow to link to": 3,
        "cancelled": 0, "cancelled before": 4, "ended": 4, "wrong": 2, "unclear": 2, "null": 2,
    }  # fmt: skip


def on_screen(cli: Cli, *words: str) -> tuple[int, str]:
    """The status, and what a person reads, without colours."""
    status, shown = on_terminal(cli.root, *words, columns=400)
    return status, re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_people_see_a_flow_and_its_children(cli: Cli) -> None:
    """JSON is for scripts; a person wants to see how it stands, and what may be typed next."""
    flow_id = begun(cli, "--state-json", '{"n": 1}')
    cli("flow", "run-task", flow_id, "cli", "build it", "--status", "running")

    status, shown = on_screen(cli, "flow", "set-waiting", flow_id, "--expected-revision", "0")
    assert status == 0
    for text in (f"{flow_id}  waiting  revision 1", "ship", '{"n": 1}', "1: 1 running  (1 cli)"):
        assert text in shown
    assert f"opentask --root {cli.root} flow resume {flow_id} --expected-revision 1 --status running" in shown
    status, shown = on_screen(cli, "flow", "list")
    assert status == 0 and flow_id in shown
    status, shown = on_screen(cli, "flow", "finish", flow_id, "--expected-revision", "0")
    assert status == 4 and "the flow has moved on since" in shown
    assert "1: 1 running" in on_screen(cli, "flow", "summary", flow_id)[1]


def test_people_see_what_is_to_be_told_and_that_a_cancel_is_over(cli: Cli) -> None:
    """`send this message` without the message helps nobody, and a cancelled flow is not to be cancelled."""
    flow_id = begun(cli)
    cli("flow", "run-task", flow_id, "cli", "build it", "--status", "running")
    cli("flow", "request-cancel", flow_id, "--expected-revision", "0")
    assert "to be cancelled" in on_screen(cli, "flow", "get", flow_id)[1]
    cli("event", "append", flow_id, "node.completed", "--node-id", "task-1")

    shown = on_screen(cli, "flow", "get", flow_id)[1]

    assert "to be cancelled" not in shown and "cancel was wanted" in shown
    assert f"run show {flow_id}" in shown
    assert '"message": "ship: cancelled; 1 task: 1 completed"' in on_screen(cli, "run", "show", flow_id)[1]
