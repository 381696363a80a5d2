"""What a server says on stderr: a line for each operation, and what went wrong.

Promised: below level `debug` no line of ours holds a text that a caller sent, a fence or a token.
An operation's line has its name, ids, result code and duration; a fault is told by its type and
the places it came through, without its words, which often quote what was sent.

Over stdio the default level is `warning`: many hosts give stderr a pipe that nobody reads, and a
full pipe would stop the server.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from registry.clock import fresh_id, monotonic_s
from registry.core.names import is_id

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json")
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")

_OURS: Final = ("opentask_mcp", "registry")
_ABOUT: Final = ("run_id", "node_id", "task_id")
_SHORT: Final = {"operation_id": "op", "run_id": "run", "node_id": "node", "task_id": "task"}
_operations: Final = logging.getLogger("opentask_mcp.operations")


@dataclass
class OperationLine:
    """What is known of an operation under way.

    Attributes:
        operation_id: Made for this call; every line that it causes has it.
        about: The run, node and task it is about, as far as known.
        code: `ok`, `asked` (a person was asked first), or the code of the failure.
    """

    operation: str
    operation_id: str = field(default_factory=lambda: fresh_id("op"))
    about: dict[str, str] = field(default_factory=dict)
    code: str = "cancelled"

    def concerns(self, stated: object) -> None:
        """Note the ids of a request or of an answer; those already known stay."""
        for name in _ABOUT:
            value = stated.get(name) if isinstance(stated, Mapping) else getattr(stated, name, None)
            if isinstance(value, str) and is_id(value):
                self.about.setdefault(name, value)

    def ids(self) -> dict[str, str]:
        """What ties other lines to this operation."""
        return {"operation_id": self.operation_id, **self.about}


_current: Final[ContextVar[OperationLine | None]] = ContextVar("opentask_operation", default=None)


@contextmanager
def operation_line(operation: str) -> Iterator[OperationLine]:
    """Write one line when the operation is over, however it ends."""
    line = OperationLine(operation)
    began = monotonic_s()
    entered = _current.set(line)
    try:
        yield line
    finally:
        spent = {"duration_ms": round((monotonic_s() - began) * 1_000, 1)}
        fields = {"operation": operation, "code": line.code, **spent, **line.ids()}
        _operations.info("%s %s", operation, line.code, extra={"fields": fields})
        _current.reset(entered)


def write_logs(*, form: Format, level: Level) -> None:
    """Write to stderr from now on; libraries are heard from `warning` up, and all at `debug`."""
    handler = logging.StreamHandler(sys.stderr)
    with_words = level == "debug"
    handler.setFormatter(JsonLines(with_words=with_words) if form == "json" else TextLines(with_words=with_words))
    handler.addFilter(_with_operation)
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(chosen if with_words else max(chosen, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(chosen)


class TextLines(logging.Formatter):
    """`2026-11-21T12:00:00.000Z info finish_node ok 3.1ms op=... run=demo-1 node=build`, for people."""

    def __init__(self, *, with_words: bool) -> None:
        super().__init__()
        self._with_words = with_words

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), record.levelname.lower()]
        fields = _fields(record)
        if record.name != _operations.name:
            parts.append(f"{record.name}:")
        parts.append(_one_line(record.getMessage()))
        if "duration_ms" in fields:
            parts.append(f"{fields['duration_ms']}ms")
        parts += [f"{short}={fields[name]}" for name, short in _SHORT.items() if name in fields]
        if record.exc_info and record.exc_info[1] is not None:
            parts.append(_one_line(f"fault={json.dumps(_fault(record.exc_info[1], with_words=self._with_words))}"))
        return " ".join(parts)


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and the ids and codes there are."""

    def __init__(self, *, with_words: bool) -> None:
        super().__init__()
        self._with_words = with_words

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["fault"] = _fault(record.exc_info[1], with_words=self._with_words)
        return json.dumps(line, ensure_ascii=True)


def _with_operation(record: logging.LogRecord) -> bool:
    line = _current.get()
    if line is not None and not hasattr(record, "fields"):
        record.fields = line.ids()
    return True


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _fault(fault: BaseException, *, with_words: bool) -> list[dict[str, Any]]:
    """The fault and what caused it, outermost first; places as `file:line function`, innermost last."""
    told: list[dict[str, Any]] = []
    current: BaseException | None = fault
    while current is not None and len(told) < 5:
        frames = traceback.extract_tb(current.__traceback__)[-12:]
        one: dict[str, Any] = {"type": type(current).__name__, "at": [_place(frame) for frame in frames]}
        if with_words:
            one["words"] = str(current)
        told.append(one)
        # Of several faults at once the first is told: it stands for the rest.
        inner = current.exceptions[0] if isinstance(current, BaseExceptionGroup) else current.__cause__
        current = inner or (None if current.__suppress_context__ else current.__context__)
    return told


def _place(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno} {frame.name}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """The text on one line: what a caller wrote must not look like a line of ours."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
