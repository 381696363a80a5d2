"""`run create --spec-file`: a workflow with the nodes that a file in JSON names.

A spec file is an object with the workflow file's own keys. Its `nodes` are the run's nodes; one that leaves out
its prompt, outputs or timeout takes them from the workflow's node of the same id. Any other key replaces the
workflow's, and what is left out stays.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from registry.core.record import Bag, Json
    from registry.core.workflow import Workflow

_TAKEN_OVER: Final = ("prompt", "outputs", "timeoutMs")


def with_spec(workflow: "Workflow", spec: object, *, source: str) -> str:
    """The text of the workflow that both make; it is checked where every workflow is.

    Raises:
        InvalidRequest: the spec is no object with nodes.
    """
    from registry.core.patch import to_document
    from registry.errors import InvalidRequest
    from registry.formats.frontmatter import join_front_matter

    nodes = spec.get("nodes") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise InvalidRequest(
            f"{source} is not a spec: it must be an object with nodes, a list of objects",
            hint='for example {"nodes": [{"id": "build", "title": "Build", "kind": "session_turn", "prompt": "..."}]}',
        )
    whole = to_document(workflow)
    extras, body = whole.pop("extras", {}), whole.pop("body", "")
    known = {node.id: to_document(node) for node in workflow.nodes}
    assert isinstance(extras, dict) and isinstance(body, str)
    merged = {**whole, **extras, **spec, "nodes": [_filled(node, known) for node in nodes]}
    # JSON is YAML as well, so it needs no writer of its own.
    return join_front_matter(json.dumps(merged, ensure_ascii=False, indent=1) + "\n", body)


def _filled(node: "Bag", known: "Mapping[str, Mapping[str, Json]]") -> "Bag":
    named = node.get("id")
    there = known.get(named, {}) if isinstance(named, str) else {}
    return {**node, **{key: there[key] for key in _TAKEN_OVER if node.get(key) is None and key in there}}
