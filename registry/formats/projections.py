"""`state.json` and `refs.json`: the run for people, screens and a quick start.

One line for each field and one for each node, so that `cat`, grep and diff show what matters
and an unchanged node need not be encoded again. The last key is `log`: how far into the trail
the file was folded, and at its very end a crc32 of the compact form, which an edit breaks and
a re-indent does not.

Readers of the earlier implementation read these files: bindings are there even when empty,
`appliedControlIds` and `pendingEffects` are lists, and what they do not know stands in keys of
its own.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple, cast
from zlib import crc32

from pydantic_core import from_json, to_json

from ..core.names import NodeId
from ..core.patch import Document, to_document
from ..core.record import Json
from ..core.run import Log, NodeState, Plan, Refs, RunState
from .fold import Mark, Span

_CRC: Final = b',"crc":"'
_TAIL_BYTES: Final = 19
"""Length of `,"crc":"1f2e3d4c"}}`."""

_NUMBER_MAX: Final = 1 << 53
"""What every reader of JSON can hold."""

_NODES: Final = {"nodes"}

NodeTexts = dict[NodeId, tuple[NodeState, bytes]]
"""Encoded nodes by id, each with the state it was made from."""


class StateHead(NamedTuple):
    """What `log` of state.json says: the numbers of the run and which other files belong to it.

    `lock`, `plan` and `refs` are short hashes of workflow.lock.md, the cached plan and refs.json;
    `lock_is_behind`: workflow.lock.md could not be written when the plan changed; `unwritten`: nodes
    whose result.json could not be.
    """

    log: Log
    mark: Mark
    lock: str = ""
    plan: str = ""
    refs: str = ""
    lock_is_behind: bool = False
    unwritten: frozenset[NodeId] = frozenset()


class StateFile(NamedTuple):
    """A state.json as read. `head` is None for one that has no `log`."""

    state: RunState
    head: StateHead | None


class RefsFile(NamedTuple):
    """A refs.json as read, with the trail's rev and offset it was written at."""

    refs: Refs
    rev: int
    offset: int
    crc: str


def write_state(state: RunState, head: StateHead, known: NodeTexts) -> tuple[bytes, NodeTexts]:
    """The text of state.json, and the encoded nodes for the next time."""
    texts: NodeTexts = {}
    for node_id, node in state.nodes.items():
        entry = known.get(node_id)
        texts[node_id] = entry if entry is not None and entry[0] is node else (node, _node_text(node))
    fields = _fields(state.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NODES))
    nodes = [text for _, text in texts.values()]
    log = to_json(_head_document(head))[:-1]
    compact = crc32(b'{%b,"nodes":[%b],"log":%b' % (b",".join(fields), b",".join(nodes), log))
    listed = b"\n  %b\n " % b",\n  ".join(nodes) if nodes else b""
    text = b'{\n %b,\n "nodes":[%b],\n "log":%b,"crc":"%08x"}\n}\n' % (b",\n ".join(fields), listed, log, compact)
    return text, texts


def _node_text(node: NodeState) -> bytes:
    return node.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def write_refs(refs: Refs, *, rev: int, offset: int) -> tuple[bytes, str]:
    """The text of refs.json and its checksum. Binding fields are there even when empty."""
    document: dict[str, object] = {**_no_refs(), **to_document(refs)}
    ids = refs.applied_control_ids
    document["appliedControlIds"] = list(ids)
    document["refusedControlIds"] = [control_id for control_id, was_applied in ids.items() if not was_applied]
    document["pendingEffects"] = list(cast(Document, document["pendingEffects"]).values())
    fields = _fields(document)
    log = to_json({"rev": rev, "offset": offset})[:-1]
    crc = b"%08x" % crc32(b'{%b,"log":%b' % (b",".join(fields), log))
    return b'{\n %b,\n "log":%b,"crc":"%b"}\n}\n' % (b",\n ".join(fields), log, crc), crc.decode()


@cache
def _no_refs() -> Document:
    """All fields of refs.json, in their order, as they are when empty."""
    return Refs().model_dump(mode="json", by_alias=True)


def write_plan(plan: Plan) -> tuple[bytes, str]:
    """The plan as it is cached for processes that start anew, and its checksum."""
    text = to_json(to_document(plan))
    return text, f"{crc32(text):08x}"


def read_plan(text: bytes, crc: str) -> Plan | None:
    """A cached plan, or None when it is not the one with this checksum."""
    if f"{crc32(text):08x}" != crc:
        return None
    try:
        return Plan.model_validate_json(text)
    except ValueError:
        return None


def is_intact(text: bytes) -> bool:
    """Whether a projection is as we wrote it, its indentation aside."""
    return _crc_holds(_compact(text)) or _crc_holds(_encoded_again(text))


