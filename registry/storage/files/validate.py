"""Judging a run's bytes as they lie, before anything is mended.

Proved is that state.json, refs.json and workflow.lock.md are what the trail leads to, that the
trail counts on without a gap and tells only steps that the lifecycle table has, in the order of
their times, and that what was adopted is what it was. What the next change puts right by itself
is a warning.
"""

import hashlib
from collections.abc import Iterator

from ...core.check import check_all
from ...core.names import shown
from ...core.run import Run
from ...formats.projections import RefsFile, StateFile, is_intact, read_refs, read_state
from ...formats.trail import Damage, Mutation, is_repair
from ..port import Problem
from .adopt import earlier_run
from .finding import Found, find_anew
from .handles import OpenRun
from .layout import PLAN, REFS, STATE, TRAIL
from .opening import OpenRoot, size_of
from .plan_edit import edit_of
from .projecting import lock_text, short_sha
from .proof import Proof
from .results import wanting
from .telling import damage_in_words, notices_of_reader
from .vouching import of_folder, projection_text
from .walking import Walk, fold_whole, trail_lines


def problems_of(entry: OpenRun, root: OpenRoot) -> list[Problem]:
    """What is wrong with a run's files; empty when they prove each other."""
    walk, proof, adopted = _followed(entry)
    found = find_anew(entry, root)
    problems = [*_of_the_trail(entry, walk, found), *_of_adopted(entry, adopted)]
    run = walk.run()
    loaded = found.loaded if found is not None else None
    if run is None or found is None or found.lost or _damage(walk, found):
        # What a fold over a gap leads to says nothing about the other files.
        beside = projection_problems(entry, loaded.run) if loaded is not None else []
        return problems + [one for one in beside if one.code not in _COMPARED]
    problems += [*proof.problems, *projection_problems(entry, run)]
    return problems + [Problem("impossible_state", fault, where=STATE) for fault in check_all(run)]


_COMPARED = frozenset({"state_differs", "refs_differ", "projection_stale", "plan_differs"})


def judged(entry: OpenRun, root: OpenRoot) -> tuple[Walk, list[Problem]]:
    """The whole trail folded, and what in it only a new beginning of the proof puts right."""
    walk, proof, adopted = _followed(entry)
    of_the_trail = [one for one in _of_the_trail(entry, walk, find_anew(entry, root)) if one.code == "log_corrupt"]
    return walk, [*of_the_trail, *_of_adopted(entry, adopted), *proof.problems]


def projection_problems(entry: OpenRun, run: Run) -> list[Problem]:
    """Where the files beside the trail are not what it leads to."""
    return [*_of_projections(entry, run), *_of_the_lock(entry, run), *_of_results(entry, run), *_of_outputs(entry, run)]


def _followed(entry: OpenRun) -> tuple[Walk, Proof, list[Mutation]]:
    proof = Proof(entry.run_id)
    adopted: list[Mutation] = []

    def follow(mutation: Mutation) -> None:
        proof.follow(mutation)
        if is_repair(mutation):
            adopted.clear()
        if any(line.get("event") == "log.adopted" for line in mutation.lines):
            adopted.append(mutation)

    return fold_whole(entry, follow), proof, adopted


def _damage(walk: Walk, found: Found | None) -> Damage | None:
    """Where the trail is damaged, or does not lead to what the state vouches for since lines of it were moved."""
    damage = walk.damage or (found.damage if found is not None else None)
    log = walk.fold.log
    if damage is None and found is not None and found.loaded is not None and not found.lost:
        known = found.loaded.run.log
        return Damage(walk.fold.mark.offset, log.seq, known.seq + 1) if known.rev > log.rev else None
    return damage


def _of_the_trail(entry: OpenRun, walk: Walk, found: Found | None) -> Iterator[Problem]:
    damage = _damage(walk, found)
    if damage is not None:
        yield Problem("log_corrupt", damage_in_words(damage), where=TRAIL)
    elif found is None and earlier_run(entry) is None:
        yield Problem("no_run_left", "no file in the folder can be read as a run")
    elif found is None or found.loaded is None:
        yield Problem(
            "not_adopted",
            "the folder was made by an earlier implementation and is adopted with its next change",
            "warning",
        )
    if found is not None and found.lost:
        told = notices_of_reader(entry, found)
        yield Problem("log_shorter", told[-1].partition(": ")[2], where=TRAIL)
    for torn in walk.torn if damage is None else [one for one in walk.torn if one.end == entry.trail_size]:
        yield Problem(
            "torn_tail",
            f"{torn.end - torn.offset:,} bytes of a change that never was",
            "warning",
            f"{TRAIL} byte {torn.offset}",
        )
    # Behind a damage nobody can tell a broken line of ours from one of others.
    for offset, size in walk.fold.mark.unadopted if damage is None else ():
        yield Problem(
            "not_adopted",
            f"{size:,} bytes of others that no mutation took note of",
            "warning",
            f"{TRAIL} byte {offset}",
        )


