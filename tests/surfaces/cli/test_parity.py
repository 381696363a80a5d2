"""MCP and the command line give the same answers and the same errors, whatever is asked."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextContent

from opentask_mcp.cli.commands import line_of
from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry.core.names import short_hash
from registry.operations.table import OPERATIONS
from registry.operations.wire import snakeize
from registry.registry import Registry
from registry.settings import load_settings
from tests.surfaces.cli.fixture import Cli

_OF_THE_MOMENT = frozenset(
    {
        "as_of", "at", "cancel_requested_at", "control_id", "created_at", "fence", "last_heard_at", "lease_expires_at",
        "owner", "since", "started_at", "updated_at", "via", "waited_s",
    }
)  # fmt: skip
"""Parts of an answer that differ when the same is asked twice, or by another caller."""

FLOW = f"flow-{short_hash('f')}"
"""A flow with one running child."""

OF_OWN_SHAPE = {"create_task", "list_tasks", "get_task", "cancel_task", "retry_task", "task_stats"}
"""`opentask task ...` prints the per-agent list in its own shapes; test_tasks.py proves those."""

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("list_workflows", {}),
    ("list_workflows", {"cursor": "nonsense"}),
    ("validate_workflow", {"workflow_path": "audit"}),
    ("validate_workflow", {"workflow_text": "---\nworkflowId: x\n---\n"}),
    ("validate_workflow", {"workflow_path": "nowhere"}),
    ("scaffold_run", {"workflow_path": "audit", "run_id": "fresh", "inputs": {"project": "horn"}, "tags": ["a", "b"]}),
    ("scaffold_run", {"workflow_path": "audit", "run_id": "fresh", "inputs": {"projct": "horn", "depth": "deep"}}),
    ("scaffold_run", {"task_text": "Sing.", "run_id": "a-1"}),
    ("scaffold_run", {"task_text": "Sing.", "workflow_path": "audit"}),
    ("list_runs", {"status": ["open"], "limit": 1}),
    ("list_runs", {"status": ["opne"]}),
    ("get_run", {"run_id": "a-1"}),
    ("get_run", {"run_id": "a-1", "view": "detailed"}),
    ("get_run", {"run_id": "a-1", "view": "refs"}),
    ("get_run", {"run_id": "a-1", "view": "events"}),
    ("get_run", {"run_id": "a-1", "since_rev": 2}),
    ("get_run", {"run_id": "a-1", "node_id": "gather"}),
    ("get_run", {"run_id": "a-1", "node_id": "gater"}),
    ("get_run", {"run_id": "a1"}),
    ("get_run", {"run_id": "a-1:gate"}),
    ("tick_run", {"run_id": "a-1"}),
    ("claim_node", {"run_id": "a-1"}),
    ("claim_node", {"run_id": "a-1", "node_id": "wrap"}),
    ("claim_node", {}),
    ("claim_node", {"run_id": "a-2", "lease_s": 60, "inline_inputs": True}),
    ("claim_node", {"run_id": "a-2", "lease_s": 1}),
    ("finish_node", {"run_id": "a-2", "node_id": "gather", "outcome": "completed"}),
    ("finish_node", {"run_id": "a-2", "node_id": "gather", "outcome": "done", "fence": "<fence>"}),
    ("finish_node", {"run_id": "a-1", "node_id": "gate", "outcome": "completed"}),
    ("heartbeat_node", {"run_id": "a-2", "node_id": "gather", "fence": "9-x", "percent": 101}),
    ("append_event", {"run_id": "a-2", "event": "note.decision", "message": "go", "payload": {"Why Not": [1, None]}}),
    ("append_event", {"run_id": "a-2", "event": "node.complete", "node_id": "gather"}),
    ("append_event", {"run_id": "a-2", "event": "run.created"}),
    ("write_handoff", {"run_id": "a-2", "node_id": "review", "goal": "Look.", "rules": ["a", "b"]}),
    ("write_handoff", {"run_id": "a-2", "node_id": "gate", "content": "x"}),
    ("write_artifact", {"run_id": "a-2", "node_id": "gather", "path": "findings.md", "content": "x"}),
    ("write_artifact", {"run_id": "a-2", "node_id": "gather", "path": "../x", "content": "x"}),
    ("read_artifact", {"run_id": "a-1", "path": "nodes/gather/report.md"}),
    ("read_artifact", {"run_id": "a-1", "path": "state.json"}),
    ("request_control", {"run_id": "a-1", "action": "approve", "node_id": "gate", "message": "they agree"}),
    ("request_control", {"run_id": "a-1", "action": "approve", "node_id": "wrap"}),
    ("request_control", {"run_id": "a-1", "action": "retry", "node_id": "gather"}),
    ("request_control", {"run_id": "a-1", "action": "pause", "message": "wait"}),
    ("bind_session", {"run_id": "a-1", "cron_job_id": "j-1"}),
    ("bind_session", {"run_id": "a-1", "session_key": "s"}),
    ("change_plan", {"run_id": "a-1", "action": "add_node", "node_id": "extra", "needs": ["gate"],
                     "node": {"title": "Extra", "kind": "session_turn", "prompt": "More."}}),
    ("change_plan", {"run_id": "a-1", "action": "remove_node", "node_id": "gather"}),
    ("wait_for_run", {"run_id": "a-1", "timeout_s": 0}),
    ("wait_for_run", {"run_id": "a-1", "status": ["running"]}),
    ("wait_for_run", {"run_id": "a-1", "status": ["runing"]}),
    ("validate_run", {"run_id": "a-1"}),
    ("validate_run", {"run_id": "nope"}),
    ("create_flow", {"controller_id": "c", "goal": "g", "owner_key": "agent:o:main", "request_id": "new",
                     "state": {"aB": {"c_d": [1]}}, "requester_origin": {"channel": "x"}}),
    ("create_flow", {"controller_id": "c", "goal": "g", "owner_key": "agent:o:main", "request_id": "f"}),
    ("create_flow", {"goal": " ", "owner_key": "agent:o:main"}),
    ("get_flow", {"flow_id": FLOW}),
    ("get_flow", {"token": "agent:m:main"}),
    ("get_flow", {"latest": True, "owner_key": "agent:nobody:main"}),
    ("get_flow", {"flow_id": "a-1"}),
    ("list_flows", {"status": ["open"]}),
    ("list_flows", {"status": ["opne"]}),
    ("run_flow_task", {"flow_id": FLOW, "runtime": "cli", "task": "build", "label": "b", "status": "running"}),
    ("run_flow_task", {"flow_id": "a-1", "runtime": "cli", "task": "build"}),
    ("run_flow_task", {"flow_id": FLOW, "runtime": "ssh", "task": "build"}),
    ("update_flow", {"flow_id": FLOW, "action": "set_waiting", "expected_revision": 0, "wait": {"a_b": 1}}),
    ("update_flow", {"flow_id": FLOW, "action": "resume", "expected_revision": 0, "status": "running"}),
    ("update_flow", {"flow_id": FLOW, "action": "finish", "expected_revision": 0, "state": {"done": True}}),
    ("update_flow", {"flow_id": FLOW, "action": "fail", "expected_revision": 3}),
    ("update_flow", {"flow_id": "nope", "action": "request_cancel", "expected_revision": 0}),
    ("cancel_flow", {"flow_id": FLOW}),
    ("cancel_flow", {"flow_id": "nope"}),
    ("get_run", {"run_id": FLOW}),
    ("doctor", {}),
    ("doctor", {"run_id": "a-1"}),
    ("doctor", {"run_id": "nope"}),
    ("doctor", {"cursor": "no cursor"}),
    ("repair_run", {"run_id": "a-1"}),
    ("repair_run", {"run_id": "nope"}),
]  # fmt: skip


def _steady(value: Any, root: Path) -> Any:
    """An answer without what differs from one call to the next, and from one folder to the other."""
    if isinstance(value, dict):
        return {name: _steady(part, root) for name, part in value.items() if name not in _OF_THE_MOMENT}
    if isinstance(value, list):
        return [_steady(part, root) for part in value]
    return value.replace(str(root), "ROOT") if isinstance(value, str) else value


def test_every_operation_is_asked() -> None:
    """A new tool must be compared too."""
    assert {tool for tool, _ in ASKED} == set(OPERATIONS) - OF_OWN_SHAPE


async def _over_mcp(root: Path, tool: str, arguments: dict[str, Any]) -> Any:
    registry = Registry.open(load_settings(str(root), environ={}, cwd=root))
    async with Client(build_server(registry, serving=Serving(toolsets=("all",), agent="cc"))) as client:
        result = await client.call_tool(tool, arguments)
    if not result.is_error:
        return result.structured_content
    text = result.content[0]
    assert isinstance(text, TextContent)
    return text.text


@pytest.mark.parametrize(("tool", "arguments"), ASKED, ids=lambda value: value if isinstance(value, str) else "")
async def test_mcp_and_the_command_line_answer_alike(cli: Cli, tool: str, arguments: dict[str, Any]) -> None:
    """Whoever moves a job from an agent to a script must find the same registry."""
    cli.at_gate("a-1")
    cli.audit("a-2")
    words = ("--controller-id", "c", "--goal", "g", "--owner-key", "agent:m:main", "--request-id", "f")
    cli("flow", "create", *words)
    cli("flow", "run-task", FLOW, "acp", "write", "--status", "running", "--child-session-key", "agent:w:1")
    other = cli.root.with_name("other")
    shutil.copytree(cli.root, other)
    line = line_of(tool, arguments)
    assert line is not None

    over_mcp = await _over_mcp(other, tool, arguments)
    ran = cli("--agent", "cc", *shlex.split(line)[1:])

    if isinstance(over_mcp, str):
        error = ran.error
        said = f"{error['code']}: {error['message']}" + (f"\nhint: {error['hint']}" if error["hint"] else "")
        assert over_mcp.split("\nnext: ")[0].replace(str(other), "ROOT") == said.replace(str(cli.root), "ROOT")
    else:
        assert ran.err == ""
        assert _steady(snakeize(json.loads(ran.out)), cli.root) == _steady(over_mcp, other)
