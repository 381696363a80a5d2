"""A run out of files that are damaged: everything of it that any of them still knows.

The lines of the trail are gathered wherever they lie and put in the order of their numbers. Where
they lead without a gap to where the run was, that is the run. Else the state stands for what it
vouches for, and later lines are joined to it; without a state what can be read is folded over the
gap. Nothing that was acknowledged is rolled back as long as a file knows it, and what none knows
is told.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable
from copy import deepcopy
from dataclasses import dataclass

from ...core.check import check_all
from ...core.patch import Document
from ...core.run import Log, Run
from ...formats.event_line import number, place_in_mutation, read_object, read_sealed, read_unproved
from ...formats.fold import Fold, Mark, Span, joined, without
from ...formats.projections import StateHead, read_refs, read_state
from ...formats.trail import Foreign, Mutation, Scanner, unglued
from .finding import ends_as
from .handles import OpenRun
from .layout import REFS, STATE
from .opening import OpenRoot, read_at
from .vouching import claimed_numbers, of_folder, projection_text, vouched
from .walking import trail_lines


@dataclass(frozen=True)
class Recovered:
    """What could be had.

    Attributes:
        head: What state.json says of itself; None where there is none to be read.
        control: Bytes of the inbox that were judged.
        missing: Numbers of events, first and last, that no line tells and no state vouches for.
        unproved: Numbers of events that were taken though the checksum of their line is wrong.
        unjoined: Changes behind a gap that do not fit without what is missing.
        damaged: Bytes of the trail that are no event of ours and nobody's words.
        is_edited: A state.json that was changed by hand is all that there was.
        has_plan: Some file proves the plan; else prompts are as workflow.lock.md has them, or gone.
        has_bindings: What refs.json alone knows is there.
        adopted: Others' lines that were heard already, though what told of it may be among what is damaged.
    """

    run: Run
    head: StateHead | None
    control: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    unproved: tuple[int, ...] = ()
    unjoined: int = 0
    damaged: tuple[Span, ...] = ()
    adopted: tuple[Span, ...] = ()
    is_edited: bool = False
    has_plan: bool = True
    has_bindings: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether the run is surely what was acknowledged last."""
        sure = self.has_plan and self.has_bindings and not self.is_edited
        return sure and not (self.missing or self.unproved or self.unjoined)


@dataclass
class _Joined:
    """A fold that may step over gaps; `before_gap` is the run up to the first of them.

    `is_unproved`: a line was taken though its checksum is wrong.
    """

    run: Run | None
    mark: Mark
    before_gap: Run | None = None
    has_gap: bool = False
    is_unproved: bool = False
    unjoined: int = 0


def recovered(entry: OpenRun, root: OpenRoot, unadopted: tuple[Span, ...] = ()) -> Recovered | None:
    """The run as well as it can be had; None where nothing gives one.

    Args:
        unadopted: Others' lines of which no whole mutation took note.
    """
    text = projection_text(entry, STATE) or b""
    state = read_state(text)
    refs = read_refs(projection_text(entry, REFS) or b"")
    head = state.head if state is not None else None
    proved, unproved = _gathered(entry, known=head.log.seq if head is not None else 0)
    lines = {**unproved, **proved}
    mutations = _mutations(lines)
    found, since = _join(None, mutations, mark=Mark(), unproved=unproved), _begins_behind(mutations)
    is_whole = found.run is not None and not found.has_gap and not unproved
    reached = found.run.log.rev if found.run is not None else 0
    is_edited = found.run is None and state is None
    if is_edited and (state := read_state(text, is_proved=False)) is not None:
        head = state.head
    has_plan = has_bindings = True
    if state is not None and head is not None and not (is_whole and reached >= head.log.rev):
        start = vouched(entry, root, state, refs, found.run)
        has_plan, has_bindings = start.has_plan, start.has_bindings
        later = [one for one in mutations if number(one.last, "rev") > head.log.rev]
        found = _join(start.run, later, mark=head.mark, unproved=unproved)
        since = head.log.seq
    if found.run is None or (is_edited and check_all(found.run)):
        return None
    run = found.run
    if found.before_gap is not None and check_all(run) and not check_all(found.before_gap):
        run = found.before_gap
    log = _log(run, mutations, head, lines)
    claimed = claimed_numbers(text, refs, log)
    log = log.model_copy(update={"rev": claimed.rev, "seq": claimed.seq})
    return Recovered(
        run=run.model_copy(update={"state": of_folder(entry.run_id, run.state), "log": log}),
        head=head,
        control=found.mark.control,
        missing=_gaps(lines, since, max([*lines, since, claimed.seq])),
        unproved=tuple(sorted(seq for seq in unproved if seq > since)),
        unjoined=found.unjoined,
        damaged=damaged_spans(entry),
        adopted=_adopted(entry, unadopted, head, lines.values()),
        is_edited=is_edited,
        has_plan=has_plan,
        has_bindings=has_bindings,
    )


