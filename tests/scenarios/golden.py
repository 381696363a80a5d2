"""Run folders as golden files: what varies from run to run is replaced by its name."""

import os
import re
from pathlib import Path

_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"), "<time>"),
    (re.compile(r'"crc":"[0-9a-f]{8}"'), '"crc":"<crc>"'),
    (re.compile(r'"(lock|plan|refs|tip)":"[0-9a-f]+"'), r'"\1":"<hash>"'),
    (re.compile(r'"sha256":"[0-9a-f]+"'), '"sha256":"<hash>"'),
    (re.compile(r"\b(\d+)-[a-z2-7]{8}\b"), r"\1-<fence>"),
    (re.compile(r'"(offset|snapshot|control|refsOffset)":\d+'), r'"\1":<bytes>'),
    (re.compile(r"control-[0-9a-v]{15}"), "control-<id>"),
    (re.compile(r"finish:[a-z2-7]{12}"), "finish:<hash>"),
    # Two mutations within a millisecond leave this unchanged.
    (re.compile(r'\["set",\["updatedAt"\],"<time>"\],?'), ""),
)
_LEFT_OUT = (".run.lock",)


def as_golden(run: Path) -> str:
    """All files of a run folder as one text, sorted by path."""
    parts = []
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and name not in _LEFT_OUT:
            parts.append(f"==> {name} <==\n{_steady(path.read_text(encoding='utf-8'), run)}")
    return "\n".join(parts)


def _steady(text: str, run: Path) -> str:
    text = text.replace(str(run), "<run>")
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def assert_golden(text: str, kept: Path) -> None:
    """Compare with the kept file; `UPDATE_GOLDEN=1` keeps the new text instead."""
    if os.environ.get("UPDATE_GOLDEN"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8"), f"{kept.name} differs; UPDATE_GOLDEN=1 keeps the new text"
