"""Doctor and repair over runs of files; see `port.Care` for what they promise."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from ...core.names import RunId
from ...errors import NotFound, RegistryError
from ..port import Problem
from .finding import find_anew
from .handles import Loaded, OpenRun
from .mending import free_the_way, restore_trail, tidy
from .opening import fault
from .projecting import Place
from .surroundings import around, odd_files, put_away_strays, strays
from .validate import problems_of

Owned = Callable[[RunId, float, str], AbstractContextManager[OpenRun]]


class FileCare:
    """Looks at runs, and puts them right.

    Args:
        reading: A run open for a reader.
        owned: A run open and locked, as it lies.
        settled: The run in an open one, with what the next change mends by itself mended.
    """

    def __init__(
        self,
        *,
        place: Callable[[], Place],
        runs_path: str,
        runs: Callable[[], int],
        reading: Callable[[RunId], AbstractContextManager[OpenRun]],
        owned: Owned,
        settled: Callable[[OpenRun], tuple[Loaded, tuple[str, ...]]],
    ) -> None:
        self._place = place
        self._runs_path = runs_path
        self._runs = runs
        self._reading = reading
        self._owned = owned
        self._settled = settled

    def examine(self, run_id: RunId) -> list[Problem]:
        """What is wrong with a run's files and around them; see the port."""
        try:
            odd = list(odd_files(self._runs(), run_id))
        except OSError:
            odd = []
        try:
            return odd + self._examined(run_id)
        except NotFound:
            raise
        except RegistryError as failure:
            if odd and failure.code == "forbidden":
                return odd  # which file it is was said
            return [*odd, Problem(failure.code, failure.message)]

    def _examined(self, run_id: RunId) -> list[Problem]:
        with self._reading(run_id) as entry:
            place = self._place()
            problems = problems_of(entry, place.root)
            found = find_anew(entry, place.root)
            return problems + list(around(entry, found.loaded if found is not None else None, now=place.now()))

    def strays(self) -> list[Problem]:
        """What lies in the registry's folders and belongs to no run."""
        place = self._place()
        return list(strays(place.root_path, self._runs_path, now=place.now()))

    def restore(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Make a run fit to be changed again; see the port."""
        place = self._place()
        try:
            told = free_the_way(place, self._runs(), run_id)
            with self._owned(run_id, wait_s, "repair_run") as entry:
                return (*told, *restore_trail(place, entry))
        except OSError as error:
            raise fault(error, "repairing the run") from error

    def tidy(self, run_id: RunId, *, wait_s: float) -> tuple[str, ...]:
        """Put in order what lies around the trail; see the port."""
        with self._owned(run_id, wait_s, "repair_run") as entry:
            loaded, told = self._settled(entry)
            try:
                return (*told, *tidy(self._place(), entry, loaded))
            except OSError as error:
                raise fault(error, "repairing the run") from error

    def put_away_strays(self) -> tuple[str, ...]:
        """Move to `.torn/` what was half made; see the port."""
        place = self._place()
        return tuple(self._put_away(place))

    def _put_away(self, place: Place) -> Iterator[str]:
        try:
            yield from put_away_strays(place.root_path, self._runs_path, now=place.now(), stamp=place.stamp())
        except OSError as error:
            raise fault(error, "putting half-made runs away") from error
