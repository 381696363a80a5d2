"""What the conditions of a plan will read of the results of its nodes."""

from collections.abc import Mapping

from .expressions import ExpressionFault, NodeReference, parse_when
from .names import NodeId
from .run import NodeState, Plan


def keys_awaited(plan: Plan, nodes: Mapping[NodeId, NodeState], node_id: NodeId) -> dict[str, NodeId]:
    """The keys of a node's result that conditions will read, each with the first node that does."""
    awaited: dict[str, NodeId] = {}
    for reader in nodes.values():
        condition = plan.nodes[reader.id].when
        if reader.status == "pending" and condition:
            for key in _keys_read(condition, node_id):
                awaited.setdefault(key, reader.id)
    return awaited


def _keys_read(condition: str, node_id: NodeId) -> list[str]:
    try:
        references = parse_when(condition).references().nodes
    except ExpressionFault:
        return []  # Its node fails by it when its turn comes, with the fault.
    return [one.key for one in references if _is_result_of(one, node_id) and one.key is not None]


def _is_result_of(reference: NodeReference, node_id: NodeId) -> bool:
    return reference.node_id == node_id and reference.attribute == "result"
