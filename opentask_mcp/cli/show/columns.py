"""Tables that stay readable in a narrow terminal: what is least needed goes first, and bars get shorter."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

GAP: Final = 2
BAR_WIDTH: Final = 24
_FIRST_LEAST: Final = 8


class Column(NamedTuple):
    """How a column gives way where there is too little room.

    `least` is how narrow it may become, 0 for not at all; of those with a `drop` the highest is
    left out first; what is `cut` ends in an ellipsis, everything else is folded.
    """

    head: str = ""
    least: int = 0
    drop: int = 0
    cut: bool = False


class Bar:
    """Numbers as a bar with a colour for each, on one line however narrow it is."""

    def __init__(self, parts: Sequence[tuple[str, int, bool]], *, width: int = BAR_WIDTH) -> None:
        """A bar.

        Args:
            parts: Style, number, and whether it is drawn pale.
            width: Cells of `BAR_WIDTH`, where there is room for all of those.
        """
        self._parts = parts
        self.width = width if any(number for _, number, _ in parts) else 0

    def __str__(self) -> str:
        return self.text(BAR_WIDTH).plain

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(self.width, 1), self.width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text(options.max_width)

    def text(self, room: int) -> Text:
        """The bar where a whole one has this much room."""
        width = min(self.width, -(-self.width * min(room, BAR_WIDTH) // BAR_WIDTH))
        whole = sum(number for _, number, _ in self._parts)
        full, pale = glyphs()
        text, filled, told = Text(no_wrap=True), 0, 0
        for style, number, is_pale in self._parts:
            told += number
            upto = round(width * told / whole) if whole else 0
            text.append((pale if is_pale else full) * (upto - filled), style=style)
            filled = upto
        return text


def glyphs() -> tuple[str, str]:
    """What bars are drawn with: full and pale, in ASCII where the terminal has nothing better."""
    try:
        "█░".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#", "."
    return "█", "░"


def fitted(columns: Sequence[Column], *, rows: Iterable[Sequence[Text | Bar]], room: int) -> Table:
    """Rows without lines between them, in so many cells; columns that would be empty are left out."""
    kept = [list(row) for row in rows]
    natural = {
        place: max(cell_len(column.head), *(_width(row[place]) for row in kept))
        for place, column in enumerate(columns)
        if place == 0 or any(_width(row[place]) for row in kept)
    }
    widths = _widths(columns, natural, room)
    found = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for place, width in widths.items():
        column = columns[place]
        found.add_column(column.head, width=width, overflow="ellipsis" if column.cut else "fold", no_wrap=column.cut)
    for row in kept:
        found.add_row(*(row[place] for place in widths))
    return found


def _width(cell: Text | Bar) -> int:
    return cell.width if isinstance(cell, Bar) else cell_len(cell.plain)


def _widths(columns: Sequence[Column], natural: Mapping[int, int], room: int) -> dict[int, int]:
    """The columns that stay, each with its width."""
    needs = {place: min(width, columns[place].least or width) for place, width in natural.items()}
    while _taken(needs) > room and any(columns[place].drop for place in needs):
        del needs[max(needs, key=lambda place: columns[place].drop)]
    if (over := _taken(needs) - room) > 0:
        needs[0] = max(_FIRST_LEAST, needs[0] - over)
    spare = room - _taken(needs)
    wanting = sorted((natural[place] - need, place) for place, need in needs.items())
    for number, (wanted, place) in enumerate(wanting):
        given = max(0, min(wanted, spare // (len(wanting) - number)))
        needs[place] += given
        spare -= given
    return needs


def _taken(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)
