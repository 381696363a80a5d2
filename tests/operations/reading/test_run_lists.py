"""What lists say about runs, and how their pages hang together."""

from datetime import timedelta

import pytest

from registry.core.commands import Control, ControlAction, CreateRun
from registry.core.digest import attention, digest_of
from registry.core.run import Actor, RunState, RunStatus
from registry.errors import InvalidRequest
from registry.operations.run_lists import RunFilters, cursor_of, page_of, read_cursor
from registry.registry import Registry
from registry.storage.listing import RunKey, run_key
from tests.operations.conftest import Hands
from tests.operations.reading.given import AGENT, AUDIT, MARIA, T0, after, claim, finish, given_run


def _attention(state: RunState, minutes: int = 2) -> str | None:
    return attention(digest_of(state), now=T0 + timedelta(minutes=minutes))


def _control(actor: Actor, action: ControlAction, node_id: str | None = None, message: str | None = None) -> Control:
    return Control(actor=actor, action=action, control_id=f"c-{action}", node_id=node_id, message=message)


def test_attention_names_the_most_pressing_thing_first() -> None:
    """Somebody back after two days reads one sentence a run and knows where to begin."""
    run = given_run()
    claimed = after(run, claim("gather"))
    gated = after(claimed, finish("gather"), claim("security"), finish("security"))

    assert _attention(run.state) == "ready to be claimed: gather"
    assert _attention(claimed.state) is None
    assert _attention(claimed.state, minutes=30) == "the worker of gather let its lease run out"
    assert _attention(gated.state) == ("waits for a person to decide about gate since 2026-01-01T09:01:00.000+00:00")


def test_attention_tells_a_persons_pause_from_an_agents() -> None:
    """An agent may lift its own pause, never a person's."""
    by_person = after(given_run(), _control(MARIA, "pause", message="let me read"))
    by_agent = after(given_run(), _control(AGENT, "pause"))

    assert _attention(by_person.state) == "paused by a person since 2026-01-01T09:01:00.000+00:00"
    assert _attention(by_agent.state) == "paused by an agent since 2026-01-01T09:01:00.000+00:00"


def test_a_run_that_failed_says_where() -> None:
    """The sentence must hold an id to call with, never the words of whoever failed."""
    failed = after(given_run(), claim("gather"), finish("gather", "failed"))

    assert failed.state.status == "failed"
    assert _attention(failed.state) == "failed at gather"


def _made(registry: Registry, run_id: str) -> None:
    registry.create(CreateRun(run_id=run_id, workflow=AUDIT, actor=AGENT, request=run_id))


def _ids(registry: Registry, after: RunKey | None = None, *, limit: int = 10) -> list[str]:
    return [run.run_id for run in page_of(registry, RunFilters(), after=after, limit=limit).runs]


def test_pages_hang_together_while_runs_change(registry: Registry, hands: Hands) -> None:
    """A run that changes meanwhile moves to the front; nobody is shown twice or left out."""
    filters = RunFilters()
    for number in range(5):
        _made(registry, f"r{number}")
        hands.move(seconds=1)
    first = page_of(registry, filters, limit=2).runs
    assert [run.run_id for run in first] == ["r4", "r3", "r2"]

    place = read_cursor(cursor_of(first[1], filters), filters, tool="list_runs")
    registry.transact("r4", claim("gather"))
    assert _ids(registry, place, limit=2) == ["r2", "r1", "r0"]
    assert _ids(registry) == ["r4", "r3", "r2", "r1", "r0"]


def test_runs_of_one_moment_are_told_apart_by_id(registry: Registry, hands: Hands) -> None:
    """A hundred runs may be made in one millisecond."""
    for run_id in ("b", "a", "c"):
        _made(registry, run_id)

    assert _ids(registry) == ["c", "b", "a"]
    assert _ids(registry, run_key(page_of(registry, RunFilters(), limit=3).runs[1])) == ["a"]


@pytest.mark.parametrize("cursor", ["", "x", "not a cursor", "é", "W10", "bnVsbA", "eyJhIjoxfQ"])
def test_an_invented_cursor_is_refused_in_words(cursor: str) -> None:
    """A model that makes one up must be told to start over, not be shown a wrong page."""
    with pytest.raises(InvalidRequest, match="cursor is not one that an answer gave"):
        read_cursor(cursor, RunFilters(), tool="list_runs")


def test_a_cursor_of_other_filters_is_refused() -> None:
    """Else a page would silently skip what the new filters want."""
    cursor = cursor_of(digest_of(given_run().state), RunFilters())

    with pytest.raises(InvalidRequest, match="cursor belongs to a list with other filters"):
        read_cursor(cursor, RunFilters(text="x"), tool="list_runs")


def test_open_means_running_or_paused() -> None:
    """The word that everybody guesses."""
    assert RunFilters(status=("open",)).statuses == frozenset[RunStatus]({"running", "paused"})
    assert RunFilters(status=("open", "failed")).statuses == frozenset[RunStatus]({"running", "paused", "failed"})
    assert RunFilters(status=("all", "failed")).statuses is None
    assert RunFilters().statuses is None