def read_state(text: bytes, *, is_proved: bool = True) -> StateFile | None:
    """A state.json of ours, or None when it is none: edited, torn, or of the earlier implementation.

    Args:
        is_proved: Take only one that is as it was written; else an edited one, too.
    """
    document = _object(text)
    if document is None or (is_proved and not is_intact(text)):
        return None
    try:
        head = _head_of(cast(Document, document.pop("log")))
        return StateFile(state_of(document), head)
    except (ValueError, KeyError, TypeError):
        return None


def claimed_log(text: bytes) -> Log | None:
    """The numbers in a state.json of ours, edited or not; None in a file that is none."""
    try:
        log = _head_of(cast(Document, (_object(text) or {}).get("log", {}))).log
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return log if 0 <= log.rev < _NUMBER_MAX and 0 <= log.seq < _NUMBER_MAX else None


def state_of(document: Document) -> RunState:
    """The state in a document with its nodes as a list.

    Raises:
        ValueError: it is no state.
    """
    nodes = document.get("nodes", [])
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ValueError("nodes is not a list of objects")
    by_id: Document = {}
    for node in cast("list[Document]", nodes):
        by_id[str(node.get("id"))] = node
    return RunState.model_validate({**document, "nodes": by_id})


def read_refs(text: bytes) -> RefsFile | None:
    """A refs.json of ours, or None when it is none."""
    document = _object(text)
    if document is None or not is_intact(text):
        return None
    try:
        log = cast("dict[str, int]", document.pop("log"))
        crc = str(log["crc"])
        refused = set(cast("list[str]", document.pop("refusedControlIds", [])))
        ids = cast("list[str]", document.get("appliedControlIds", []))
        document["appliedControlIds"] = {control_id: control_id not in refused for control_id in ids}
        effects = cast("list[Document]", document.get("pendingEffects", []))
        document["pendingEffects"] = {str(effect["id"]): effect for effect in effects}
        return RefsFile(Refs.model_validate(document), rev=log["rev"], offset=log["offset"], crc=crc)
    except (ValueError, KeyError, TypeError):
        return None


def _fields(document: Mapping[str, object]) -> list[bytes]:
    return [_label(name) + to_json(value) for name, value in document.items()]


@cache
def _label(name: str) -> bytes:
    return b'"%b":' % name.encode()


def _head_document(head: StateHead) -> dict[str, Json]:
    document: dict[str, Json] = {
        "rev": head.log.rev,
        "stateRev": head.log.state_rev,
        "seq": head.log.seq,
        "offset": head.mark.offset,
        "snapshot": head.mark.snapshot,
        "control": head.mark.control,
        "lock": head.lock,
        "plan": head.plan,
        "refs": head.refs,
        "tip": head.mark.tip,
        "lastAt": head.log.last_at,
    }
    if head.lock_is_behind:
        document["lockIsBehind"] = True
    if head.unwritten:
        document["unwritten"] = cast(Json, sorted(head.unwritten))
    if head.mark.unadopted:
        document["foreign"] = [list(span) for span in head.mark.unadopted]
    return document


def _head_of(document: Document) -> StateHead:
    numbers = cast("dict[str, int]", document)
    texts = cast("dict[str, str]", document)
    spans = cast("list[list[int]]", document.get("foreign", []))
    unadopted: list[Span] = [(offset, size) for offset, size in spans]
    return StateHead(
        log=Log(rev=numbers["rev"], state_rev=numbers["stateRev"], seq=numbers["seq"], last_at=texts["lastAt"]),
        mark=Mark(
            offset=numbers["offset"],
            snapshot=numbers["snapshot"],
            control=numbers["control"],
            tip=texts["tip"],
            unadopted=tuple(unadopted),
        ),
        lock=texts["lock"],
        plan=texts["plan"],
        refs=texts["refs"],
        lock_is_behind=bool(document.get("lockIsBehind")),
        unwritten=frozenset(cast("list[str]", document.get("unwritten", []))),
    )


def _object(text: bytes) -> Document | None:
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return cast(Document, value) if isinstance(value, dict) else None


def _compact(text: bytes) -> bytes:
    # Strings hold no raw newline, so these are our own line breaks and nothing else.
    return text.replace(b"\n  ", b"").replace(b"\n ", b"").replace(b"\n", b"")


def _encoded_again(text: bytes) -> bytes:
    document = _object(text)
    return b"" if document is None else to_json(document)


def _crc_holds(compact: bytes) -> bool:
    return (
        compact[-_TAIL_BYTES:-11] == _CRC
        and compact.endswith(b'"}}')
        and b"%08x" % crc32(compact[:-_TAIL_BYTES]) == compact[-11:-3]
    )