def _of_adopted(entry: OpenRun, mutations: list[Mutation]) -> Iterator[Problem]:
    for mutation in mutations:
        for line in mutation.lines:
            payload = line.get("payload")
            if line.get("event") != "log.adopted" or not isinstance(payload, dict):
                continue
            offset, size, digest = payload.get("offset"), payload.get("bytes"), hashlib.sha256()
            if not isinstance(offset, int) or not isinstance(size, int):
                continue
            for adopted in trail_lines(entry, offset, offset + size):
                digest.update(adopted.raw)
            if digest.hexdigest() != payload.get("sha256"):
                yield Problem(
                    "adopted_differs",
                    "lines of others were changed after they were adopted",
                    where=f"{TRAIL} byte {offset}",
                )


def _of_projections(entry: OpenRun, run: Run) -> Iterator[Problem]:
    texts = {name: projection_text(entry, name) for name in (STATE, REFS)}
    for name, text in texts.items():
        if text is None:
            yield Problem(
                "projection_missing", f"{name} is gone or empty; the next change makes it again", "warning", name
            )
        elif not is_intact(text):
            yield Problem(f"{name.partition('.')[0]}_edited", f"{name} is not as it was written", where=name)
    state, refs = read_state(texts[STATE] or b""), read_refs(texts[REFS] or b"")
    if state is not None:
        yield from _of_state(state, run)
    if refs is not None:
        yield from _of_refs(refs, state, run)


def _of_state(state: StateFile, run: Run) -> Iterator[Problem]:
    told = of_folder(run.state.run_id, state.state)
    if state.head is not None and state.head.log.rev < run.log.rev:
        yield Problem(
            "projection_stale", f"{STATE} is behind the trail; the next change brings it up", "warning", STATE
        )
    elif told != run.state or (state.head is not None and state.head.log != run.log):
        yield Problem("state_differs", f"{STATE} is not what the trail leads to", where=STATE)


def _of_refs(refs: RefsFile, state: StateFile | None, run: Run) -> Iterator[Problem]:
    if refs.refs == run.refs:
        return
    head = state.head if state is not None else None
    # Written before state.json, it is behind whenever that is.
    if head is not None and (head.refs != refs.crc or head.log.rev < run.log.rev):
        yield Problem("projection_stale", f"{REFS} is behind the trail; the next change brings it up", "warning", REFS)
    else:
        yield Problem("refs_differ", f"{REFS} is not what the trail leads to", where=REFS)


def _of_the_lock(entry: OpenRun, run: Run) -> Iterator[Problem]:
    text = projection_text(entry, PLAN)
    if text is None:
        yield Problem(
            "projection_missing",
            f"{PLAN} is gone or empty; the next change of the plan makes it again",
            "warning",
            PLAN,
        )
        return
    state = read_state(projection_text(entry, STATE) or b"")
    if state is not None and state.head is not None and state.head.lock == short_sha(text):
        if text != lock_text(run) and edit_of(text, run) is not None:
            is_behind = state.head.lock_is_behind or state.head.log.rev < run.log.rev
            severity, told = ("warning", "is behind") if is_behind else ("error", "is not what the trail leads to")
            yield Problem("plan_differs", f"{PLAN} {told}", severity, PLAN)
        return
    edit = edit_of(text, run)
    if edit is None:
        return
    if edit.title is not None or edit.titles or edit.prompts:
        yield Problem(
            "plan_edited", f"{PLAN} was edited; the next change takes over titles and prompts", "warning", PLAN
        )
    for refused in edit.refused:
        yield Problem("plan_edited", refused, where=PLAN)


def _of_results(entry: OpenRun, run: Run) -> Iterator[Problem]:
    for one in wanting(entry, run, run.state.nodes):
        code = "projection_stale" if one.lost else "projection_missing"
        yield Problem(code, f"{shown(one.path)} {one.why}; repair_run makes it again", "warning", one.path)


def _of_outputs(entry: OpenRun, run: Run) -> Iterator[Problem]:
    for node_id, node in run.state.nodes.items():
        definition = run.plan.nodes.get(node_id)
        if node.status != "completed" or definition is None:
            continue
        for path in definition.required_files:
            if size_of(entry.folder, path) is None:
                yield Problem(
                    "missing_output", f"node {shown(node_id)!r} is completed without {shown(path)}", "warning", path
                )
