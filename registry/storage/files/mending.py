"""Putting a run right because somebody asked for it: what the next change does not mend by itself.

A repair changes nothing that lies in the trail. It appends one `log.repaired` with the run as a
snapshot, from which the fold and the proof begin anew, and says in it what could not be had. Every
byte that is replaced elsewhere is kept beside it. Each step may be the last before a kill: asked
again, a repair goes on where it was.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from ...core.names import RunId, shown
from ...core.record import Bag, Json
from ...core.run import Run
from ...formats.fold import Mark, without
from ...formats.projections import claimed_log, is_intact, read_refs
from .. import failpoints
from . import atomic, results
from .handles import Loaded, OpenRun
from .layout import CONTROL, LOCK, NODES, PLAN, REFS, STATE, TORN, TRAIL
from .mutating import mutate
from .opening import FOLDER, folder_at, make_folder, parent_of, read_file
from .projecting import Place, project, short_sha
from .recovering import Recovered, moved_spans, recovered
from .repair import keep_torn, restarted
from .surroundings import kind_of, leftovers, nodes_that_are_none
from .telling import BINDINGS_LOST, edited, no_run_left
from .validate import judged, projection_problems
from .vouching import projection_text
from .walking import fold_whole

_FILES: Final = (STATE, REFS, PLAN, CONTROL)
_FOLDERS: Final = (NODES, TORN)
_LISTED_MAX: Final = 100


def free_the_way(place: Place, runs: int, run_id: RunId) -> list[str]:
    """Set aside what stands in the place of the trail or the lock and is no file, so that the run can be opened."""
    told: list[str] = []
    try:
        folder = os.open(run_id, FOLDER, dir_fd=runs)
    except OSError:
        return told  # opening the run says it better
    try:
        with _alone(folder):
            for name in (TRAIL, LOCK):
                told += _set_aside(place, folder, name, wanted=stat.S_ISREG)
    finally:
        os.close(folder)
    return told


def restore_trail(place: Place, entry: OpenRun) -> list[str]:
    """Begin the proof anew where the trail does not prove itself; nothing is done to one that does.

    Raises:
        LogCorrupt: no file gives a run.
    """
    walk, problems = judged(entry, place.root)
    codes = sorted({problem.code for problem in problems})
    if not codes and moved_spans(entry, walk.fold.mark.unadopted):
        codes = ["not_adopted"]
    if not codes:
        return []
    found = recovered(entry, place.root, walk.fold.mark.unadopted)
    if found is None:
        raise no_run_left(entry.run_id)
    unadopted = list(walk.fold.mark.unadopted)
    for span in found.adopted:
        unadopted = without(unadopted, *span)
    told: list[str] = []
    size = entry.trail_size
    torn = [piece for piece in walk.torn if piece.end == size]
    if torn:
        size = keep_torn(place, entry, torn, size, told)
    if walk.open_line:
        size += failpoints.write("repair.newline", entry.writable_trail(), b"\n")
    told += _keep_edited(place, entry, found.run)
    head = found.head
    loaded = Loaded(
        found.run,
        Mark(
            offset=size, control=found.control, unadopted=tuple(span for span in unadopted if span not in found.adopted)
        ),
        lock=head.lock if head is not None else "",
        plan=head.plan if head is not None else "",
        lock_is_behind=head.lock_is_behind if head is not None else True,
    ).doubting()
    decision = restarted(place, found.run, "log.repaired", _payload(found, codes, size), message=_in_words(found))
    if not found.is_exact:
        # Whoever decided on a revision that may not have been saved must look again.
        log = decision.run.log.model_copy(update={"state_rev": decision.run.log.rev})
        decision = replace(decision, run=decision.run.model_copy(update={"log": log}))
    mutate(place, entry, loaded, decision, restart=True, end=size)
    return [*told, f"log_repaired: {_in_words(found)}"]


def _keep_edited(place: Place, entry: OpenRun, run: Run) -> list[str]:
    """Keep projections that somebody changed, before they are made anew."""
    told: list[str] = []
    for name in (STATE, REFS):
        text = projection_text(entry, name)
        if text is not None and not is_intact(text):
            kept = atomic.keep(entry.folder, f".{name}.edited-{place.stamp()}", text)
            told.append(edited(entry, name, text, run, kept=kept))
    return told


def _payload(found: Recovered, codes: list[str], size: int) -> Bag:
    # A list is its own type of JSON for the checker.
    damaged: list[Json] = [list(span) for span in found.damaged[:_LISTED_MAX]]
    adopted: list[Json] = [list(span) for span in found.adopted[:_LISTED_MAX]]
    missing: list[Json] = [list(row) for row in found.missing[:_LISTED_MAX]]
    unproved: list[Json] = list(found.unproved[:_LISTED_MAX])
    return {
        "bytes": size,
        "rev": found.run.log.rev,
        "findings": list(codes),
        "damaged": damaged,
        "adopted": adopted,
        "missing": missing,
        "unproved": unproved,
        "unjoined": found.unjoined,
    }


def _in_words(found: Recovered) -> str:
    """What a repair saved and what it could not save."""
    if found.is_exact:
        return (
            f"{TRAIL} does not prove itself; the run stands whole and is recorded again as a snapshot. "
            "Nothing that was acknowledged is lost"
        )
    parts: list[str] = []
    if found.missing:
        rows = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found.missing[:5])
        events = "event" if rows.isdigit() else "events"
        parts.append(f"no file tells {events} {rows} any more, so what only that changed is lost")
    if found.unproved:
        numbers = ", ".join(str(seq) for seq in found.unproved[:5])
        parts.append(f"events {numbers} were taken as they can be read, though their checksums are wrong")
    if found.unjoined:
        parts.append(f"{found.unjoined} changes behind them do not fit and were left out")
    if found.is_edited:
        parts.append(f"no other file gives the run, so it was taken from {STATE} as somebody changed it")
    if not found.has_plan:
        parts.append(f"its plan is as {PLAN} has it, or without prompts, for no file proves it")
    if not found.has_bindings:
        parts.append(BINDINGS_LOST)
    return f"{TRAIL} was damaged; {'; '.join(parts)}. Look whether the run is as you know it"


def tidy(place: Place, entry: OpenRun, loaded: Loaded) -> list[str]:
    """Put in order what lies around the trail of a run that is fit to be written."""
    told: list[str] = []
    for name in _FILES:
        told += _set_aside(place, entry.folder, name, wanted=stat.S_ISREG)
    for name in _FOLDERS:
        told += _set_aside(place, entry.folder, name, wanted=stat.S_ISDIR)
    told += _open_up(entry)
    for path in nodes_that_are_none(entry.folder):
        with parent_of(entry.folder, path) as (nodes, name):
            told += _set_aside(place, nodes, name, wanted=stat.S_ISDIR)
    told += _make_folders(place, entry, loaded.run)
    told += _put_away_leftovers(place, entry)
    told += _make_results(place, entry, loaded.run)
    walk = fold_whole(entry, lambda _: None)
    run = walk.run()
    if run is None or run.log.rev < loaded.run.log.rev:
        return told  # what was acknowledged stands, whatever became of the lines that told it
    problems = [one for one in projection_problems(entry, run) if one.where in _FILES]
    if not problems and run == loaded.run:
        return told
    now = loaded._replace(run=run, mark=replace(walk.fold.mark, control=loaded.mark.control))
    return told + _project_anew(place, entry, now, {problem.where for problem in problems})


def _is_earlier(text: bytes, run: Run) -> bool:
    """Whether a projection is as we wrote it, only a while ago: a full disk may have kept us from writing it since."""
    if not is_intact(text):
        return False
    state, refs = claimed_log(text), read_refs(text)
    rev = state.rev if state is not None else refs.rev if refs is not None else run.log.rev
    return rev < run.log.rev


def _project_anew(place: Place, entry: OpenRun, loaded: Loaded, wrong: set[str]) -> list[str]:
    told: list[str] = []
    for name in (STATE, REFS):
        text = projection_text(entry, name) if name in wrong else None
        if text is not None and not _is_earlier(text, loaded.run):
            kept = atomic.keep(entry.folder, f".{name}.edited-{place.stamp()}", text)
            told.append(f"file_edited: {name} was not what the trail leads to; it is made anew, your copy is {kept}")
    text = read_file(entry.folder, PLAN)
    # Known as nobody's, the file is kept when it differs from the plan, and written anew.
    known = loaded._replace(lock="", plan="", refs="", texts=None, seen={})
    now, warnings = project(place, entry, known, loaded.run, loaded.mark)
    entry.loaded = now
    if PLAN in wrong and now.lock != (short_sha(text) if text is not None else ""):
        told.append(f"plan_written: {PLAN} is written as the plan is; what stood there is kept beside it")
    if not told and not warnings:
        told.append(f"projected: {', '.join(sorted(wrong)) or STATE} made anew from the trail")
    return [*told, *warnings]


def _set_aside(place: Place, folder: int, name: str, *, wanted: Callable[[int], bool]) -> list[str]:
    """Give another name to what stands in a file's or folder's place and is none."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return []
    if wanted(mode):
        return []
    kept = _free_name(folder, f".{name.lstrip('.')}.odd-{place.stamp()}")
    failpoints.reach("replace.rename")
    os.rename(name, kept, src_dir_fd=folder, dst_dir_fd=folder)
    return [f"odd_file: {name} was {kind_of(mode)}; it is kept as {kept}"]


