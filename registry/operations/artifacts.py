"""Files of nodes for agents that cannot reach the disk: written whole or in parts, read in slices."""

import hashlib
import json
from typing import Final, Literal

from .. import clock
from ..core.commands import WriteArtifact
from ..core.names import NodeId, RunId, nearest, shown
from ..core.record import Bag
from ..core.result import result_at
from ..core.run import Run
from ..errors import InvalidRequest, NextCall, NotFound, RegistryError
from ..registry import Registry
from . import fields
from .acting import acting
from .answers import Mutated, NextStep, mutated, next_calls, step
from .caller import Caller
from .flow_rows import OWN_FILES, own_text
from .lookup import change_run, node_of, open_run
from .paths import readable_path, writable_path
from .table import Operation, Request, Result

SLICE_CHARS_DEFAULT: Final = 12_000
SLICE_CHARS_MAX: Final = 14_000
SLICE_SHOWN_MAX: Final = 14_400
"""A slice counted as JSON shows it: a table of quotes and newlines is cut shorter, and goes on at next_offset."""

HASHED_BYTES_MAX: Final = 64 << 20
_CHUNK: Final = 1 << 20
_UTF8_BYTES_MAX: Final = 4
_DOCUMENTS: Final = frozenset({"plan.md", "findings.md", "progress.md", "handoff.md", "report.md", "result.json"})
"""Documents that every node may have; one that is not written yet reads as empty."""


class WriteArtifactRequest(Request):
    """Write (save) a file of a node (report.md, findings.md, any name) when you cannot write to the disk yourself.
    path is a name in the node's folder, or nodes/<node_id>/<name>. mode append adds to a long one.
    """

    run_id: fields.RunId
    node_id: fields.NodeId
    path: str
    content: fields.Content
    mode: Literal["replace", "append"] = "replace"
    fence: str | None = None


class WriteArtifactResult(Mutated):
    """Where it is and how large it is now."""

    run_id: str
    node_id: str
    path: str
    bytes: int


def _write_artifact(caller: Caller, request: WriteArtifactRequest) -> WriteArtifactResult:
    run = open_run(caller, request.run_id).run
    node_of(run, request.node_id)
    path = writable_path(
        request.run_id,
        request.path,
        node_id=request.node_id,
        run_dir=caller.registry.store.run_dir(request.run_id),
        declared=run.plan.nodes[request.node_id].required_files,
    )
    outcome = change_run(
        caller,
        request.run_id,
        WriteArtifact(
            actor=acting(caller),
            node_id=request.node_id,
            path=path,
            content=request.content.encode(),
            mode=request.mode,
            fence=request.fence,
        ),
    )
    return WriteArtifactResult.model_validate(
        mutated(
            outcome,
            caller,
            run_id=request.run_id,
            node_id=request.node_id,
            path=path,
            bytes=outcome.answer["bytes"],
        )
    )


WRITE_ARTIFACT = Operation(
    name="write_artifact",
    request=WriteArtifactRequest,
    result=WriteArtifactResult,
    toolset="core",
    read_only=False,
    destructive=True,
    run=_write_artifact,
)


class ReadArtifactRequest(Request):
    """Read (open) a file, artifact or result of a run: report.md, result.json, handoff.md (with node_id, or as
    nodes/<node_id>/report.md), workflow.lock.md. Long ones in slices: limit counts characters, offset is the
    next_offset of the slice before.
    """

    run_id: fields.RunId
    node_id: fields.NodeId | None = None
    path: str
    offset: int = 0
    limit: int = SLICE_CHARS_DEFAULT


class ReadArtifactResult(Result):
    """A slice of a file. `bytes` is the whole file's size; offsets count bytes."""

    run_id: str
    path: str
    content: str | None = None
    offset: int
    next_offset: int | None = None
    bytes: int
    sha256: str | None = None
    note: str | None = None
    next: tuple[NextStep, ...]


def _read_artifact(caller: Caller, request: ReadArtifactRequest) -> ReadArtifactResult:
    if request.offset < 0 or request.limit < 1:
        name, value = ("offset", request.offset) if request.offset < 0 else ("limit", request.limit)
        raise InvalidRequest(f"{name} is {value}; it must be {0 if name == 'offset' else 1} or more")
    run = open_run(caller, request.run_id).run
    registry = caller.registry
    path = readable_path(
        request.run_id,
        request.path,
        node_id=request.node_id,
        run_dir=registry.store.run_dir(request.run_id),
        declared=_declared(run),
    )
    node_id = path.split("/")[1] if path.startswith("nodes/") else None
    if node_id is not None:
        node_of(run, node_id)
    found = _slice(registry, run, path, offset=request.offset, limit=min(request.limit, SLICE_CHARS_MAX))
    if found is None:
        return _nothing_there(caller, run, path, node_id)
    raw, size = found
    if not raw and request.offset > size:
        raise InvalidRequest(
            f"offset is {request.offset:,}; {path} is {size:,} bytes long",
            hint="offset is the next_offset of the slice before",
            next=(NextCall("read_artifact", {"run_id": request.run_id, "path": path}, "reads it from its beginning"),),
        )
    begin, text = _text(raw, at_start=request.offset == 0, at_end=request.offset + len(raw) >= size)
    if text is None:
        return _binary(registry, request.run_id, path, size)
    text = _cut(text, min(request.limit, SLICE_CHARS_MAX))
    offset = request.offset + begin
    after = offset + len(text.encode())
    more = after if after < size else None
    on: Bag = {"run_id": request.run_id, "path": path, "offset": after}
    return ReadArtifactResult(
        run_id=request.run_id,
        path=path,
        content=text,
        offset=offset,
        next_offset=more,
        bytes=size,
        next=(step("read_artifact", on, "goes on where this ends"),) if more is not None else (),
    )