def _log(run: Run, mutations: list[Mutation], head: StateHead | None, lines: Iterable[int]) -> Log:
    """Numbers behind all that were ever given, so that none of them comes twice."""
    last = head.log if head is not None else Log()
    return Log(
        rev=max([run.log.rev, last.rev, *(number(one.last, "rev") for one in mutations)]),
        state_rev=max(run.log.state_rev, last.state_rev),
        seq=max([run.log.seq, last.seq, *lines]),
        last_at=max(run.log.last_at, last.last_at),
    )


def _gathered(entry: OpenRun, *, known: int) -> tuple[dict[int, Document], dict[int, Document]]:
    """The lines of the trail by number: those whose checksum is right, and of the others those that fill a gap.

    Args:
        known: Number of the last event that is known to have been.
    """
    proved: dict[int, Document] = {}
    others: dict[int, Document] = {}
    for whole in trail_lines(entry, 0, entry.trail_size):
        for line in [whole] if read_sealed(whole.raw[:-1]) is not None else unglued(whole):
            text = line.raw.removesuffix(b"\n")
            sealed = read_sealed(text)
            told = sealed or read_unproved(text)
            if told is not None:
                (proved if sealed is not None else others).setdefault(number(told, "seq"), told)
    last = max([known, *proved])
    return proved, {seq: line for seq, line in others.items() if seq not in proved and 0 < seq <= last}


def _mutations(lines: dict[int, Document]) -> list[Mutation]:
    """The mutations whose last line is there, which carries all that they changed, in their order."""
    by_rev: dict[int, list[Document]] = {}
    for _, line in sorted(lines.items()):
        by_rev.setdefault(number(line, "rev"), []).append(line)
    found: list[Mutation] = []
    for _, told in sorted(by_rev.items()):
        index, count = place_in_mutation(told[-1])
        if index == count:
            found.append(Mutation(offset=0, end=0, closing=b"", lines=tuple(told)))
    return found


def _begins_behind(mutations: list[Mutation]) -> int:
    """Number of the last event that the newest snapshot made unnecessary."""
    begins = [number(one.lines[0], "seq") - 1 for one in mutations if "snapshot" in one.last]
    return begins[-1] if begins else 0


def _join(start: Run | None, mutations: list[Mutation], *, mark: Mark, unproved: Container[int]) -> _Joined:
    found = _Joined(start, mark)
    for stretch in _stretches(mutations):
        rev = number(stretch[0].last, "rev")
        begins = _begins_anew(found, stretch[0].last)
        if begins:
            found.has_gap, found.is_unproved, found.before_gap, found.unjoined = False, False, None, 0
        elif found.run is None or rev != found.run.log.rev + 1:
            _note_gap(found)
        if not _take(found, stretch, anew=begins):
            for index, one in enumerate(stretch):
                if not _take(found, [one], anew=begins and not index):
                    _note_gap(found)
                    found.unjoined += 1
        found.is_unproved |= any(number(line, "seq") in unproved for one in stretch for line in one.lines)
    return found


