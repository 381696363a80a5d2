"""Finding what a call names, or saying what was probably meant.

Agents invent run ids after a restart. The refusal names the nearest run and the newest open
ones, which is what they would have asked for next.
"""

from itertools import islice
from typing import TYPE_CHECKING, Final

from ..core.digest import RunDigest
from ..core.names import NodeId, RunId, nearest, shown
from ..core.refusals import node_not_found
from ..core.run import NodeState, Run, RunState
from ..errors import NextCall, NotFound, RegistryError
from ..registry import Outcome, Registry, RequestKey, View
from ..storage.listing import RunQuery
from .caller import Caller

if TYPE_CHECKING:
    from ..core.commands import AnyCommand

_NAMES_COMPARED: Final = 2_000
_OPEN_NAMED: Final = 3
"""A refusal may not cost more than an answer, however many runs there are."""


def open_run(caller: Caller, run_id: RunId) -> View:
    """The run as a reader finds it.

    Raises:
        NotFound: naming the nearest run and the newest open ones.
    """
    with KnownRun(caller.registry, run_id):
        return caller.registry.read(run_id)


def change_run(
    caller: Caller,
    run_id: RunId,
    command: "AnyCommand",
    *,
    request: RequestKey | None = None,
    expected_rev: int | None = None,
) -> Outcome:
    """Have a command decided and committed; as `Registry.transact`, with our words where no such run is."""
    with KnownRun(caller.registry, run_id):
        return caller.registry.transact(run_id, command, request=request, expected_rev=expected_rev)


class KnownRun:
    """Says helpfully that there is no such run, where that is why the block failed."""

    def __init__(self, registry: Registry, run_id: RunId) -> None:
        self._registry = registry
        self._run_id = run_id

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, NotFound) and self._registry.store.log_mark(self._run_id) is None:
            raise run_not_found(self._registry, self._run_id) from None


def node_of(run: Run, node_id: NodeId) -> NodeState:
    """A node of the run.

    Raises:
        NotFound: with the nearest id and all ids.
    """
    found = run.state.nodes.get(node_id)
    if found is None:
        raise node_not_found(run.state.run_id, node_id, list(run.state.nodes))
    return found


def run_not_found(registry: Registry, run_id: RunId) -> NotFound:
    """There is no such run: with the nearest id and the newest open runs."""
    near = nearest(run_id, islice(registry.store.run_ids(), _NAMES_COMPARED))
    near_state = state_or_none(registry, near) if near else None
    newest = [state for state in newest_open(registry) if state.run_id != near]
    message = f"no run {shown(run_id)!r}"
    if near_state is not None:
        message += f"; nearest: {near_state.run_id!r} ({near_state.status})"
    if newest:
        message += "; newest open: " + ", ".join(repr(state.run_id) for state in newest)
    calls = [NextCall("get_run", {"run_id": near_state.run_id}, "if that was meant")] if near_state else []
    calls += [NextCall("get_run", {"run_id": state.run_id}, "if this one was meant") for state in newest]
    calls.append(NextCall("list_runs", {}, "all runs"))
    return NotFound(
        message,
        hint="list_runs shows all",
        next=calls,
        run_id=shown(run_id),
        nearest=near_state.run_id if near_state else None,
    )


def newest_open(registry: Registry) -> tuple[RunDigest, ...]:
    """The open runs that changed last, a few."""
    query = RunQuery(statuses=frozenset({"draft", "running", "paused"}))
    return registry.lists.page(query, limit=_OPEN_NAMED).runs


def state_or_none(registry: Registry, run_id: RunId) -> RunState | None:
    """A run's state; None where it is gone or damaged, which is for doctor to tell and not for a refusal."""
    try:
        return registry.store.state(run_id)
    except RegistryError:
        return None
