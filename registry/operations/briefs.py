"""What a worker is given with a node: the brief, what came before, and what it must leave."""

import json
from dataclasses import dataclass
from typing import Final

from ..core.assignment import assignment, sources
from ..core.limits import PROMPT_BYTES_MAX
from ..core.names import NodeId, RunId
from ..core.record import Bag
from ..core.run import NodeState, Run
from ..errors import RegistryError
from ..registry import Registry
from .answers import cut, report_path
from .table import Result

BRIEF_CHARS_MAX: Final = 8_000
BRIEF_SHOWN_MAX: Final = 10_000
"""The brief counted as JSON shows it, where every newline and quote is two characters."""

_HANDOFF_BYTES_MAX: Final = 4 * PROMPT_BYTES_MAX
"""More than a handoff of ours can have: its head, the assignment and what was added."""

SOURCES_MAX: Final = 100
"""So many files are looked at for one claim, unless the node itself names more needs."""

SUMMARY_CHARS_MAX: Final = 300
INLINE_BYTES_MAX: Final = 64 << 10
"""Reports above this are never put into an answer, and their length is told in bytes."""

INLINE_LEAST: Final = 400
"""Less room than this for a report is not worth a cut one."""

_as_shown: Final = json.JSONEncoder(ensure_ascii=False).encode


class InputRow(Result):
    """What an earlier node left. `chars` is the length of the file at `path`."""

    node_id: str
    status: str
    summary: str | None = None
    path: str | None = None
    chars: int | None = None
    content: str | None = None
    content_cut: bool | None = None


class AttemptRow(Result):
    """An attempt that is over."""

    attempt: int
    owner: str | None = None
    ended: str
    at: str
    last_progress: str | None = None
    error: str | None = None


class OutputsRow(Result):
    """What the node must leave: run-relative files."""

    mode: str
    required: tuple[str, ...]


@dataclass(frozen=True)
class Brief:
    """The text to follow. `rest` is where a cut one goes on: path and position in bytes."""

    text: str
    rest: tuple[str, int] | None = None


def brief_of(registry: Registry, run: Run, node: NodeState, *, run_dir: str) -> Brief:
    """The handoff where one was written, else the run's folder and the assignment.

    A handoff holds the assignment as it was when it was written. One without the present one, because the
    plan was edited since or another program wrote it, comes after it.
    """
    asked = assignment(run.plan, node)
    path = node.working_memory.handoff
    text = _handoff_text(registry, run.state.run_id, path)
    if text and asked in text:
        return _brief("", text, rest=path)
    head = f"Run folder: {run_dir}\n\n{asked}"
    return _brief(f"{head}\n\n---\n\n", text, rest=path) if text else _brief(head, "")


def _brief(head: str, text: str, *, rest: str | None = None) -> Brief:
    """As much of both as a brief holds; `rest` is the file whose beginning the text is."""
    whole = head + text
    kept = shortened(whole, chars=BRIEF_CHARS_MAX, shown=BRIEF_SHOWN_MAX)
    if len(kept) == len(whole):
        return Brief(kept)
    if rest is None or len(kept) < len(head):
        return Brief(kept, ("workflow.lock.md", 0))
    return Brief(kept, (rest, len(kept[len(head) :].encode())))


def _handoff_text(registry: Registry, run_id: str, path: str | None) -> str:
    if path is None:
        return ""
    try:
        content, _ = registry.store.read_file(run_id, path, offset=0, limit=_HANDOFF_BYTES_MAX)
    except RegistryError:
        return ""
    return content.decode(errors="replace")


def inputs_of(registry: Registry, run: Run, node: NodeState) -> tuple[tuple[InputRow, ...], int]:
    """What each node left whose result this one works from, without contents; and how many more there are."""
    named = sources(run.state.nodes, node)
    looked_at = named[: max(len(node.needs), SOURCES_MAX)]
    return tuple(_input(registry, run, run.state.nodes[one]) for one in looked_at), len(named) - len(looked_at)


def _input(registry: Registry, run: Run, left: NodeState) -> InputRow:
    path = report_path(left)
    size = _length(registry, run.state.run_id, path) if path else None
    return InputRow(
        node_id=left.id,
        status=left.status,
        summary=cut(left.summary, SUMMARY_CHARS_MAX) if left.summary else None,
        path=path if size is not None else None,
        chars=size,
    )