def _declared(run: Run) -> frozenset[str]:
    """Files outside the nodes' folders that nodes must leave or say they left, and what a flow's controller keeps."""
    named = frozenset(
        path
        for node in run.state.nodes.values()
        for path in (*run.plan.nodes[node.id].required_files, *node.artifact_paths)
        if not path.startswith("nodes/")
    )
    return named if run.state.flow is None else named | OWN_FILES


def _slice(registry: Registry, run: Run, path: str, *, offset: int, limit: int) -> tuple[bytes, int] | None:
    """Bytes enough for so many characters, and the file's size; None when there is no such file."""
    most = (limit + 1) * _UTF8_BYTES_MAX
    own = own_text(run.state.flow, path)
    if own is not None:
        return own[offset : offset + most], len(own)
    try:
        raw, size = registry.store.read_file(run.state.run_id, path, offset=offset, limit=most)
    except NotFound:
        raw, size = b"", 0
    if not size:
        # A result that is not written yet is known already.
        text = result_at(run, path)
        raw, size = text[offset : offset + most], len(text)
    return (raw, size) if size or raw else None


def _text(raw: bytes, *, at_start: bool, at_end: bool) -> tuple[int, str | None]:
    """The whole characters of a slice, and how many bytes stand before them; None when it is no text."""
    begin = 0
    if not at_start:
        # An offset in the middle of a character goes on with the next one.
        while begin < min(len(raw), _UTF8_BYTES_MAX - 1) and raw[begin] & 0xC0 == 0x80:
            begin += 1
    if b"\0" in raw:
        return begin, None
    body = raw[begin:]
    for cut_off in range(1 if at_end else _UTF8_BYTES_MAX):
        try:
            return begin, body[: len(body) - cut_off].decode()
        except UnicodeDecodeError:
            continue
    return begin, None


def _cut(text: str, chars: int) -> str:
    kept = text[:chars]
    while len(shown_form := json.dumps(kept, ensure_ascii=False)) > SLICE_SHOWN_MAX:
        kept = kept[: len(kept) - max(1, (len(shown_form) - SLICE_SHOWN_MAX) // 2)]
    return kept


def _binary(registry: Registry, run_id: RunId, path: str, size: int) -> ReadArtifactResult:
    """A file that is no text is told by size and hash; whoever needs it takes it from the disk."""
    digest = None
    if size <= HASHED_BYTES_MAX:
        sha256 = hashlib.sha256()
        for offset in range(0, size, _CHUNK):
            sha256.update(registry.store.read_file(run_id, path, offset=offset, limit=_CHUNK)[0])
        digest = sha256.hexdigest()
    return ReadArtifactResult(
        run_id=run_id,
        path=path,
        offset=0,
        bytes=size,
        sha256=digest,
        note=f"not UTF-8 text; the file is {registry.store.run_dir(run_id)}/{path}",
        next=(),
    )


def _nothing_there(caller: Caller, run: Run, path: str, node_id: NodeId | None) -> ReadArtifactResult:
    """A document that is still to come is empty; any other name is a mistake."""
    run_id = run.state.run_id
    name = path.rpartition("/")[2]
    expected = node_id is not None and (
        path in run.plan.nodes[node_id].required_files or (path.count("/") == 2 and name in _DOCUMENTS)
    )
    if not expected and node_id is not None and not _is_empty_file(caller.registry, run_id, node_id, path):
        known = [known for known, _ in caller.registry.store.files(run_id, node_id)]
        near = nearest(path, known)
        listed = ", ".join(shown(other) for other in known[:20]) or "none yet"
        raise NotFound(
            f"node {node_id!r} has no file {shown(name)!r}" + (f"; did you mean {shown(near)!r}?" if near else ""),
            hint=f"its files: {listed}",
            next=tuple(
                NextCall("read_artifact", {"run_id": run_id, "path": other})
                for other in ([near] if near else known[:1])
            )
            or (NextCall("get_run", {"run_id": run_id, "node_id": node_id}, "shows what it left"),),
            run_id=run_id,
            node_id=node_id,
        )
    status = f"; node {node_id} is {run.state.nodes[node_id].status}" if node_id is not None else ""
    return ReadArtifactResult(
        run_id=run_id,
        path=path,
        content="",
        offset=0,
        bytes=0,
        note=f"nothing is written there yet{status}",
        next=next_calls(run, caller, now=clock.now(), limit=2),
    )


def _is_empty_file(registry: Registry, run_id: RunId, node_id: NodeId, path: str) -> bool:
    try:
        return any(known == path for known, _ in registry.store.files(run_id, node_id))
    except RegistryError:
        return False


READ_ARTIFACT = Operation(
    name="read_artifact",
    request=ReadArtifactRequest,
    result=ReadArtifactResult,
    toolset="core",
    read_only=True,
    idempotent=True,
    run=_read_artifact,
)
