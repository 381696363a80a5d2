"""Why there is nothing to do, in words that end a turn."""

from collections.abc import Sequence
from datetime import datetime

from ..core.claimable import claimable, holding, ready_work
from ..core.names import moment
from ..core.run import Run
from .acting import agent_of
from .answers import waiting_for
from .caller import Caller
from .flow_steps import standing


def idle_because(run: Run, caller: Caller, *, now: datetime) -> str | None:
    """Why there is nothing to begin; None while there is.

    A caller that reads it ends its turn instead of asking again.
    """
    state = run.state
    if claimable(state, now=now, tasks={}) or run.refs.pending_effects or state.messages:
        return None
    if holding(state.nodes, agent_of(caller)):
        return None
    if state.is_ended:
        return f"the run is {state.status}"
    reasons = _reasons(run, now)
    return "; ".join(reasons[:3]) + "; end your turn" if reasons else None


def _reasons(run: Run, now: datetime) -> list[str]:
    state = run.state
    if state.status == "draft":
        return ["the run is a draft"]
    reasons = ["the run is paused"] if state.status == "paused" else []
    waits = waiting_for(run, now=now)
    approvals = [row.node_id for row in waits if row.what == "approval"]
    if approvals:
        reasons.append(f"a person must decide about {_listed(approvals)}")
    running = [node.id for node in state.nodes.values() if node.status == "running"]
    if running:
        reasons.append(f"others are at work on {_listed(running)}")
    for row in waits:
        if row.what in ("manual", "event", "file_exists", "next_tick"):
            reasons.append(f"{row.node_id!r} waits: {row.what.replace('_', ' ')}")
        elif row.what in ("until", "backoff") and row.until is not None and moment(row.until) > now:
            reasons.append(f"{row.node_id!r} {'waits' if row.what == 'until' else 'is held back'} until {row.until}")
    if (still := standing(state)) is not None:
        reasons.append(still)
    held = [node.id for node in ready_work(state) if node.depends_on]
    if held and state.status == "running":
        reasons.append(f"tasks of other runs hold {_listed(held)}")
    return reasons


def _listed(ids: Sequence[str]) -> str:
    named = ", ".join(repr(one) for one in ids[:5])
    return named + (f" and {len(ids) - 5} more" if ids[5:] else "")