def _free_name(folder: int, name: str) -> str:
    number, chosen = 1, name
    while True:
        try:
            os.stat(chosen, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return chosen
        number += 1
        chosen = f"{name}-{number}"


def _open_up(entry: OpenRun) -> list[str]:
    told: list[str] = []
    for name in (*_FILES, TRAIL, LOCK, *_FOLDERS):
        with suppress(FileNotFoundError):
            mode = os.stat(name, dir_fd=entry.folder, follow_symlinks=False).st_mode
            needed = 0o700 if stat.S_ISDIR(mode) else 0o600
            if mode & needed != needed and not stat.S_ISLNK(mode):
                os.chmod(name, stat.S_IMODE(mode) | needed, dir_fd=entry.folder)
                told.append(f"permissions: {name} may be read and written by its owner again")
    return told


def _make_folders(place: Place, entry: OpenRun, run: Run) -> list[str]:
    make_folder(entry.folder, NODES, synced=place.synced)
    made: list[str] = []
    nodes = folder_at(entry.folder, NODES)
    try:
        known = set(os.listdir(nodes))
        for node_id in run.state.nodes:
            if node_id not in known:
                make_folder(nodes, node_id, synced=False)
                made.append(node_id)
    finally:
        os.close(nodes)
    with suppress(FileExistsError):
        atomic.write_new(entry.folder, CONTROL, b"", synced=False)
    return (
        [f"folder_made: {NODES}/ has a folder for {', '.join(shown(node) for node in made[:5])} again"] if made else []
    )


def _make_results(place: Place, entry: OpenRun, run: Run) -> list[str]:
    """Make again every result.json that is missing or broken."""
    told: list[str] = []
    found = list(results.wanting(entry, run, run.state.nodes))
    for one in found:
        with suppress(OSError), parent_of(entry.folder, one.path) as (folder, name):
            told += _set_aside(place, folder, name, wanted=stat.S_ISREG)
    failed, said = results.restore(entry, run, found, stamp=place.stamp(), keeps_earlier=True)
    made = [one.path for one in found if one.node.id not in failed]
    listed = ", ".join(shown(path) for path in made[:5])
    return [*told, *said, *([f"projected: {listed} made anew from the trail"] if made else [])]


def _put_away_leftovers(place: Place, entry: OpenRun) -> list[str]:
    """Move temporary files to `.torn/`. Under the lock nobody is writing one."""
    found = list(leftovers(entry.folder))
    if not found:
        return []
    make_folder(entry.folder, TORN, synced=place.synced)
    kept = folder_at(entry.folder, TORN)
    try:
        for path in found:
            parent, _, name = path.rpartition("/")
            with suppress(OSError), parent_of(entry.folder, path) as (folder, _):
                target = _free_name(kept, f"{place.stamp()}-{parent.replace('/', '-')}{name}")
                failpoints.reach("replace.rename")
                os.rename(name, target, src_dir_fd=folder, dst_dir_fd=kept)
    finally:
        os.close(kept)
    return [f"leftover: {len(found)} files of writers that were killed are kept in {TORN}/"]


@contextmanager
def _alone(folder: int) -> Iterator[None]:
    """One repairer at a time, where the run's own lock may be what is broken."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)
