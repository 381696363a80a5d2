"""Walking along a run's trail: its lines, and the fold of them with what else lay there."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from ...core.run import Run
from ...formats.event_line import number, read_object
from ...formats.fold import Fold, Mark, is_checkpoint
from ...formats.trail import Damage, Line, Mutation, Scanner, Torn, is_repair, lines_in
from .checkpoints import holds
from .handles import OpenRun
from .opening import read_at
from .vouching import of_folder

_CHUNK_BYTES = 1 << 20


def chunks(descriptor: int | None, start: int, end: int, *, size: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """The bytes of a file between two offsets, so many at a time."""
    while descriptor is not None and start < end:
        chunk = read_at(descriptor, start, min(size, end - start))
        if not chunk:
            return
        yield chunk
        start += len(chunk)


def trail_lines(entry: OpenRun, start: int, end: int, *, chunk: int = _CHUNK_BYTES) -> Iterator[Line]:
    """The lines of a run's trail between two offsets, read so many bytes at a time."""
    return lines_in(chunks(entry.trail, start, end, size=chunk), start)


class Walk:
    """A fold over a stretch of the trail, with what else lay there."""

    def __init__(
        self,
        entry: OpenRun,
        run: Run | None,
        mark: Mark,
        end: int,
        follow: Callable[[Mutation], None] | None = None,
    ) -> None:
        # Lines behind the mark are met again on this walk.
        unadopted = tuple(span for span in mark.unadopted if span[0] < mark.offset)
        self.fold = Fold(run, replace(mark, unadopted=unadopted))
        self.torn: list[Torn] = []
        self.damage: Damage | None = None
        self.open_line = False
        self.imitated_at: int | None = None
        """Offset of the first line since the last mutation that ends as ours do, but wrongly."""
        self.imitated_rev: float = 0
        """The mutation that line says it is of; one that cannot be read says nothing and proves no damage."""
        self._run_id = entry.run_id
        start = mark.offset
        scanner = Scanner(run.log.seq if run else None, run.log.rev if run else 0)
        take = self.fold.take
        for piece in scanner.pieces(trail_lines(entry, start, end)):
            if isinstance(piece, Mutation):
                self.imitated_at = None
                if not self.fold.is_started and "patch" in piece.last and not is_checkpoint(piece.last, piece.offset):
                    # A trail begins with a snapshot alone: what was before this line is gone.
                    self.damage = self.damage or Damage(piece.offset, 0, number(piece.lines[0], "seq"))
                    continue
                if follow is not None:
                    follow(piece)
                try:
                    take(piece)
                    if follow is not None and not holds(entry.run_id, self.fold, piece.last):
                        raise ValueError("a snapshot is not what the lines before it lead to")
                except (ValueError, KeyError):
                    log = self.fold.log
                    self.damage = self.damage or Damage(piece.offset, log.seq, log.seq + 1)
                    continue
                if "snapshot" in piece.lines[-1] and is_repair(piece):
                    # What was amiss before it was judged then, and the run does not rest on it any more.
                    self.damage = None
                    self.torn.clear()
            elif isinstance(piece, Torn):
                self.torn.append(piece)
            elif isinstance(piece, Damage):
                self.damage = self.damage or piece
            else:
                # What lies before the first snapshot was adopted with it.
                if self.fold.is_started:
                    self.fold.leave((piece.line.offset, len(piece.line.raw)))
                self.open_line = not piece.line.raw.endswith(b"\n")
                if piece.imitates and self.imitated_at is None:
                    self.imitated_at, self.imitated_rev = piece.line.offset, _claimed_rev(piece.line)

    def run(self) -> Run | None:
        """The run at the end of the stretch; None where none can be built."""
        if not self.fold.is_started:
            return None
        try:
            run = self.fold.run()
        except ValueError:
            log = self.fold.log
            self.damage = self.damage or Damage(self.fold.mark.offset, log.seq, log.seq + 1)
            return None
        state = of_folder(self._run_id, run.state)
        return run if state is run.state else run.model_copy(update={"state": state})


def _claimed_rev(line: Line) -> float:
    """Past every other where a line cannot be read, as one that a loss of power left half written."""
    rev = (read_object(line.raw) or {}).get("rev")
    return rev if isinstance(rev, int) else math.inf


def fold_whole(entry: OpenRun, follow: Callable[[Mutation], None]) -> Walk:
    """The whole trail, folded from its beginning, whatever the projections say."""
    return Walk(entry, None, Mark(), entry.trail_size, follow)
