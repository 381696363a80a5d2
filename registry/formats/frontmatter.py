"""A Markdown file with YAML between two `---` lines at its top, taken apart and put together.

A byte order mark and Windows line ends are tolerated; what is not text is refused whole, before
anything is parsed. The body is kept to the character.
"""

from dataclasses import dataclass
from typing import Final

FENCE: Final = "---"
EXAMPLE: Final = """begin it like this:
  ---
  workflowId: demo
  title: Demo
  nodes:
    - {id: work, title: Work, kind: session_turn, prompt: Do it.}
  ---"""


class TextFault(ValueError):
    """A text that cannot be taken as what it should be; `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.mend = mend


@dataclass(frozen=True)
class FrontMatter:
    """The two parts of a file. `yaml` begins on line `first_line` of the file, counted from 1."""

    yaml: str
    body: str
    first_line: int = 2


def decoded(content: str | bytes, *, bytes_max: int) -> str:
    """The content as text without byte order mark, its Windows line ends made plain.

    Raises:
        TextFault: over the limit, not UTF-8, or with a NUL in it.
    """
    # Size comes first: nothing else may be done with what is far too large.
    if isinstance(content, str) and len(content) > bytes_max:
        raise _too_large(len(content), bytes_max)
    try:
        raw = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as fault:
        line, column = _place(fault.object, fault.start)
        raise TextFault("holds half of a surrogate pair, which is no text", line=line, column=column) from None
    if len(raw) > bytes_max:
        raise _too_large(len(raw), bytes_max)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TextFault("is UTF-16, not UTF-8", mend="save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line, column = _place(raw[: fault.start].decode("utf-8", "replace"), len(raw))
        found = raw[fault.start]
        raise TextFault(
            f"is not UTF-8: byte 0x{found:02x}", line=line, column=column, mend="save the file as UTF-8"
        ) from None
    if (place := text.find("\0")) >= 0:
        line, column = _place(text, place)
        raise TextFault("holds a NUL character", line=line, column=column, mend="remove it; a workflow is plain text")
    first = text.find("\n")
    return text.replace("\r\n", "\n") if first > 0 and text[first - 1] == "\r" else text


def _too_large(size: int, limit: int) -> TextFault:
    return TextFault(
        f"the file is {size:,} bytes; the limit is {limit:,}",
        mend="keep long texts in files of their own and name them in the prompts",
    )


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def split_front_matter(text: str) -> FrontMatter:
    """The YAML between the first two `---` lines, and all that follows.

    Raises:
        TextFault: the text does not begin with `---`, or the second one is missing.
    """
    first, newline, rest = text.partition("\n")
    if first.rstrip() != FENCE or not newline:
        raise TextFault("the file does not begin with front matter", mend=EXAMPLE)
    place = 0
    while True:
        end = rest.find("\n", place)
        line = rest[place:] if end < 0 else rest[place:end]
        if line.startswith(FENCE) and line.rstrip() == FENCE:
            return FrontMatter(yaml=rest[:place], body="" if end < 0 else rest[end + 1 :])
        if end < 0:
            lines = text.count("\n") + 1
            raise TextFault("the front matter is not closed", line=lines, mend="end it with a line that is only ---")
        place = end + 1


def join_front_matter(yaml: str, body: str) -> str:
    """A file's text; `split_front_matter` gives both parts back as they were."""
    return f"{FENCE}\n{yaml}{FENCE}\n{body}"
