"""From a decision to a durable mutation: files, lines, sync, projections, in this order."""

from typing import cast

from ...core.events import Decision
from ...core.limits import MUTATION_BYTES_MAX
from ...core.patch import Document, diff
from ...core.record import Json
from ...core.run import Run
from ...errors import LimitExceeded, OutcomeUnknown, RegistryError
from ...formats.event_line import crc_of, read_sealed, seal
from ...formats.fold import Mark, joined, without_adopted
from ..port import Committed
from .appending import append
from .atomic import Placement
from .checkpoints import checkpoint_body, restart_body
from .handles import Loaded, OpenRun
from .indexing import index_change, mark_changing, mark_unchanged
from .projecting import Place, project


def mutate(
    place: Place,
    entry: OpenRun,
    known: Loaded,
    decision: Decision,
    *,
    op_id: str | None = None,
    control: int | None = None,
    restart: bool = False,
    end: int | None = None,
) -> tuple[Loaded, Committed]:
    """Make a decision durable as one mutation.

    Args:
        control: Bytes of the inbox judged with it; None leaves that as it is.
        restart: Carry a snapshot instead of a patch.
        end: Where the trail ends when that is not where `known` does.

    Raises:
        StorageFull, StorageFault, LimitExceeded: nothing was changed.
        OutcomeUnknown: it may or may not be there.
    """
    before, run = known.run, decision.run
    log, former = run.log, before.log
    assert log.rev == former.rev + 1, "a decision advances the revision by one"
    assert log.seq == former.seq + len(decision.events), "a decision counts its events"
    judged = known.mark.control if control is None else control
    ends_at = known.mark.offset if end is None else end
    if restart:
        chunk, begins_at = _sealed(before, decision, restart_body(run, control=judged), op_id), None
    else:
        chunk, begins_at = _with_patch(entry, known, decision, control=judged, offset=ends_at, op_id=op_id)
    is_marked = mark_changing(place, entry)
    try:
        offset = _written(place, entry, decision, chunk, ends_at)
    except OutcomeUnknown:
        raise  # the mark stays: whoever reads the index next looks at what there is
    except RegistryError:
        mark_unchanged(place, entry)
        raise
    mark = Mark(
        offset=offset + len(chunk),
        snapshot=offset if restart or offset == begins_at else known.mark.snapshot,
        control=judged,
        tip=crc_of(chunk[:-1]),
        unadopted=_unadopted(known.mark, chunk, start=ends_at, offset=offset),
    )
    now, warnings = project(place, entry, known, run, mark)
    entry.loaded = now
    warnings += index_change(place, entry, before.state, run.state, base_size=ends_at, is_marked=is_marked)
    committed = Committed(run=run, rev=log.rev, events=decision.events, warnings=warnings)
    return now, committed


def _written(place: Place, entry: OpenRun, decision: Decision, chunk: bytes, end: int) -> int:
    if not decision.files:
        return append(entry, chunk, end=end, synced=place.synced)
    placement = Placement(entry.folder, synced=place.synced)
    placement.put(decision.files)
    try:
        offset = append(entry, chunk, end=end, synced=place.synced)
    except OutcomeUnknown:
        placement.settle()
        raise
    except RegistryError:
        placement.undo()
        raise
    placement.settle()
    return offset


def _with_patch(
    entry: OpenRun, known: Loaded, decision: Decision, *, control: int, offset: int, op_id: str | None
) -> tuple[bytes, int | None]:
    """The lines of a mutation with its patch and, where one is due, a snapshot; with that, where a fold may begin."""
    patch = _patch_body(known.run, decision.run, known.mark.control, control)
    chunk = _sealed(known.run, decision, patch, op_id)
    if len(chunk) > MUTATION_BYTES_MAX:
        raise LimitExceeded("the change as a whole", limit=MUTATION_BYTES_MAX, size=len(chunk))
    room = MUTATION_BYTES_MAX - len(chunk)
    beside = checkpoint_body(entry, known.mark, decision, control=control, offset=offset, room=room)
    if not beside:
        return chunk, None
    return _sealed(known.run, decision, {"patch": {}, **patch, **beside}, op_id), offset


def _sealed(before: Run, decision: Decision, body: Document, op_id: str | None) -> bytes:
    run = decision.run
    return seal(
        decision.events,
        run_id=run.state.run_id,
        after_seq=before.log.seq,
        rev=run.log.rev,
        body=body,
        op_id=op_id,
    )


def _patch_body(before: Run, run: Run, judged_before: int, judged: int) -> Document:
    patch: dict[str, list[list[Json]]] = diff(before, run)
    numbers: list[list[Json]] = []
    state_rev = run.log.state_rev
    if state_rev != before.log.state_rev:
        numbers.append(["set", ["stateRev"], state_rev])
    if judged != judged_before:
        numbers.append(["set", ["control"], judged])
    if numbers:
        patch["log"] = numbers
    return {"patch": cast(Json, patch)} if patch else {}


def _unadopted(mark: Mark, chunk: bytes, *, start: int, offset: int) -> tuple[tuple[int, int], ...]:
    spans = mark.unadopted
    if offset > start:
        spans = joined(spans, (start, offset - start))
    if not spans:
        return spans
    lines = [line for text in chunk.splitlines() if (line := read_sealed(text)) is not None]
    return without_adopted(spans, lines)
