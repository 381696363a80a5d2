"""Documents of a node that commands write: the handoff with its head, and artifacts."""

from ...errors import IllegalTransition, LimitExceeded, NextCall
from ..commands import WriteArtifact, WriteHandoff
from ..draft import Draft
from ..limits import ARTIFACT_BYTES_MAX, PROMPT_BYTES_MAX
from ..names import shown
from ..refusals import lease_lost, situation
from ..run import NodeState
from ..workflow import WORK_KINDS, NodeDefinition


def write_handoff(draft: Draft, command: WriteHandoff) -> None:
    """Write `handoff.md`: what a worker needs to know of the run, then the brief itself."""
    node = draft.node(command.node_id)
    if not node.is_open:
        raise IllegalTransition(
            f"node {node.id!r} is {situation(node)}; a handoff is for work still to be done",
            hint="request_control retry opens it again" if node.status != "completed" else "change_plan adds a node",
            next=(NextCall("get_run", {"run_id": draft.state.run_id}, "shows what is open"),),
        )
    size = len(command.content.encode())
    if size > PROMPT_BYTES_MAX:
        raise LimitExceeded("content", limit=PROMPT_BYTES_MAX, size=size, hint="put the long part in an artifact")
    path = f"nodes/{node.id}/handoff.md"
    text = handoff(draft.state.run_id, node, draft.plan.nodes[node.id], draft.facts.run_dir, command.content)
    draft.write(path, text)
    memory = node.working_memory
    if memory.handoff != path:
        draft.change(node.id, working_memory=memory.model_copy(update={"handoff": path}))
    draft.tell("node.handoff_written", node.id, path=path, bytes=size)
    draft.answer = {"path": path, "nodeId": node.id}


def handoff(run_id: str, node: NodeState, plan: NodeDefinition, run_dir: str, content: str) -> str:
    """The text of a handoff: generated head, then the brief."""
    needed = [f"- nodes/{need}/report.md" for need in node.needs]
    required = [f"- {path}" for path in plan.required_files] or ["- none; your summary is the result"]
    lines = [
        f"# Handoff: {shown(node.title, 200)}",
        "",
        f"- run: {run_id}",
        f"- node: {node.id}",
        f"- attempt: {node.attempt if node.status == 'running' else node.attempt + 1}",
        f"- workspace root: {run_dir}",
        "",
        "Files to read, where they exist:",
        *(needed or ["- none"]),
        "",
        "Files to leave:",
        *required,
        "",
        f"Write only below nodes/{node.id}/. Change nothing else of the run, and do not write to the user.",
        "",
        "To finish: `finish_node` with the fence that `claim_node` gave you, outcome `completed` with summary",
        "and report, or `failed` with the reason in error. Without these tools, say so to whoever sent you.",
        "",
        "---",
        "",
        content.strip(),
        "",
    ]
    return "\n".join(lines)


def write_artifact(draft: Draft, command: WriteArtifact) -> None:
    """Write a file of a node; the file is durable before the trail names it."""
    node = draft.node(command.node_id)
    if command.fence is not None and (node.lease is None or node.lease.fence != command.fence):
        attempt = command.fence.partition("-")[0]
        raise lease_lost(draft.state, node, attempt=int(attempt) if attempt.isdecimal() else None)
    if len(command.content) > ARTIFACT_BYTES_MAX:
        raise LimitExceeded(command.path, limit=ARTIFACT_BYTES_MAX, size=len(command.content))
    draft.write(command.path, command.content)
    if node.kind in WORK_KINDS and command.path not in node.artifact_paths:
        draft.change(node.id, artifact_paths=(*node.artifact_paths, command.path))
    draft.tell("node.artifact_written", node.id, path=command.path, bytes=len(command.content), mode=command.mode)
    draft.answer = {"path": command.path, "bytes": len(command.content)}
