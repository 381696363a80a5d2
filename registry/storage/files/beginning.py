"""The beginning of a change: a run as its only writer gets it, put right first."""

from .adopt import adopt_earlier, earlier_run
from .finding import find
from .handles import OpenRun
from .opening import fault
from .projecting import Place
from .repair import mend
from .session import FileSession
from .telling import not_a_run


def session_of(place: Place, entry: OpenRun) -> FileSession:
    """A session on a locked run; what a crash or a hand left is mended, and told in its notices.

    Raises:
        RegistryError: the folder holds no run, or its trail is damaged.
    """
    found = find(entry, place.root, synced=False)
    if found is not None:
        loaded, end, told = mend(place, entry, found)
        return FileSession(place, entry, loaded, end=end, notices=told)
    earlier = earlier_run(entry)
    if earlier is None:
        raise not_a_run(entry)
    try:
        loaded, told = adopt_earlier(place, entry, *earlier)
    except OSError as error:
        raise fault(error, "adopting the run") from error
    return FileSession(place, entry, loaded, end=loaded.mark.offset, notices=told)
