"""A node as the ledger shows it: the public status of a task."""

from typing import Literal

from .run import NodeState

TaskStatus = Literal["queued", "running", "completed", "failed", "timed_out", "cancelled"]


def public_status(node: NodeState) -> TaskStatus:
    """What somebody who only knows tasks is told of a node."""
    if node.status in ("pending", "ready"):
        return "queued"
    if node.status in ("running", "waiting"):
        return "running"
    if node.outcome == "timed_out":
        return "timed_out"
    if node.outcome == "cancelled":
        return "cancelled"
    return "failed" if node.status == "failed" else "completed"
