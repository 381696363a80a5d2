"""MCP and the command line are two ways to the same table: same result, same refusal.

Each step is asked of two registries that began alike, once through an MCP client and once as a
command. The clock stands and chance repeats itself, so whole answers can be compared.
"""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextContent

from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry import clock
from registry.operations.wire import camelize
from registry.registry import Registry
from registry.settings import Settings
from tests.surfaces.cli.fixture import AUDIT, Cli

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
FENCE = "1-secretaa"
R = "audit-1"

Step = tuple[str, dict[str, Any], list[str]]
STEPS: list[Step] = [
    ("list_workflows", {}, ["workflow", "list"]),
    ("validate_workflow", {"workflow_path": "audit"}, ["workflow", "validate", "audit"]),
    ("validate_workflow", {"workflow_path": "adit"}, ["workflow", "validate", "adit"]),
    (
        "scaffold_run",
        {"workflow_path": "audit", "run_id": R, "inputs": {"project": "tower"}, "tags": ["night"]},
        ["run", "create", "--workflow-path", "audit", "--run-id", R]
        + ["--inputs-json", '{"project": "tower"}', "--tag", "night"],
    ),
    (
        "scaffold_run",
        {"workflow_path": "audit", "run_id": R, "inputs": {"depth": "deep", "deph": 2}},
        ["run", "create", "--workflow-path", "audit", "--run-id", R, "--inputs-json", '{"depth": "deep", "deph": 2}'],
    ),
    ("list_runs", {"status": "open"}, ["run", "list", "--status", "open"]),
    ("list_runs", {"status": "opened"}, ["run", "list", "--status", "opened"]),
    ("get_run", {"run_id": R}, ["run", "show", R]),
    ("get_run", {"run_id": R, "view": "refs"}, ["run", "show", R, "--view", "refs"]),
    ("get_run", {"run_id": "adit-1"}, ["run", "show", "adit-1"]),
    ("get_run", {"run_id": R, "node_id": "gathr"}, ["node", "show", R, "gathr"]),
    ("claim_node", {"run_id": R, "node_id": "wrap"}, ["node", "claim", R, "wrap"]),
    ("claim_node", {"run_id": R}, ["node", "claim", R]),
    ("claim_node", {"run_id": R, "node_id": "gather"}, ["node", "claim", R, "gather"]),
    (
        "heartbeat_node",
        {"run_id": R, "node_id": "gather", "fence": FENCE, "message": "half", "percent": 50},
        ["node", "heartbeat", R, "gather", "--fence", FENCE, "--message", "half", "--percent", "50"],
    ),
    (
        "finish_node",
        {"run_id": R, "node_id": "gather", "fence": FENCE, "outcome": "completed"},
        ["node", "finish", R, "gather", "completed", "--fence", FENCE],
    ),
    (
        "finish_node",
        {"run_id": R, "node_id": "gather", "fence": FENCE, "outcome": "done"},
        ["node", "finish", R, "gather", "done", "--fence", FENCE],
    ),
    (
        "write_artifact",
        {"run_id": R, "node_id": "gather", "path": "findings.md", "content": "one\n"},
        ["artifact", "write", R, "gather", "findings.md", "--content", "one\n"],
    ),
    (
        "write_artifact",
        {"run_id": R, "node_id": "gather", "path": "../state.json", "content": "x"},
        ["artifact", "write", R, "gather", "../state.json", "--content", "x"],
    ),
    (
        "finish_node",
        {"run_id": R, "node_id": "gather", "fence": FENCE, "outcome": "completed", "summary": "ok", "report": "# R"},
        ["node", "finish", R, "gather", "completed", "--fence", FENCE, "--summary", "ok", "--report", "# R"],
    ),
    (
        "write_handoff",
        {"run_id": R, "node_id": "review", "goal": "Look again", "rules": ["change nothing"]},
        ["node", "handoff", R, "review", "--goal", "Look again", "--rule", "change nothing"],
    ),
    (
        "append_event",
        {"run_id": R, "event": "node.started", "node_id": "review"},
        ["event", "append", R, "node.started", "--node-id", "review"],
    ),
    (
        "append_event",
        {"run_id": R, "event": "node_complete", "node_id": "review"},
        ["event", "append", R, "node_complete", "--node-id", "review"],
    ),
    (
        "append_event",
        {"run_id": R, "event": "run.progress", "message": "reviewing"},
        ["run", "progress", R, "reviewing"],
    ),
    ("request_control", {"run_id": R, "action": "pause"}, ["control", "pause", R]),
    ("request_control", {"run_id": R, "action": "resume"}, ["control", "resume", R]),
    (
        "append_event",
        {"run_id": R, "event": "node.completed", "node_id": "review", "message": "fine"},
        ["event", "append", R, "node.completed", "--node-id", "review", "--message", "fine"],
    ),
    (
        "request_control",
        {"run_id": R, "action": "retry", "node_id": "gather"},
        ["control", "retry", R, "--node-id", "gather"],
    ),
    (
        "change_plan",
        {
            "run_id": R,
            "action": "add_node",
            "node_id": "extra",
            "node": {"title": "Extra", "kind": "session_turn", "prompt": "more", "needs": ["gather"]},
            "needed_by": ["wrap"],
        },
        ["plan", "change", R, "add_node", "extra", "--needed-by", "wrap", "--node-json"]
        + ['{"title": "Extra", "kind": "session_turn", "prompt": "more", "needs": ["gather"]}'],
    ),
    ("tick_run", {"run_id": R}, ["run", "tick", R]),
    (
        "request_control",
        {"run_id": R, "action": "approve", "node_id": "gate", "message": "Maria agrees"},
        ["control", "approve", R, "--node-id", "gate", "--message", "Maria agrees"],
    ),
    (
        "wait_for_run",
        {"run_id": R, "node_id": "gate", "status": "completed"},
        ["run", "wait", R, "--node-id", "gate", "--status", "completed"],
    ),
    ("read_artifact", {"run_id": R, "path": "nodes/gather/report.md"}, ["artifact", "read", R, "nodes/gather/report.md"]),
    ("validate_run", {"run_id": R}, ["run", "validate", R]),
    ("request_control", {"run_id": R, "action": "cancel", "message": "enough"}, ["run", "cancel", R, "--message", "enough"]),
    ("get_run", {"run_id": R, "view": "events"}, ["run", "events", R]),
    ("claim_node", {"run_id": R}, ["node", "claim", R]),
    ("claim_node", {}, ["node", "claim"]),
]


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that stands, and the same chance for both."""
    monkeypatch.setattr(clock, "now", lambda: AT)
    monkeypatch.setattr(clock, "fresh_secret", lambda: "secretaa")
    yield


def as_chance_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids made for callers, counted from one."""
    numbers = itertools.count(1)
    monkeypatch.setattr(clock, "fresh_id", lambda prefix: f"{prefix}-{next(numbers):015}")