def with_contents(registry: Registry, run: Run, rows: tuple[InputRow, ...], *, room: int) -> tuple[InputRow, ...]:
    """The rows with as much of their files as there is room for, shared fairly; short files leave more to long ones."""
    wanted = sorted((row.chars or 0, row.node_id) for row in rows if row.path and (row.chars or 0) <= INLINE_BYTES_MAX)
    contents: dict[NodeId, str] = {}
    paths = {row.node_id: row.path for row in rows}
    for place, (_, node_id) in enumerate(wanted):
        share = room // (len(wanted) - place)
        text = text_file(registry, run.state.run_id, paths[node_id] or "")
        if text is None or share < INLINE_LEAST:
            continue
        contents[node_id] = shortened(text, chars=share, shown=share)
        room -= len(_as_shown(contents[node_id]))
    return tuple(
        row.model_copy(update={"content": text, "content_cut": True if len(text) < (row.chars or 0) else None})
        if (text := contents.get(row.node_id)) is not None
        else row
        for row in rows
    )


def attempts_of(node: NodeState) -> tuple[AttemptRow, ...]:
    """Attempts that are over: the next one must know of them."""
    return tuple(
        AttemptRow(
            attempt=past.attempt,
            owner=past.owner,
            ended=past.ended,
            at=past.at,
            last_progress=cut(past.progress, SUMMARY_CHARS_MAX) if past.progress else None,
            error=cut(past.error, SUMMARY_CHARS_MAX) if past.error else None,
        )
        for past in node.attempts
    )


def outputs_of(run: Run, node_id: NodeId) -> OutputsRow:
    """What the node must leave before it can be completed."""
    definition = run.plan.nodes[node_id]
    return OutputsRow(mode=definition.outputs.mode, required=definition.required_files)


def shortened(text: str, *, chars: int, shown: int) -> str:
    """The beginning of a text: at most so many characters, and so many as JSON shows them."""
    kept = text[:chars]
    while kept and (over := len(_as_shown(kept)) - shown) > 0:
        kept = kept[: len(kept) - max(1, over // 2)]
    return kept


def text_file(registry: Registry, run_id: str, path: str) -> str | None:
    """A short file as text; None where there is none, or it is long or no text."""
    try:
        content, size = registry.store.read_file(run_id, path, offset=0, limit=INLINE_BYTES_MAX)
    except RegistryError:
        return None
    if not content or size > INLINE_BYTES_MAX:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _length(registry: Registry, run_id: str, path: str) -> int | None:
    """Characters of a file; of a long one the bytes; None where it is gone."""
    text = text_file(registry, run_id, path)
    if text is not None:
        return len(text)
    try:
        _, size = registry.store.read_file(run_id, path, offset=0, limit=1)
    except RegistryError:
        return None
    return size or None


def child_prompt(run_id: RunId, node: NodeState, *, run_dir: str) -> str:
    """The whole text to give to a child that is to work on a node; made of our own words and ids."""
    named: Bag = {"run_id": run_id, "node_id": node.id}
    claim = json.dumps(named)
    done = json.dumps(
        {**named, "fence": "<fence>", "outcome": "completed", "summary": "<one sentence>", "report": "<Markdown>"}
    )
    failed = json.dumps({**named, "fence": "<fence>", "outcome": "failed", "error": "<what went wrong>"})
    beat = json.dumps({**named, "fence": "<fence>", "message": "<how far you are>"})
    return "\n".join(
        [
            f"You work on node {node.id} of OpenTask run {run_id}, with the tools of the MCP server opentask.",
            "",
            f"1. Call claim_node {claim}. The answer holds `brief`, which is your task, and `fence`. "
            "If it is refused, or claimed is false, stop and answer with what it said.",
            "2. Do what the brief says. Its `inputs` are what earlier nodes left (read_artifact reads them). "
            f"Files of your own go below {run_dir}/nodes/{node.id}/, or through write_artifact. "
            f"Every five minutes call heartbeat_node {beat}; if it answers stop: true, stop.",
            f"3. End with finish_node {done}, with payload too if the brief asks for one. "
            f"If it cannot be done: finish_node {failed}.",
            "",
            "Change nothing else of the run, approve nothing, and do not write to the user. "
            "Your last message is one sentence: what came of it.",
        ]
    )
