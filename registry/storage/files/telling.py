"""What is said about files that were not as they should be: by readers as a notice, by writers as a repair.

Nothing is mended silently, and no sentence suggests deleting anything.
"""

import errno
from datetime import UTC, datetime
from typing import Final

from ...core.names import RunId, shown
from ...core.run import Run
from ...errors import Forbidden, LogCorrupt, NextCall, NotFound, RegistryError
from ...formats.event_line import read_object
from ...formats.trail import Damage
from .finding import Found
from .handles import OpenRun, no_such_run
from .layout import LOCK, REFS, STATE, TRAIL
from .opening import fault

_NODES_NAMED = 3
BINDINGS_LOST: Final = f"what {REFS} alone knew is lost with it: effects that were pending and answers to request ids"


def notices_of_reader(entry: OpenRun, found: Found) -> tuple[str, ...]:
    """What a reader is told; a writer says the same when it has mended it."""
    if found.loaded is None:
        return ()
    told = [
        edited(entry, name, text, found.loaded.run, kept=None)
        if text
        else f"{blank(name)}; the next change writes it again, or repair_run"
        for name, text in found.edited
    ]
    if found.damage is not None:
        told.append(
            f"log_corrupt: {damage_in_words(found.damage)}; reading goes on, "
            "and changes are refused until repair_run mends it"
        )
    if found.lost:
        told.append(
            f"log_shorter: {TRAIL} lost its last {found.lost} mutations; the state still has them, "
            "and the next change records them again"
        )
    return tuple(told)


def blank(name: str) -> str:
    """That a projection is not there or has nothing in it; what follows of that is for the caller to say."""
    return f"projection_missing: {name} is gone or has nothing in it that can be read, as a loss of power may leave it"


def edited(entry: OpenRun, name: str, text: bytes, run: Run, *, kept: str | None) -> str:
    """That somebody edited a projection, what they changed, and where their copy is."""
    identity = entry.identity(name)
    when = f" at {datetime.fromtimestamp(identity[2] / 1e9, UTC):%H:%M} UTC" if identity else ""
    copy = f"your copy is kept as {kept}" if kept else "the next change keeps your copy beside it"
    differs = _differences(name, text, run)
    advice = ". Use finish_node or request_control to change a run" if name == STATE else ". Use bind_session"
    return f"{_code(name)}: {name} was changed by hand{when}{differs}; {copy}{advice}"


def _code(name: str) -> str:
    return "state_edited" if name == STATE else "refs_edited" if name == REFS else "file_edited"


def _differences(name: str, text: bytes, run: Run) -> str:
    if name != STATE:
        return "; the trail's bindings stand"
    document = read_object(text)
    nodes = document.get("nodes") if document is not None else None
    if not isinstance(nodes, list) or document is None:
        return "; the trail's state stands"
    claimed = {node.get("id"): node.get("status") for node in nodes if isinstance(node, dict)}
    differing = [node for node in run.state.nodes.values() if claimed.get(node.id) != node.status]
    words = [f"{shown(node.id)} is {node.status}" for node in differing[:_NODES_NAMED]]
    if document.get("status") != run.state.status:
        words.insert(0, f"the run is {run.state.status}")
    more = f" (and {len(differing) - _NODES_NAMED} more differ)" if len(differing) > _NODES_NAMED else ""
    return f"; the trail says {', '.join(words)}{more}" if words else "; the trail's state stands"


def damage_in_words(damage: Damage) -> str:
    """Where a trail is damaged and what is missing."""
    first, last = damage.seq + 1, damage.next_seq - 1
    events = f"event {first} is" if last <= first else f"events {first} to {last} are"
    return f"{TRAIL} is damaged at byte {damage.offset:,}: {events} missing or broken"


def corrupt(run_id: RunId, damage: Damage) -> LogCorrupt:
    """The refusal of a change while the trail is damaged."""
    return LogCorrupt(
        f"{damage_in_words(damage)}; run {shown(run_id)!r} takes no changes until it is repaired",
        hint="reading goes on; doctor shows what is there, repair_run mends it and keeps every byte",
        next=(
            NextCall("doctor", {"run_id": run_id}, "shows what is there"),
            NextCall("repair_run", {"run_id": run_id}, "mends it"),
        ),
        run_id=run_id,
        offset=damage.offset,
    )


def no_lock(entry: OpenRun, error: OSError) -> RegistryError:
    """The refusal of a change where the run's lock cannot be opened."""
    if error.errno not in (errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO):
        return fault(error, "opening the run's lock")
    return Forbidden(
        f"{LOCK} of run {shown(entry.run_id)!r} is no plain file, so nobody can hold the run; nothing was changed",
        hint="repair_run sets aside what stands there and keeps it (`opentask repair RUN` on a shell)",
        next=(NextCall("repair_run", {"run_id": entry.run_id}, "sets it aside"),),
        run_id=entry.run_id,
    )


def no_run_left(run_id: RunId) -> LogCorrupt:
    """The refusal of a folder whose files give no run at all."""
    return LogCorrupt(
        f"neither {TRAIL} nor {STATE} of run {shown(run_id)!r} can be read as a run; it was to be opened",
        hint="doctor shows what is there, repair_run takes what can be read; else bring back the files from a backup",
        next=(
            NextCall("doctor", {"run_id": run_id}, "shows what is there"),
            NextCall("repair_run", {"run_id": run_id}, "takes what can be read, or changes nothing"),
        ),
        run_id=run_id,
    )


def not_a_run(entry: OpenRun) -> LogCorrupt | NotFound:
    """The refusal of a folder from which nothing could be read: no run, or what is left of one."""
    return no_such_run(entry.run_id) if entry.identity(TRAIL) is None else no_run_left(entry.run_id)
