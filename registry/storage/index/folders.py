"""What the index asks of the run folders, whoever keeps them."""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ...core.names import RunId
from ...core.run import RunState
from .rows import Files


class Stamp(NamedTuple):
    """What changes when a folder gets or loses an entry."""

    mtime_ns: int
    links: int


class RunFolders(Protocol):
    """Run folders by place: `runs`, or a month of the archive."""

    def places(self) -> list[str]:
        """Where runs may be, `runs` first: of two runs with one id the first counts."""
        ...

    def stamp(self, place: str) -> Stamp | None:
        """The state of a place; None where there is no such folder."""
        ...

    def names(self, place: str) -> list[RunId]:
        """The runs of a place."""
        ...

    def changed_ns(self, run_id: RunId, place: str) -> int:
        """About when a run changed last; 0 where it is gone."""
        ...

    def place_of(self, run_id: RunId) -> str | None:
        """Where a run is; None where it is nowhere."""
        ...

    def files(self, run_id: RunId, place: str) -> Files | None:
        """The run's files as they are; None where its folder is gone."""
        ...

    def state(self, run_id: RunId, place: str) -> RunState:
        """A run's state.

        Raises:
            RegistryError: it has none that can be read.
        """
        ...

    def held(self, run_id: RunId) -> AbstractContextManager[bool]:
        """Hold a run's lock if it is free at once; whether it was."""
        ...
