"""From the mutations of a trail to the run they lead to.

A fold starts from a run, or from nothing at a snapshot, and takes mutations in order. It costs
what the patches touch: the run is rebuilt once, at the end. What readers need beside the run
stands in `Mark`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ..core.patch import Document, Op, advance, apply, run_of
from ..core.record import Json
from ..core.run import Log, Run
from .event_line import number
from .trail import Mutation

_NOTHING: Final[Mapping[str, Json]] = {}

Span = tuple[int, int]
"""Offset and size of bytes in the trail."""


@dataclass(frozen=True)
class Mark:
    """How far into which files a run was folded.

    Attributes:
        offset: Bytes of the trail up to the end of the last mutation.
        snapshot: Offset of the last mutation that carries a snapshot.
        control: Bytes of `control.jsonl` that were judged.
        tip: Checksum of the last line; empty where nothing was folded yet.
        unadopted: Lines of others before `offset` that no mutation took note of.
    """

    offset: int = 0
    snapshot: int = 0
    control: int = 0
    tip: str = ""
    unadopted: tuple[Span, ...] = ()


class Fold:
    """Carries a run forward; `run` builds it.

    Args:
        run: Where to start; None waits for a snapshot.
    """

    def __init__(self, run: Run | None, mark: Mark = Mark()) -> None:
        self._start = run
        self._document: Document | None = None
        self._ops: dict[str, list[Op]] = {}
        self._log = run.log if run is not None else Log()
        self._mark = mark
        # What follows from the last mutation alone is asked of it when somebody asks: not once a mutation.
        self._last: Mutation | None = None
        self._state_rev, self._last_at = self._log.state_rev, self._log.last_at
        self._snapshot, self._control, self._unadopted = mark.snapshot, mark.control, mark.unadopted

    @property
    def is_started(self) -> bool:
        """Whether there is a run at all: one to start from, or a snapshot."""
        return self._start is not None or self._document is not None

    @property
    def log(self) -> Log:
        """The numbers reached."""
        if self._last is None:
            return self._log
        last = self._last.last
        rev, seq = number(last, "rev"), number(last, "seq")
        return Log(rev=rev, state_rev=self._state_rev, seq=seq, last_at=self._last_at)

    @property
    def mark(self) -> Mark:
        """How far it was folded."""
        start, last = self._mark, self._last
        offset, tip = (start.offset, start.tip) if last is None else (last.end, last.tip)
        return Mark(offset, self._snapshot, self._control, tip, self._unadopted)

    def take(self, mutation: Mutation) -> None:
        """Carry one mutation out.

        Raises:
            ValueError: it does not fit the run, though its checksums are right.
        """
        last: Mapping[str, Any] = mutation.lines[-1]
        snapshot, patch = last.get("snapshot"), last.get("patch")
        is_started = self._document is not None or self._start is not None
        if isinstance(snapshot, dict):
            if patch is None or is_checkpoint(last, mutation.offset):
                self._snapshot = mutation.offset
            changed = self._carry_out(patch) if patch is not None and is_started else self._begin(snapshot)
        elif is_started:
            changed = self._carry_out(patch)
        else:
            raise ValueError("the trail begins without a snapshot")
        if changed:
            self._state_rev = _whole(changed.get("stateRev"), self._state_rev)
            self._control = _whole(changed.get("control"), self._control)
        timestamp = last.get("timestamp")
        if isinstance(timestamp, str):
            self._last_at = timestamp
        if self._unadopted:
            self._unadopted = without_adopted(self._unadopted, mutation.lines)
        self._last = mutation

    def leave(self, span: Span) -> None:
        """Take note of lines that are not ours."""
        self._unadopted = joined(self._unadopted, span)

    def _begin(self, snapshot: Document) -> Mapping[str, Json]:
        self._document, self._ops = snapshot, {}
        numbers = snapshot.pop("log", None)
        return numbers if isinstance(numbers, dict) else {}

    def _carry_out(self, parts: dict[str, list[Op]] | None) -> Mapping[str, Json]:
        if parts is None:
            return _NOTHING
        if not isinstance(parts, dict):
            raise ValueError("a patch is not an object")
        numbers: Mapping[str, Json] = _NOTHING
        if "log" in parts:
            document: Document = {"log": {}}
            apply(document, {"log": parts["log"]})
            numbers = cast("Document", document["log"])
            parts = {name: ops for name, ops in parts.items() if name != "log"}
        if self._document is not None:
            apply(self._document, parts)
        else:
            for name, ops in parts.items():
                self._ops.setdefault(name, []).extend(ops)
        return numbers

    def run(self) -> Run:
        """The run at the last mutation taken.

        Raises:
            ValueError: there is none, or what was folded is no run.
        """
        try:
            if self._document is not None:
                return run_of(self._document, self.log)
            if self._start is not None:
                return advance(self._start, self._ops, self.log) if self._last is not None else self._start
        except KeyError as error:
            raise ValueError(f"the trail names {error}, which the run does not have") from error
        raise ValueError("the trail holds no snapshot to begin from")


def is_checkpoint(last: Mapping[str, Any], offset: int) -> bool:
    """Whether a fold may begin with a line that has a patch as well; a copy of it elsewhere tells of another time.

    Args:
        offset: Where its mutation begins.
    """
    snapshot = last.get("snapshot")
    log = snapshot.get("log") if isinstance(snapshot, dict) else None
    return isinstance(log, dict) and log.get("offset") == offset and "patch" in last


def without_adopted(spans: tuple[Span, ...], lines: Iterable[Document]) -> tuple[Span, ...]:
    """The spans that these events neither adopt nor, as a repair does, call damaged or adopted long ago."""
    if not spans:
        return spans
    left = list(spans)
    for line in lines:
        payload = line.get("payload")
        if line.get("event") == "log.adopted" and isinstance(payload, dict):
            left = without(left, payload.get("offset"), payload.get("bytes"))
        elif line.get("event") == "log.repaired" and isinstance(payload, dict):
            for spans_of in (payload.get("damaged"), payload.get("adopted")):
                for found in spans_of if isinstance(spans_of, list) else []:
                    if isinstance(found, list) and len(found) == 2:
                        left = without(left, *found)
    return tuple(left)


def without(spans: list[Span], offset: Json, size: Json) -> list[Span]:
    """The spans less one, which may cut any of them in two."""
    if not isinstance(offset, int) or not isinstance(size, int):
        return spans
    return [rest for span in spans for rest in _outside(span, offset, offset + size)]


def _outside(span: Span, start: int, end: int) -> list[Span]:
    """What of a span lies before `start` or from `end` on."""
    first, last = span[0], span[0] + span[1]
    parts = ((first, min(last, start)), (max(first, end), last))
    return [(low, high - low) for low, high in parts if low < high]


def joined(spans: tuple[Span, ...], span: Span) -> tuple[Span, ...]:
    """The spans with one more, which lies behind them all and may touch the last."""
    if spans and spans[-1][0] + spans[-1][1] == span[0]:
        return (*spans[:-1], (spans[-1][0], spans[-1][1] + span[1]))
    return (*spans, span)


def _whole(value: Json, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
