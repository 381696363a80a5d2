"""Documents of a node that commands write: the handoff with its head, and artifacts."""

from ...errors import IllegalTransition, LimitExceeded, NextCall
from ..assignment import assignment, sources
from ..commands import WriteArtifact, WriteHandoff
from ..draft import Draft
from ..limits import ARTIFACT_BYTES_MAX, PROMPT_BYTES_MAX
from ..names import shown
from ..refusals import lease_lost, situation
from ..run import NodeState
from ..workflow import WORK_KINDS


def write_handoff(draft: Draft, command: WriteHandoff) -> None:
    """Write `handoff.md`: what a worker needs to know of the run, its assignment, and what its sender adds."""
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
    text = handoff(draft, node, command.content)
    draft.write(path, text)
    memory = node.working_memory
    if memory.handoff != path:
        draft.change(node.id, working_memory=memory.model_copy(update={"handoff": path}))
    draft.tell("node.handoff_written", node.id, path=path, bytes=size)
    draft.answer = {"path": path, "nodeId": node.id}


def handoff(draft: Draft, node: NodeState, added: str = "") -> str:
    """The text of a handoff: what its reader must know of the run, the assignment, and what its sender adds."""
    files = [f"- nodes/{one}/report.md" for one in sources(draft.nodes, node) if draft.nodes[one].kind in WORK_KINDS]
    required = [f"- {path}" for path in draft.plan.nodes[node.id].required_files]
    asked = assignment(draft.plan, node)
    lines = [
        f"# Handoff: {shown(node.title, 200)}",
        "",
        f"- run: {draft.state.run_id}",
        f"- node: {node.id}",
        f"- attempt: {node.attempt if node.status == 'running' else node.attempt + 1}",
        f"- run folder: {draft.facts.run_dir}",
        "",
        "Files to read, where they exist:",
        *(files or ["- none"]),
        "",
        "Files to leave:",
        *(required or ["- none; your summary is the result"]),
        "",
        f"Write only below nodes/{node.id}/. Change nothing else of the run, and do not write to the user.",
        "",
        "To finish: `finish_node` with the fence that `claim_node` gave you, outcome `completed` with summary,",
        "report and, if one is asked for, payload, or `failed` with the reason in error. Without these tools, say so",
        "to whoever sent you.",
    ]
    parts = ["\n".join(lines), f"## Task\n\n{asked}" if asked else "", added.strip()]
    return "\n\n---\n\n".join(part for part in parts if part) + "\n"


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
