"""The registry read by address: `opentask://...`, for hosts and people who read rather than call.

A document that a node has not left yet reads as an empty text with a note; only what names no
workflow, run or node is an error. Documents are in the names of the disk, and no fence is in
any of them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic_core import to_json

from ..core.names import NodeId, RunId, is_id, shown
from ..core.patch import to_document
from ..core.record import Bag, Json
from ..core.result import result_at
from ..core.run import NodeState, Run
from ..errors import InvalidRequest, NextCall, NotFound, RegistryError
from ..formats.workflow_writer import write_workflow
from ..registry import Registry, View
from ..storage.port import LoggedEvent
from .fit import ROWS_DEFAULT
from .graphs import run_graph_mermaid, run_graph_text
from .lookup import KnownRun, node_of, state_or_none
from .node_views import report_path
from .run_lists import RunFilters, cursor_of, page_of, read_cursor
from .run_rows import without_fences
from .task_documents import newest_task_ids, queue_document, task_document
from .workflow_sources import definition_ids, definition_text

__all__ = [
    "Document",
    "ResourceRow",
    "complete",
    "read_resource",
    "recent_resources",
    "run_graph_mermaid",
    "run_graph_text",
]

DOCUMENT_BYTES_MAX: Final = 256 << 10
NODE_DOCUMENT_BYTES: Final = 12_000
EVENTS_DEFAULT: Final = 100
EVENTS_MAX: Final = 1_000
VALUES_MAX: Final = 200
_RUNS_LOOKED_AT: Final = 200
_SCHEME: Final = "opentask"
_JSON: Final = "application/json"
_LINES: Final = "application/jsonl"
_MARKDOWN: Final = "text/markdown"
_STANDARD_NAMES: Final = ("plan.md", "findings.md", "progress.md", "handoff.md", "report.md", "result.json")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Document:
    """What stands at an address. `note` says why a text is empty or shorter than the file."""

    mime: str
    text: str
    note: str | None = None


@dataclass(frozen=True)
class ResourceRow:
    """One line of a list of resources."""

    uri: str
    name: str
    title: str
    mime: str


def read_resource(registry: Registry, uri: str) -> Document:
    """The document at an address.

    Raises:
        NotFound: no such address, workflow, run or node.
        InvalidRequest: a parameter of the address is wrong.
    """
    try:
        split = urlsplit(uri)
    except ValueError:
        raise _no_such_address(uri) from None
    parts = [split.netloc, *(unquote(part) for part in split.path.split("/")[1:])]
    query = {name: values[-1] for name, values in parse_qs(split.query).items()}
    if split.scheme != _SCHEME or (split.query and parts[2:] != ["events"]) or not _are_sound(parts):
        raise _no_such_address(uri)
    match parts:
        case ["workflows", workflow_id]:
            return Document(_MARKDOWN, definition_text(registry, workflow_id))
        case ["runs", run_id, "events"]:
            return _events(registry, run_id, query)
        case ["runs", run_id, "control"]:
            return _control(registry, run_id)
        case ["runs", run_id, "nodes", node_id]:
            return _node(registry, _view(registry, run_id).run, node_id)
        case ["runs", run_id, "nodes", node_id, *names]:
            run = _view(registry, run_id).run
            node_of(run, node_id)
            return _file(registry, run, "/".join(("nodes", node_id, *names)))
        case ["agents", agent_id, "queue"]:
            return _json(queue_document(registry, agent_id))
        case ["tasks", task]:
            return _json(task_document(registry, task))
        case ["runs", run_id, *rest] if tuple(rest) in _OF_A_RUN:
            return _OF_A_RUN[tuple(rest)](_view(registry, run_id).run)
    raise _no_such_address(uri)


def _are_sound(parts: list[str]) -> bool:
    """Whether ids are ids and names stay below their node."""
    ids = (parts[1].split(":", 1) if parts[0] == "tasks" else parts[1:2]) + (
        parts[3:4] if parts[2:3] == ["nodes"] else []
    )
    return all(is_id(one) for one in ids) and not any(
        part in ("", ".", "..") or "\0" in part or "/" in part for part in parts
    )


def _no_such_address(uri: str) -> NotFound:
    return NotFound(
        f"no resource {shown(uri, 200)!r}",
        hint="addresses are opentask://workflows/ID, opentask://runs/ID, and below a run refs, events, control, "
        "workflow, graph, nodes/ID and nodes/ID/NAME; opentask://agents/ID/queue and opentask://tasks/ID",
        next=(NextCall("list_runs", {}, "all runs"),),
        uri=shown(uri, 200),
    )


def _view(registry: Registry, run_id: RunId) -> View:
    with KnownRun(registry, run_id):
        return registry.read(run_id)


def _state(run: Run) -> Document:
    document = to_document(run.state.model_copy(update={"nodes": {}}))
    document["nodes"] = [to_document(node) for node in run.state.nodes.values()]
    document["log"] = {"rev": run.log.rev, "stateRev": run.log.state_rev, "seq": run.log.seq}
    return _json(document)


def _refs(run: Run) -> Document:
    refs = run.refs
    document: Bag = refs.model_dump(mode="json", by_alias=True)
    document["appliedControlIds"] = list(refs.applied_control_ids)
    document["pendingEffects"] = [to_document(effect) for effect in refs.pending_effects.values()]
    document["operations"] = list(refs.operations)
    return _json(document)


def _workflow(run: Run) -> Document:
    return Document(_MARKDOWN, write_workflow(run.plan.workflow()))


def _graph(run: Run) -> Document:
    return Document("text/vnd.mermaid", run_graph_mermaid(run))


_OF_A_RUN: Final[Mapping[tuple[str, ...], Callable[[Run], Document]]] = {
    (): _state,
    ("refs",): _refs,
    ("workflow",): _workflow,
    ("graph",): _graph,
}


def _json(document: Bag) -> Document:
    return Document(_JSON, json.dumps(without_fences(document), indent=2, ensure_ascii=False))


def _events(registry: Registry, run_id: RunId, query: Mapping[str, str]) -> Document:
    """Lines of the trail without their patches; without `since_seq` the newest ones."""
    for name, value in query.items():
        if name not in ("since_seq", "limit") or not _NUMBER.fullmatch(value):
            raise InvalidRequest(
                f"{shown(name)} is {shown(value)!r}; events takes since_seq and limit, whole numbers",
                hint=f"for example opentask://runs/{run_id}/events?since_seq=0&limit=100",
            )
    limit = max(1, min(int(query.get("limit", EVENTS_DEFAULT)), EVENTS_MAX))
    newest = _view(registry, run_id).run.log.seq
    since = int(query["since_seq"]) if "since_seq" in query else max(0, newest - limit)
    logged = registry.store.events(run_id, since_seq=since, limit=limit)
    text = "".join(to_json(_event_document(run_id, one)).decode() + "\n" for one in logged)
    last = logged[-1].seq if logged else since
    note = f"events after {last} are left: since_seq={last}" if last < newest else None
    return Document(_LINES, text, note or (None if logged else "no event is newer than that"))


def _event_document(run_id: RunId, logged: LoggedEvent) -> Bag:
    event = logged.event
    document: Bag = {"event": event.name, "timestamp": event.timestamp, "runId": run_id}
    if event.node_id is not None:
        document["nodeId"] = event.node_id
    if event.message is not None:
        document["message"] = event.message
    document["payload"] = without_fences(event.payload)
    document["actor"] = event.actor.model_dump(mode="json", by_alias=True)
    return {**document, "seq": logged.seq, "rev": logged.rev}


def _control(registry: Registry, run_id: RunId) -> Document:
    with KnownRun(registry, run_id):
        lines = registry.store.control_lines(run_id)
    text = "".join(to_json(line).decode() + "\n" for line in lines)
    return Document(_LINES, text, None if lines else "nobody has asked anything of this run yet")


def _node(registry: Registry, run: Run, node_id: NodeId) -> Document:
    """A node and the beginnings of its documents."""
    node = node_of(run, node_id)
    documents: list[Json] = []
    for path, size in registry.store.files(run.state.run_id, node_id):
        raw, _ = registry.store.read_file(run.state.run_id, path, offset=0, limit=NODE_DOCUMENT_BYTES)
        document: Bag = {
            "name": path.removeprefix(f"nodes/{node_id}/"),
            "path": path,
            "bytes": size,
            "text": raw.decode(errors="replace"),
        }
        if size > len(raw):
            document["truncated"] = True
        documents.append(document)
    return _json({"runId": run.state.run_id, "node": to_document(node), "documents": documents})


def _file(registry: Registry, run: Run, path: str) -> Document:
    """A file of a run as text; empty with a note while nobody has written it."""
    kind = _mime_of(path)
    try:
        raw, size = registry.store.read_file(run.state.run_id, path, offset=0, limit=DOCUMENT_BYTES_MAX)
    except NotFound:
        raw, size = b"", 0
    if not size:
        # A result that is not written yet is known already.
        raw = result_at(run, path)
        size = len(raw)
    text = raw.decode(errors="replace")
    if size > len(raw):
        return Document(kind, text, f"the first {len(raw):,} of {size:,} bytes; read_artifact reads on")
    return Document(kind, text, None if size else f"{path} is not written yet")


def _mime_of(path: str) -> str:
    suffix = path.rpartition(".")[2].lower()
    return {"md": _MARKDOWN, "json": _JSON, "jsonl": _LINES, "html": "text/html", "csv": "text/csv"}.get(
        suffix, "text/plain"
    )


def recent_resources(registry: Registry, cursor: str | None) -> tuple[list[ResourceRow], str | None]:
    """A page of the newest runs, each with the reports it has, and the cursor of the next page."""
    filters = RunFilters()
    after = read_cursor(cursor, filters, tool="list_runs") if cursor else None
    page = page_of(registry, filters, after=after, limit=ROWS_DEFAULT).runs
    rows: list[ResourceRow] = []
    for run in page[:ROWS_DEFAULT]:
        rows.append(ResourceRow(_run_uri(run.run_id), run.run_id, f"{run.title} ({run.status})", _JSON))
        state = state_or_none(registry, run.run_id)
        nodes = state.nodes.values() if state is not None else ()
        rows += [row for node in nodes if (row := _report_row(run.run_id, node)) is not None]
    return rows, cursor_of(page[ROWS_DEFAULT - 1], filters) if len(page) > ROWS_DEFAULT else None


def _report_row(run_id: RunId, node: NodeState) -> ResourceRow | None:
    path = report_path(node)
    if path is None or not path.startswith(f"nodes/{node.id}/"):
        return None
    return ResourceRow(
        f"{_run_uri(run_id)}/{path}", f"{run_id}/{path}", f"Report of {node.title} in {run_id}", _mime_of(path)
    )


def _run_uri(run_id: RunId) -> str:
    return f"{_SCHEME}://runs/{run_id}"


def complete(registry: Registry, argument: str, prefix: str, context: Mapping[str, str]) -> list[str]:
    """Values of an id argument that begin so, best first; nothing for arguments that are no ids.

    Args:
        context: Arguments that are known already, such as the run of a node.
    """
    try:
        return [value for value in _values(registry, argument, context) if value.startswith(prefix)][:VALUES_MAX]
    except RegistryError:
        return []  # the run named before does not exist; a person who types is told so when they send it


def _values(registry: Registry, argument: str, context: Mapping[str, str]) -> list[str]:
    if argument == "run_id":
        return list(registry.store.run_ids())
    if argument == "workflow_id":
        return definition_ids(registry)
    if argument == "agent_id":
        newest = page_of(registry, RunFilters(), limit=_RUNS_LOOKED_AT).runs
        held = (agent_id for run in newest for agent_id in run.agent_ids)
        return sorted({*registry.settings.agents, *registry.views.agents(), *held})
    if argument == "task_id":
        return newest_task_ids(registry, VALUES_MAX)
    run_id = context.get("run_id", "")
    if argument not in ("node_id", "name") or not is_id(run_id):
        return []
    state = registry.store.state(run_id)
    if argument == "node_id":
        return list(state.nodes)
    node_id = context.get("node_id", "")
    if node_id not in state.nodes:
        return []
    names = [path.removeprefix(f"nodes/{node_id}/") for path, _ in registry.store.files(run_id, node_id)]
    return list(dict.fromkeys([*names, *_STANDARD_NAMES]))
