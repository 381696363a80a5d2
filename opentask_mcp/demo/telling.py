"""How the demonstration is printed: what happens in words, then the call and its answer in short."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import click

_WIDTH: Final = 100
_VALUE_CHARS: Final = 60
_PAUSE_S: Final = 0.5


class Teller:
    """Prints one step after the other."""

    def __init__(self, *, colour: bool, paced: bool) -> None:
        self._colour = colour
        self._paced = paced
        self._steps = 0

    def step(self, text: str) -> None:
        """Say what happens next."""
        if self._paced:
            time.sleep(_PAUSE_S)
        self._steps += 1
        self._line("")
        self._line(f"{self._style(f'{self._steps:2}', fg='cyan', bold=True)}  {self._style(text, bold=True)}")

    def call(self, who: str, tool: str, arguments: Mapping[str, Any]) -> None:
        """Show a call as it is sent, long values cut."""
        said = [f"{name}={_short(value)}" for name, value in arguments.items()]
        lines = [""]
        for part in said:
            if lines[-1] and len(lines[-1]) + len(part) > _WIDTH - len(who) - len(tool):
                lines.append("")
            lines[-1] += f" {part}"
        self._line(f"    {self._style(who + ' >', fg='green')} {self._style(tool, fg='yellow')}{lines[0]}")
        for more in lines[1:]:
            self._line(" " * (len(who) + len(tool) + 7) + more)

    def answer(self, text: str) -> None:
        """Show what matters of an answer."""
        self._line(f"      {self._style('<', fg='green')} {text}")

    def aside(self, text: str) -> None:
        """Show a line that is no call."""
        self._line(f"    {self._style(text, dim=True)}")

    def person(self, text: str) -> None:
        """Show what a person sees or says."""
        self._line(f"    {self._style('person |', fg='magenta')} {text}")

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._line("")
        self._line(self._style(text, bold=True))

    def text(self, text: str) -> None:
        """Show a file or a part of it."""
        for line in text.splitlines():
            self._line(f"    {line}")

    def _line(self, text: str) -> None:
        click.echo(text, color=self._colour)

    def _style(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colour else text


def shortened(text: str, length: int = _WIDTH) -> str:
    """A text on one line, cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _short(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _VALUE_CHARS)
