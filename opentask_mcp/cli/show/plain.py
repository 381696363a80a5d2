"""The parts that every view is made of, and words of others made harmless."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from registry import clock
from registry.core.names import is_harmless

from .columns import BAR_WIDTH, Bar

Row = dict[str, Any]

STATUS_STYLES: Final = {
    "draft": "dim",
    "pending": "dim",
    "ready": "cyan",
    "running": "yellow",
    "paused": "magenta",
    "waiting": "magenta",
    "completed": "green",
    "failed": "bold red",
    "skipped": "dim",
    "cancelled": "dim",
    "queued": "cyan",
    "blocked": "bold red",
    "succeeded": "green",
    "timed_out": "bold red",
}
_NODE_ORDER: Final = ("completed", "skipped", "running", "waiting", "ready", "failed", "pending")


def console() -> Console:
    """The terminal, made for each answer: tests and pipes change what stdout is."""
    return Console(highlight=False)


def harmless(text: object) -> str:
    """Somebody's words without what would move the cursor, ring the bell or colour the rest."""
    return "".join(char for char in str(text) if char in "\n\t" or is_harmless(char))


def words(text: object, style: str = "") -> Text:
    """Somebody's words on one line; markup in them is text."""
    return Text(" ".join(harmless(text).split()), style=style)


def spelt(value: object) -> str:
    """A JSON value as its author would write it: text as it is, true and not True."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def status(value: object, outcome: object = None) -> Text:
    """A status in its colour."""
    text = f"{value} ({outcome})" if outcome else str(value)
    return Text(text, style=STATUS_STYLES.get(str(value), ""))


def when(moment: object) -> Text:
    """A time as how long ago or ahead it is; the exact one is in the JSON."""
    if not isinstance(moment, str):
        return Text("")
    seconds = (clock.now() - datetime.fromisoformat(moment)).total_seconds()
    return Text(f"{_length(seconds)} ago" if seconds >= 0 else f"in {_length(-seconds)}", style="dim")


def _length(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def table(*headings: str, rows: Iterable[Sequence[RenderableType]]) -> Table:
    """Rows without lines between them; columns that would be empty are left out."""
    kept = [list(row) for row in rows]
    shown = [
        place
        for place in range(len(headings))
        if place == 0 or any(str(row[place]) for row in kept)
    ]  # fmt: skip
    found = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for place in shown:
        found.add_column(headings[place], overflow="fold", no_wrap=place == 0)
    for row in kept:
        found.add_row(*(row[place] for place in shown))
    return found


def facts(*pairs: tuple[str, RenderableType | None]) -> Table:
    """Names and values below each other; what is None or empty is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and str(value):
            grid.add_row(name, value)
    return grid


def to_do(effects: Iterable[Row]) -> list[RenderableType]:
    """What the outside has to do, with all that whoever does it must know."""
    return [
        Text.assemble(
            ("to do outside  ", "magenta"),
            harmless(effect["do"]),
            (f"  {effect['effect_id']}\n", "dim"),
            f"    {harmless(spelt(effect.get('params', {})))}",
        )
        for effect in effects
    ]


def bar(counts: dict[str, int], *, width: int = 30) -> Text:
    """How far a run is: a bar with a colour for each status, and the numbers."""
    total = sum(counts.values())
    if not total:
        return Text("")
    parts = [(STATUS_STYLES[name], counts.get(name, 0), name == "pending") for name in _NODE_ORDER]
    over = counts.get("completed", 0) + counts.get("skipped", 0)
    text = Text.assemble(Bar(parts, width=width).text(BAR_WIDTH), f"  {over} of {total}")
    open_ones = [f"{counts[name]} {name}" for name in _NODE_ORDER[2:] if counts.get(name)]
    return text.append(f"   {', '.join(open_ones)}" if open_ones else "", style="dim")


def document(text: str, *, language: str = "") -> None:
    """A file, coloured by its language."""
    from rich.syntax import Syntax

    shown = harmless(text).rstrip("\n")
    console().print(Syntax(shown, language, background_color="default", word_wrap=True) if language else Text(shown))
