"""Ids, timestamps and the nearest name: the vocabulary that every ring shares.

An id comes from a model or a person and is hostile until it has passed `require_id`; paths
are built from checked ids only.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

RunId = str
NodeId = str
WorkflowId = str
AgentId = str
TaskId = str
"""`<runId>:<nodeId>`; it needs no table to resolve."""

ID_MAX: Final = 128
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_JOINERS: Final = "\u200c\u200d"
"""Zero width: without them a Persian word falls into two, and a picture of a family into three people."""
ID_RULE: Final = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 128, no dot at the end"


def is_id(text: str) -> bool:
    """Whether the text may be used as an id of a run, node, workflow or agent."""
    return _ID.fullmatch(text) is not None and not text.endswith(".")


def legal_id(text: str) -> str:
    """The nearest legal id to a text; empty when nothing of it can stay."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:ID_MAX]
    return kept.rstrip(".-")


def task_id(run_id: RunId, node_id: NodeId) -> TaskId:
    """The ledger's name for a node of a run."""
    return f"{run_id}:{node_id}"


def own_session_key(agent_id: AgentId, run_id: RunId) -> str:
    """The key a run has for its sessions where no host has given it one: it names no session of anybody."""
    return f"agent:{agent_id}:opentask:{run_id}"


def short_hash(text: str, length: int = 12) -> str:
    """Lower-case base32 of the text's sha256, for ids that a request makes the same twice."""
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest[: length * 5 // 8 + 1]).decode().lower()[:length]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means, or None."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    found = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def is_harmless(char: str) -> bool:
    """Whether a character moves no cursor and turns no text around; joiners, which hold words together, do not."""
    return char.isprintable() or char in _JOINERS


def one_line(text: str) -> str:
    """Somebody's text on one line, without what is invisible; joiners stay inside of words and pictures."""
    visible = "".join(char if is_harmless(char) else " " for char in text)
    return " ".join(word for part in visible.split() if (word := part.strip(_JOINERS)))


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept, shown and looked for: each on one line, none of them empty or twice."""
    return tuple(dict.fromkeys(line for tag in tags if (line := one_line(tag))))


def shown(text: str, length: int = 80) -> str:
    """Somebody's text made fit to stand inside our own sentence: cleaned and cut."""
    cleaned = one_line(text)
    return cleaned if len(cleaned) <= length else cleaned[: length - 1] + "…"


def quoted(text: str, length: int = 80) -> str:
    """Somebody's text in quotation marks, with every blank, and what is invisible as its escape."""
    return repr(text if len(text) <= length else text[: length - 1] + "…")


@lru_cache(maxsize=64)
def iso(moment: datetime) -> str:
    """A moment as the registry writes it: UTC, ISO 8601 with offset, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def moment(text: str) -> datetime:
    """An ISO 8601 text as an aware UTC datetime.

    Raises:
        ValueError: not ISO 8601, without an offset, or outside of the years 1 to 9999 in UTC.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{shown(text)!r} has no UTC offset; write for example 2026-01-31T09:00:00+00:00")
    try:
        return parsed if parsed.tzinfo is UTC else parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{shown(text)!r} is outside of the years 1 to 9999 in UTC") from None