def _stretches(mutations: list[Mutation]) -> list[list[Mutation]]:
    """Mutations that follow each other without a gap; a snapshot begins a stretch of its own."""
    found: list[list[Mutation]] = []
    for one in mutations:
        rev = number(one.last, "rev")
        if found and rev == number(found[-1][-1].last, "rev") + 1 and "snapshot" not in one.last:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _begins_anew(found: _Joined, last: Document) -> bool:
    """Whether the fold goes on with a snapshot: one beside a patch is needed where not all is proved."""
    if not isinstance(last.get("snapshot"), dict):
        return False
    run, is_doubtful = found.run, found.has_gap or found.is_unproved
    return "patch" not in last or run is None or is_doubtful or number(last, "rev") != run.log.rev + 1


def _note_gap(found: _Joined) -> None:
    if not found.has_gap:
        found.has_gap, found.before_gap = True, found.run


def _take(found: _Joined, stretch: list[Mutation], *, anew: bool) -> bool:
    fold = Fold(None if anew else found.run, found.mark)
    try:
        for one in stretch:
            # A fold goes on in the snapshot it was given.
            lines = deepcopy(one.lines) if "snapshot" in one.last else one.lines
            fold.take(one._replace(lines=lines))
        found.run = fold.run()
    except ValueError:
        return False
    found.mark = fold.mark
    return True


def _gaps(lines: dict[int, Document], first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Numbers behind `first` up to `last` that no line has, as first and last of each row of them."""
    found: list[tuple[int, int]] = []
    for seq in [*sorted(seq for seq in lines if seq > first), last + 1]:
        if seq > first + 1:
            found.append((first + 1, seq - 1))
        first = seq
    return tuple(found)


def _adopted(
    entry: OpenRun, spans: tuple[Span, ...], head: StateHead | None, lines: Iterable[Document]
) -> tuple[Span, ...]:
    """The spans of others' lines that were heard already: none of them may be heard twice.

    The state knows it of all that lies before it, as long as it lies where it lay; else any line that tells of an
    adoption does.
    """
    if head is not None and ends_as(entry, head.mark):
        return _known_of(entry, spans, head)
    told = [line["payload"] for line in lines if line.get("event") == "log.adopted"]
    digests = Counter(payload.get("sha256") for payload in told if isinstance(payload, dict))
    found: list[Span] = []
    for offset, size in spans:
        digest = hashlib.sha256(read_at(entry.trail, offset, size)).hexdigest() if entry.trail is not None else ""
        if digests[digest]:
            digests[digest] -= 1
            found.append((offset, size))
    return tuple(found)


def moved_spans(entry: OpenRun, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Of lines that no mutation took note of those that the state has behind it: lines that were moved about since."""
    state = read_state(projection_text(entry, STATE) or b"")
    head = state.head if state is not None else None
    return _known_of(entry, spans, head) if head is not None and ends_as(entry, head.mark) else ()


def _known_of(entry: OpenRun, spans: tuple[Span, ...], head: StateHead) -> tuple[Span, ...]:
    known = without(list(spans), head.mark.offset, entry.trail_size)
    for span in head.mark.unadopted:
        known = without(known, *span)
    return tuple(known)


def damaged_spans(entry: OpenRun) -> tuple[Span, ...]:
    """Where lie bytes that are no event of ours and nobody's words: broken lines, copies, half lines."""
    spans: tuple[Span, ...] = ()
    for piece in Scanner(None, 0).pieces(trail_lines(entry, 0, entry.trail_size)):
        if isinstance(piece, Foreign) and (piece.imitates or read_object(piece.line.raw) is None):
            spans = joined(spans, (piece.line.offset, len(piece.line.raw)))
    return spans
