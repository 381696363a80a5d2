"""Judging a run's bytes as they lie, before anything is mended."""

from ...formats.projections import is_intact, read_refs, read_state
from ..port import Problem
from .finding import fold_whole
from .handles import OpenRun
from .layout import REFS, STATE, TRAIL
from .opening import read_file
from .telling import damage_in_words


def problems_of(entry: OpenRun) -> list[Problem]:
    """What is wrong with a run's files; empty when its state, bindings and plan equal its trail."""
    walk = fold_whole(entry)
    run = walk.run()
    problems: list[Problem] = []
    if walk.damage is not None:
        problems.append(Problem("log_corrupt", damage_in_words(walk.damage), where=TRAIL))
    if run is None:
        return problems
    state, refs = read_file(entry.folder, STATE), read_file(entry.folder, REFS)
    for name, text in ((STATE, state), (REFS, refs)):
        if text is None or not is_intact(text):
            problems.append(Problem(f"{name.partition('.')[0]}_edited", f"{name} is not as it was written", where=name))
    found_state, found_refs = read_state(state or b""), read_refs(refs or b"")
    if found_state is not None and found_state.state != run.state:
        problems.append(Problem("state_differs", f"{STATE} is not what the trail leads to", where=STATE))
    if found_refs is not None and found_refs.refs != run.refs:
        problems.append(Problem("refs_differ", f"{REFS} is not what the trail leads to", where=REFS))
    return problems
