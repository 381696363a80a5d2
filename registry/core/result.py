"""`result.json`, the machine-readable end of a node, as a function of where the node stands.

A completed node's state has all that the file says, so the file can be made from it at any time. A failure
says more than the state keeps; its file is written with the events that tell of it.
"""

from typing import Final

from pydantic_core import to_json

from .names import NodeId, RunId
from .record import Bag
from .run import NodeState, Run, RunState
from .workflow import WORK_KINDS

RESULT: Final = "result.json"


def result_path(node_id: NodeId) -> str:
    """Where a node's result lies, run-relative."""
    return f"nodes/{node_id}/{RESULT}"


def leaves_result(node: NodeState) -> bool:
    """Whether a node's state has its whole `result.json`: work that was completed by an attempt on record.

    Neither a wait nor an approval has one, nor a node that an earlier implementation completed: of its attempts
    nothing is on record, and of its files nothing was promised.
    """
    is_done = node.status == "completed" and node.kind in WORK_KINDS
    return is_done and bool(node.attempts) and node.attempts[-1].ended == "completed"


def results_since(before: RunState, state: RunState) -> list[NodeState]:
    """Nodes whose result the state has since it was another one."""
    return [
        node
        for node in state.changed_since(before)
        if leaves_result(node) and not ((former := before.nodes.get(node.id)) and leaves_result(former))
    ]


def result_text(run_id: RunId, node: NodeState, *, payload: Bag | None = None, summary: str | None = None) -> bytes:
    """The text of a node's `result.json`.

    Args:
        payload: What a failure left; a completed node's state has it.
        summary: What a failure says of itself.
    """
    result: Bag = {
        "runId": run_id,
        "nodeId": node.id,
        "status": node.status,
        "summary": summary or node.summary or "",
        "artifacts": list(node.artifact_paths),
        "sessionKey": node.session_key,
        "childSessionKey": node.child_session_key,
        "workingMemory": node.working_memory.model_dump(mode="json", by_alias=True, exclude_none=True),
        "payload": {**(payload or node.result or {}), "attempt": node.attempt},
    }
    return to_json(result, indent=2) + b"\n"


def result_at(run: Run, path: str) -> bytes:
    """The text that belongs at a path by the state alone; empty where that is no completed node's result."""
    node = run.state.nodes.get(path.removeprefix("nodes/").removesuffix(f"/{RESULT}"))
    if node is None or result_path(node.id) != path or not leaves_result(node):
        return b""
    return result_text(run.state.run_id, node)
