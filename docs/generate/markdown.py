"""Markdown, as the reference pages need it."""

from collections.abc import Iterable, Sequence


def document(title: str, about: str, *parts: str) -> str:
    """A page with its title, what it is for, and a word on where it comes from."""
    made = "<!-- Made by `python -m docs.generate`; edit the code it is made from. -->"
    return "\n\n".join([f"# {title}", made, about, *(part.strip("\n") for part in parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are kept to one row."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def block(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.rstrip()}\n```"


def code(text: str) -> str:
    """Code within a sentence."""
    return f"`{text}`"


def listed(names: Iterable[str]) -> str:
    """Code words with commas."""
    return ", ".join(code(name) for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
