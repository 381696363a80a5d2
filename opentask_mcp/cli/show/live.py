"""A run drawn again and again in one place."""

from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from .plain import Row, console
from .runs import events, run


class Screen:
    """The lines of a terminal that a watched run has; what was drawn last stays when it ends."""

    def __init__(self) -> None:
        self._live = Live(console=console(), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def draw(self, state: Row, told: list[Row]) -> None:
        """Show the run and its last events, oldest first."""
        view = Group(run(state), Text(), events(told[::-1]))
        self._live.update(view, refresh=True)
