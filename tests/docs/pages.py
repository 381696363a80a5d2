"""What a page of the documentation is made of: headings, links, and fenced blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FENCE: Final = re.compile(r"^(```+)\s*(\S*)\s*$")
_FILE: Final = re.compile(r"^<!-- file: (\S+) -->$")
_LINK: Final = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^(#{1,6}) (.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is the line of its first row, from 1; `path` the file it is to be saved as."""

    language: str
    line: int
    rows: tuple[str, ...]
    path: str | None = None

    @property
    def text(self) -> str:
        """The rows as the text of a file."""
        return "".join(f"{row}\n" for row in self.rows)


@dataclass(frozen=True)
class Page:
    """A Markdown file of this repository."""

    path: Path

    @property
    def name(self) -> str:
        """The path below the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """The page."""
        return self.path.read_text(encoding="utf-8")

    def blocks(self) -> list[Block]:
        """The fenced blocks in order."""
        blocks: list[Block] = []
        rows = self.text.splitlines()
        saved_as: str | None = None
        opened: tuple[str, str, int] | None = None
        for number, row in enumerate(rows):
            if opened is not None:
                fence, language, first = opened
                if row.rstrip() == fence:
                    blocks.append(Block(language, first + 1, tuple(rows[first:number]), saved_as))
                    opened, saved_as = None, None
                continue
            if match := _FENCE.match(row):
                opened = (match[1], match[2], number + 1)
            elif match := _FILE.match(row):
                saved_as = match[1]
        assert opened is None, f"{self.name}: a block is not closed"
        return blocks

    def prose(self) -> Iterator[tuple[int, str]]:
        """The rows outside of fenced blocks, with their numbers from 1."""
        inside = {row for block in self.blocks() for row in range(block.line - 1, block.line + len(block.rows) + 1)}
        return ((n, row) for n, row in enumerate(self.text.splitlines(), 1) if n not in inside)

    def headings(self) -> list[tuple[int, str]]:
        """Level and text of each heading."""
        found = (_HEADING.match(row) for _, row in self.prose())
        return [(len(match[1]), match[2].strip()) for match in found if match]

    def anchors(self) -> set[str]:
        """The fragments that a link to this page may end with, as GitHub makes them."""
        made: set[str] = set()
        for _, heading in self.headings():
            kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
            count = 0
            while (anchor := f"{kept}-{count}" if count else kept) in made:
                count += 1
            made.add(anchor)
        return made

    def links(self) -> list[tuple[int, str]]:
        """Row and target of each link."""
        return [(n, match[1]) for n, row in self.prose() for match in _LINK.finditer(row)]


def pages() -> list[Page]:
    """Every page that belongs to the documentation."""
    top = [ROOT / name for name in ("README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    below = [path for folder in ("docs", "skills") for path in sorted((ROOT / folder).rglob("*.md"))]
    return [Page(path) for path in [*top, *below]]
