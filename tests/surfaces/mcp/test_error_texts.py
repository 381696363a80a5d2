"""Every refusal as a model reads it, kept as one golden page.

The page is read by people before it is kept: an error text is an interface.
"""

import itertools
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextContent

from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry import clock
from registry.registry import Registry
from registry.settings import Settings
from tests.surfaces.cli.fixture import AUDIT

KEPT = Path(__file__).parent / "golden" / "error_texts.txt"
R = "audit-1"
AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
FENCE = "1-secretaa"
WORSE = AUDIT.replace("needs: [gather]", "needs: [gathr]").replace("kind: approval", "kind: aproval")
BEGIN: list[tuple[str, dict[str, Any]]] = [
    ("scaffold_run", {"workflow_path": "audit", "run_id": R}),
    ("scaffold_run", {"task_text": "other work", "run_id": "other"}),
]

CALLS: list[tuple[str, dict[str, Any]]] = [
    # The call itself is wrong.
    ("scaffold_run", {"workflow": "audit"}),
    ("scaffold_run", {"workflow_path": "audit", "workflow_text": "text"}),
    ("scaffold_run", {}),
    ("scaffold_run", {"workflow_path": "adit"}),
    ("scaffold_run", {"workflow_text": "no front matter"}),
    ("scaffold_run", {"workflow_text": WORSE}),
    ("scaffold_run", {"workflow_path": "audit", "inputs": {"deph": 2, "depth": "deep"}}),
    ("scaffold_run", {"workflow_path": "audit", "run_id": "other"}),
    ("scaffold_run", {"workflow_path": "audit", "run_id": "../etc"}),
    ("scaffold_run", {"workflow_path": "../secret.task.md"}),
    ("start_run", {"goal": "audit"}),
    ("complete_node", {"run_id": R}),
    ("update_task", {}),
    ("no_such_thing_at_all", {}),
    ("claim_node", {}),
    ("claim_node", {"run_id": "audit-1:gather"}),
    ("claim_node", {"run_id": R, "agent": "cc", "lease_s": "long"}),
    ("get_run", {"run_id": "run-001"}),
    ("get_run", {"run_id": R, "node_id": "gathr"}),
    ("get_run", {"run_id": 7}),
    ("list_runs", {"cursor": "nonsense"}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "done"}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "completed", "fence": "<fence>"}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "completed", "summary": {"a": 1}}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "failed", "fence": FENCE}),
    ("write_handoff", {"run_id": R, "node_id": "review", "content": ""}),
    ("append_event", {"run_id": R, "event": "Node Started", "node_id": "gather"}),
    ("append_event", {"run_id": R, "event": "node.complete", "node_id": "gather"}),
    ("append_event", {"run_id": R, "event": "run.completed"}),
    ("append_event", {"run_id": R, "event": "note.big", "message": "x" * 5_000}),
    ("append_event", {"run_id": R, "event": "note.big", "payload": {"x": "y" * 70_000}}),
    ("write_artifact", {"run_id": R, "node_id": "gather", "path": "../../state.json", "content": "x"}),
    ("read_artifact", {"run_id": R, "path": "/etc/passwd"}),
    ("request_control", {"run_id": R, "action": "stop"}),
    ("request_control", {"run_id": R, "action": "skip"}),
    ("request_control", {"run_id": R, "action": "patch_cron", "patch": {"enabled": False}}),
    ("bind_session", {"run_id": R}),
    ("bind_session", {"run_id": R, "session_key": "agent:a:b"}),
    ("change_plan", {"run_id": R, "action": "rewire_node", "node_id": "gather", "needs": ["wrap"]}),
    ("change_plan", {"run_id": R, "action": "remove_node", "node_id": "review", "expected_rev": 99}),
    # Right words at the wrong time.
    ("claim_node", {"run_id": R, "node_id": "wrap"}),
    ("append_event", {"run_id": R, "event": "node.completed", "node_id": "wrap"}),
    ("request_control", {"run_id": R, "action": "approve", "node_id": "gate"}),
    ("request_control", {"run_id": R, "action": "retry", "node_id": "gather"}),
]
LATER: list[tuple[str, dict[str, Any]]] = [
    ("claim_node", {"run_id": R, "node_id": "gather"}),
    # The node is at work.
    ("claim_node", {"run_id": R, "node_id": "gather", "agent_id": "other"}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "completed"}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "completed", "fence": FENCE}),
    ("finish_node", {"run_id": R, "node_id": "gather", "outcome": "completed", "fence": "3-aaaaaaaa"}),
    ("finish_node", {"run_id": R, "outcome": "completed", "fence": "3-aaaaaaaa"}),
    ("change_plan", {"run_id": R, "action": "remove_node", "node_id": "gather"}),
    ("finish_node", {"run_id": R, "fence": FENCE, "outcome": "completed", "report": "# R"}),
    # It is done; the next ones.
    ("finish_node", {"run_id": R, "fence": FENCE, "node_id": "gather", "outcome": "failed", "error": "no"}),
    ("request_control", {"run_id": R, "action": "retry", "node_id": "gather"}),
    ("write_handoff", {"run_id": R, "node_id": "gather", "content": "again"}),
    ("request_control", {"run_id": R, "action": "pause", "message": "let me read first"}),
    ("claim_node", {"run_id": R, "node_id": "review"}),
    ("append_event", {"run_id": R, "event": "node.started", "node_id": "review"}),
    ("request_control", {"run_id": R, "action": "resume"}),
    ("append_event", {"run_id": R, "event": "node.started", "node_id": "review"}),
    ("append_event", {"run_id": R, "event": "node.completed", "node_id": "review"}),
    ("finish_node", {"run_id": R, "node_id": "gate", "outcome": "completed"}),
    ("claim_node", {"run_id": R, "node_id": "gate"}),
    ("append_event", {"run_id": R, "event": "node.skipped", "node_id": "gate"}),
    ("request_control", {"run_id": R, "action": "reject", "node_id": "gate", "message": "no"}),
    ("request_control", {"run_id": R, "action": "pause"}),
    ("claim_node", {"run_id": R, "node_id": "wrap"}),
    ("change_plan", {"run_id": R, "action": "remove_node", "node_id": "wrap"}),
]