def prepared(root: Path) -> Path:
    """A registry with the audit workflow."""
    (root / "workflows").mkdir(parents=True)
    (root / "runs").mkdir()
    (root / "workflows" / "audit.task.md").write_text(AUDIT, encoding="utf-8")
    return root


async def over_mcp(root: Path) -> list[str]:
    """What each step gives through MCP, in the form of the command line."""
    registry = Registry.open(Settings(root=root))
    server = build_server(registry, serving=Serving(toolsets=("core", "admin"), agent="cc"))
    given = []
    async with Client(server) as client:
        for tool, arguments, _ in STEPS:
            result = await client.call_tool(tool, arguments)
            block = result.content[0]
            assert isinstance(block, TextContent)
            if result.is_error:
                given.append("\n".join(line for line in block.text.splitlines() if not line.startswith("next: ")))
            else:
                given.append(_told(camelize(result.structured_content), root))
    registry.store.close()
    return given


def over_cli(cli: Cli) -> list[str]:
    """What each step gives as a command."""
    given = []
    for _, _, words in STEPS:
        ran = cli(*words, "--agent", "cc", "--json")
        if ran.status == 0:
            given.append(_told(json.loads(ran.out), cli.root))
        else:
            error = json.loads(ran.err)["error"]
            given.append(f"{error['code']}: {error['message']}" + (f"\nhint: {error['hint']}" if error["hint"] else ""))
    return given


def _told(answer: object, root: Path) -> str:
    text = json.dumps(answer, indent=1, ensure_ascii=False)
    return text.replace(str(root), "<root>").replace('"via": "cli"', '"via": "mcp"')


async def test_mcp_and_the_command_line_give_the_same_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, standing: None
) -> None:
    """Two surfaces that differ are two products to learn, and one of them is wrong."""
    as_chance_repeats(monkeypatch)
    by_mcp = await over_mcp(prepared(tmp_path / "a"))
    as_chance_repeats(monkeypatch)
    by_cli = over_cli(Cli(prepared(tmp_path / "b"), capsys))
    for (tool, arguments, words), mcp, cli in zip(STEPS, by_mcp, by_cli, strict=True):
        assert mcp.replace("(mcp)", "(cli)") == cli.replace("(mcp)", "(cli)"), (tool, arguments, words)
