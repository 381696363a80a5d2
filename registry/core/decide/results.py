"""What a node leaves for others: the small result that conditions read, and `result.json`."""

from pydantic_core import to_json

from ...errors import LimitExceeded
from ..conditions import keys_awaited
from ..draft import Draft
from ..expressions import ExpressionFault, ExpressionTypeError
from ..limits import RESULT_BYTES_MAX
from ..names import NodeId, shown
from ..record import Bag
from ..refusals import result_in_quotes, result_missing
from ..result import result_path, result_text
from ..run import NodeState
from .tick import condition_holds


def small_result(payload: Bag) -> Bag:
    """What a node may leave for conditions to read.

    Raises:
        LimitExceeded: over 4 KiB.
    """
    size = len(to_json(payload))
    if size > RESULT_BYTES_MAX:
        raise LimitExceeded(
            "payload",
            limit=RESULT_BYTES_MAX,
            size=size,
            hint="payload is the node's small result, read by conditions; put the rest into the report",
        )
    return payload


def leave_result(draft: Draft, node: NodeState) -> None:
    """Leave `result.json` of a completed node, which is made from its state."""
    draft.project(result_path(node.id))


def write_failure(draft: Draft, node: NodeState, *, payload: Bag, summary: str) -> None:
    """Leave `result.json` of a node that failed for good, with what no state keeps."""
    text = result_text(draft.state.run_id, node, payload=payload, summary=summary)
    draft.write(result_path(node.id), text)


def heed_conditions(draft: Draft, node_id: NodeId, payload: Bag) -> None:
    """Hold a node's result against the conditions that will read it; a completed node cannot mend it any more.

    What is absent is null, and `==` with null is quietly false: a forgotten key would skip work that
    nobody decided to skip, so the worker is told. It may not skip a person's decision, and a number in
    quotes is a slip.

    Raises:
        InvalidRequest: no key where an approval is not asked of a person without it, or a text where every
            condition that reads the key wants a number, or true or false.
    """
    for key, awaited in keys_awaited(draft.plan, draft.nodes, node_id).items():
        if key not in payload:
            approvals = (one for one in awaited.readers if draft.nodes[one].kind == "approval")
            if (unasked := next((one for one in approvals if not _is_asked(draft, one)), None)) is not None:
                raise result_missing(draft.state, node_id, payload, key, wanted=awaited, approval=unasked)
            draft.warnings.append(
                f"missing_result: payload has no {shown(key)!r}, which the condition of node {awaited.readers[0]!r} "
                "reads: it is null there"
            )
        elif isinstance(payload[key], str) and awaited.kind not in (None, "text"):
            raise result_in_quotes(draft.state, node_id, payload, key, wanted=awaited)


def _is_asked(draft: Draft, approval: NodeId) -> bool:
    """Whether a person is asked by what the nodes left so far."""
    try:
        return condition_holds(draft, approval)
    except (ExpressionFault, ExpressionTypeError):
        return False