@pytest.fixture
def repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands, and chance that gives the same each time."""
    numbers = itertools.count(1)
    monkeypatch.setattr(clock, "now", lambda: AT)
    monkeypatch.setattr(clock, "fresh_secret", lambda: "secretaa")
    monkeypatch.setattr(clock, "fresh_id", lambda prefix: f"{prefix}-{next(numbers):015}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A registry with the audit workflow."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "workflows" / "audit.task.md").write_text(AUDIT, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("repeatable")
async def test_every_refusal_reads_as_it_was_approved(root: Path) -> None:
    """A model goes by these words; a change of them is a change of the product."""
    registry = Registry.open(Settings(root=root))
    page = []
    async with Client(build_server(registry, serving=Serving(toolsets=("core",), agent="cc"))) as client:
        for tool, arguments in [*BEGIN, *CALLS, *LATER]:
            result = await client.call_tool(tool, arguments)
            block = result.content[0]
            assert isinstance(block, TextContent)
            if result.is_error:
                assert "\nnext: " in block.text, f"{tool} {arguments} leaves the model without a next call"
                shown = str(arguments) if len(str(arguments)) < 300 else str(arguments)[:300] + "…"
                page.append(f"> {tool} {shown}\n{block.text}\n".replace(str(root), "<root>"))
            else:
                assert (tool, arguments) not in CALLS, f"{tool} {arguments} was meant to be refused"
    text = "\n".join(page)
    if os.environ.get("UPDATE_GOLDEN"):
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(text, encoding="utf-8")
    assert text == KEPT.read_text(encoding="utf-8")
