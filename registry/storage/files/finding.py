"""A run as its files tell it, without changing any of them.

The projections give the start, the trail the rest: whatever lies in it behind what state.json
was folded to is carried out in memory. Where the projections do not hold together the whole
trail is folded from its newest snapshot. What is amiss is told, not mended (`repair.py` does).
"""

import errno
from dataclasses import replace
from typing import NamedTuple

from ...core.result import results_since
from ...core.run import Log, Run, RunState
from ...formats.event_line import read_sealed, tip_bytes
from ...formats.fold import Mark
from ...formats.projections import RefsFile, StateFile, is_intact, read_plan, read_refs, read_state
from ...formats.trail import Damage, Torn
from .checkpoints import newest_checkpoint
from .handles import Identity, Loaded, OpenRun
from .layout import REFS, STATE
from .opening import OpenRoot, read_at
from .syncing import sync_bytes
from .vouching import cached_plan, claimed_numbers, of_folder, projection, projection_text, vouched
from .walking import Walk

_LAST_LINE_BYTES = 4 << 10


class Found(NamedTuple):
    """A run and what is amiss with its files.

    Attributes:
        loaded: The run at its newest whole mutation; None where no fold gives one.
        torn: Bytes that a killed writer left behind it.
        open_line: The trail ends in a whole line of somebody without its newline.
        damage: Lines of ours are missing or broken; the run is what the projections say, or
            what could be saved.
        edited: Projections that are not as we wrote them, with their bytes.
        lost: Mutations that state.json vouches for and the trail has no longer.
        has_bindings: What refs.json knows beside is there for them, too.
        is_behind: The projections are to be written again whether or not anything else happens.
    """

    loaded: Loaded | None
    size: int = 0
    torn: tuple[Torn, ...] = ()
    open_line: bool = False
    damage: Damage | None = None
    edited: tuple[tuple[str, bytes], ...] = ()
    lost: int = 0
    has_bindings: bool = True
    is_behind: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether nothing is amiss, so that what was folded may be remembered as it is."""
        return not (self.torn or self.open_line or self.damage or self.edited or self.lost or self.is_behind)


def find_anew(entry: OpenRun, root: OpenRoot) -> Found | None:
    """The run as a process finds it that knows nothing yet."""
    return _cold(entry, root, synced=False)


def find(entry: OpenRun, root: OpenRoot, *, synced: bool) -> Found | None:
    """The run as its files tell it now; None where there is no run of ours.

    Args:
        root: For the cached plan, where nothing is known of the run yet.
        synced: Make what is behind state.json durable before it is shown, as readers must.
    """
    known = entry.loaded
    size = entry.trail_size
    # A trail that was cut may have grown again, to the very size that is known.
    if known is not None and size >= known.mark.offset and _has_tip(entry, known.mark, size):
        edited, seen = _edited_since(entry, known)
        start = known._replace(seen={**known.seen, **seen}) if seen else known
        return _rolled(entry, start, size, edited=edited, is_behind=bool(edited), synced=synced)
    return _cold(entry, root, synced=synced)


def _ending(known: Loaded, size: int) -> Loaded:
    """What is known of a trail of this size: lines of others that lay behind it were taken away again."""
    spans = known.mark.unadopted
    if not spans or spans[-1][0] < size:
        return known
    return known._replace(mark=replace(known.mark, unadopted=tuple(span for span in spans if span[0] < size)))


def _edited_since(entry: OpenRun, known: Loaded) -> tuple[tuple[tuple[str, bytes], ...], dict[str, Identity | None]]:
    """Projections that are not as we saw them: with their bytes those that none of us wrote, and how all look now."""
    edited: list[tuple[str, bytes]] = []
    seen: dict[str, Identity | None] = {}
    for name in (STATE, REFS):
        identity = entry.identity(name)
        if identity == known.seen.get(name):
            continue
        seen[name] = identity
        text = projection_text(entry, name)
        if text is None or not is_intact(text):
            edited.append((name, text or b""))
    return tuple(edited), seen


def _rolled(
    entry: OpenRun,
    start: Loaded,
    size: int,
    *,
    edited: tuple[tuple[str, bytes], ...],
    is_behind: bool,
    synced: bool,
) -> Found:
    """What the trail says beyond a run that was read; nothing, where it ends where the run does."""
    if size == start.mark.offset:
        return Found(_ending(start, size), size=size, edited=edited, is_behind=is_behind)
    if synced:
        make_durable(entry)
    walk = Walk(entry, start.run, start.mark, size)
    run = walk.run()
    if run is None:
        run, mark = start.run, start.mark
    else:
        mark = walk.fold.mark
    # Whether whoever made these mutations lived to write the projections is not known.
    unwritten = start.unwritten.union(node.id for node in results_since(start.run.state, run.state))
    same_plan, same_refs = run.plan is start.run.plan, run.refs is start.run.refs
    return Found(
        start._replace(
            run=run,
            mark=mark,
            plan=start.plan if same_plan else "",
            refs=start.refs if same_refs else "",
            lock_is_behind=start.lock_is_behind or not same_plan,
            unwritten=unwritten,
        ),
        size=size,
        torn=tuple(walk.torn),
        open_line=walk.open_line,
        damage=walk.damage,
        edited=edited,
        is_behind=is_behind,
    )


def make_durable(entry: OpenRun) -> None:
    """Have on disk what is about to be shown: a reader must not tell what a power loss takes back."""
    if entry.trail is None:
        return
    try:
        sync_bytes(entry.trail, step="read.sync")
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EBADF, errno.EINVAL):
            raise


def _cold(entry: OpenRun, root: OpenRoot, *, synced: bool) -> Found | None:
    state_text, state_seen = projection(entry, STATE)
    refs_text, refs_seen = projection(entry, REFS)
    seen = {STATE: state_seen, REFS: refs_seen}
    state = read_state(state_text or b"")
    refs = read_refs(refs_text or b"")
    judged = ((STATE, state_text, state), (REFS, refs_text, refs))
    # What was read as ours is intact.
    edited = tuple(
        (name, text) for name, text, read in judged if read is None and text is not None and not is_intact(text)
    )
    size = entry.trail_size
    base = _base(entry, root, state, refs, seen, size=size)
    if base is not None:
        behind = refs is None or refs.crc != base.refs
        return _rolled(entry, base, size, edited=edited, is_behind=behind or bool(edited), synced=synced)
    if synced:
        make_durable(entry)
    found = _folded_whole(entry, root, state, refs, size, text=state_text or b"", edited=edited, seen=seen)
    return found and found._replace(loaded=found.loaded and found.loaded.doubting())


def _base(
    entry: OpenRun,
    root: OpenRoot,
    state: StateFile | None,
    refs: RefsFile | None,
    seen: dict[str, Identity | None],
    *,
    size: int,
) -> Loaded | None:
    """The run that the projections give by themselves, where they hold together with the trail."""
    head = state.head if state is not None else None
    if state is None or head is None or refs is None or head.mark.offset > size:
        return None
    # A refs.json newer than state.json is one whose state.json a kill prevented: patches may be carried out twice.
    if refs.crc != head.refs and refs.offset < head.mark.offset:
        return None
    if not ends_as(entry, head.mark):
        return None
    plan = read_plan(cached_plan(root(), entry.run_id) or b"", head.plan)
    if plan is None:
        return None
    run = Run(state=of_folder(entry.run_id, state.state), refs=refs.refs, plan=plan, log=head.log)
    return Loaded(
        run,
        head.mark,
        lock=head.lock,
        plan=head.plan,
        refs=head.refs,
        refs_offset=refs.offset,
        lock_is_behind=head.lock_is_behind,
        unwritten=head.unwritten,
        seen=seen,
    )


def _has_tip(entry: OpenRun, mark: Mark, size: int) -> bool:
    """As `ends_as`; where nothing was appended only the checksum is looked at, which costs one short read."""
    if size > mark.offset:
        return ends_as(entry, mark)
    tip = tip_bytes(mark.tip)
    return entry.trail is not None and read_at(entry.trail, max(0, size - len(tip)), len(tip)) == tip


def ends_as(entry: OpenRun, mark: Mark) -> bool:
    """Whether the trail up to the mark ends with the line that the mark was made at, and that line is whole."""
    if entry.trail is None:
        return False
    start = max(0, mark.offset - _LAST_LINE_BYTES)
    text = read_at(entry.trail, start, mark.offset - start)
    if not text.endswith(tip_bytes(mark.tip)):
        return False
    begin = text.rfind(b"\n", 0, -1)
    # Of a very long line only the end is looked at.
    return (begin < 0 and start > 0) or read_sealed(text[begin + 1 : -1]) is not None


def _folded_whole(
    entry: OpenRun,
    root: OpenRoot,
    state: StateFile | None,
    refs: RefsFile | None,
    size: int,
    *,
    text: bytes,
    edited: tuple[tuple[str, bytes], ...],
    seen: dict[str, Identity | None],
) -> Found | None:
    head = state.head if state is not None else None
    if head is not None and head.mark.offset <= size:
        begin = Mark(offset=head.mark.snapshot, unadopted=head.mark.unadopted)
    else:
        begin = Mark(offset=newest_checkpoint(entry, size))
    walk = Walk(entry, None, begin, size)
    run = walk.run()
    if run is None and begin.offset:
        walk = Walk(entry, None, Mark(), size)
        run = walk.run()
    torn = tuple(walk.torn)
    stands = head is not None and head.mark.offset <= size and ends_as(entry, head.mark)
    if state is not None and head is not None and walk.damage is not None and stands:
        # The state vouches for more than a fold over a gap can.
        kept = vouched(entry, root, state, refs, run)
        start = Loaded(kept.run, head.mark, lock=head.lock, lock_is_behind=True, seen=seen)
        rolled = _rolled(entry, start, size, edited=edited, is_behind=True, synced=False)
        return rolled._replace(torn=torn, open_line=walk.open_line, damage=walk.damage)
    behind = run is None or head is None or run.log.rev < head.log.rev + (walk.damage is not None)
    if state is not None and head is not None and behind:
        kept = vouched(entry, root, state, refs, run)
        loaded = Loaded(
            kept.run, replace(walk.fold.mark, control=head.mark.control), lock=head.lock, lock_is_behind=True, seen=seen
        )
        damage = walk.damage
        if damage is None and walk.imitated_at is not None and walk.imitated_rev <= head.log.rev:
            damage = Damage(walk.imitated_at, run.log.seq if run else 0, head.log.seq + 1)
        if damage is None and not kept.has_plan:
            # Prompts are told by the lost lines alone: nobody may go on without them unasked.
            damage = Damage(size, run.log.seq if run else 0, head.log.seq + 1)
        lost = 0 if damage else head.log.rev - (run.log.rev if run else 0)
        return Found(
            loaded,
            size,
            torn,
            walk.open_line,
            damage=damage,
            edited=edited,
            lost=lost,
            has_bindings=kept.has_bindings,
            is_behind=True,
        )
    damage = walk.damage or _cut(text, run, refs, size)
    if run is None:
        return None if damage is None else Found(None, size, damage=damage)
    loaded = Loaded(run, walk.fold.mark, lock=head.lock if head else "", lock_is_behind=True, seen=seen)
    return Found(loaded, size, torn, walk.open_line, damage=damage, edited=edited, is_behind=True)


def _cut(state: bytes, run: Run | None, refs: RefsFile | None, size: int) -> Damage | None:
    """That a trail lost its end, where the state can no longer stand for what is missing."""
    log = run.log if run is not None else Log()
    claimed = claimed_numbers(state, refs, log)
    return Damage(size, log.seq, claimed.seq + 1) if claimed.rev > log.rev else None


def state_alone(entry: OpenRun) -> RunState | None:
    """The state from state.json, where it is up to date; None where more must be looked at."""
    found = read_state(projection_text(entry, STATE) or b"")
    if found is None or found.head is None or found.head.mark.offset != entry.trail_size:
        return None
    return of_folder(entry.run_id, found.state)
