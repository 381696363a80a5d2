"""What is acknowledged can be read again, however deep or long a caller's own values are."""

from pathlib import Path

import pytest

from registry.core.record import Bag
from registry.errors import InvalidRequest
from registry.formats.event_line import seal
from registry.storage.files.checkpoints import restart_body
from registry.storage.files.store import FileStore
from tests.storage.conftest import Bench
from tests.storage.given import Clock, completed, created, given_run, noted


def deep(levels: int) -> Bag:
    """Objects in each other, so many levels of them."""
    value: Bag = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


@pytest.mark.parametrize("levels", [100, 150, 185, 190, 195, 198, 199, 200, 250, 1000])
def test_a_payload_is_read_again_or_not_taken(bench: Bench, levels: int) -> None:
    """A line that is acknowledged and cannot be parsed is lost, and with it the revision that two writers then win."""
    bench.store.create(created(given_run()))

    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        try:
            rev = session.commit(noted(session.run, payload=deep(levels))).rev
        except InvalidRequest as refused:
            rev = 1
            assert "too deep" in refused.message

    assert bench.another().read("demo-1").run.log.rev == rev == (2 if levels <= 190 else 1)


def test_a_number_is_read_again_or_not_taken(bench: Bench) -> None:
    """JSON has no longest number, but every reader does."""
    bench.store.create(created(given_run()))

    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        assert session.commit(noted(session.run, payload={"n": 10**4290})).rev == 2
        with pytest.raises(InvalidRequest, match="number too long"):
            session.commit(noted(session.run, payload={"n": 10**4400}))

    assert bench.another().read("demo-1").run.log.rev == 2


@pytest.mark.parametrize("levels", range(180, 200))
def test_what_a_patch_may_hold_a_snapshot_may_hold(bench: Bench, levels: int) -> None:
    """A snapshot puts more around the same result; a run that could not write one would stand still for good."""
    bench.store.create(created(given_run()))
    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        decision = completed(session.run)
        node = decision.run.node("n0").model_copy(update={"result": deep(levels)})
        state = decision.run.state.model_copy(update={"nodes": {**decision.run.state.nodes, "n0": node}})
        run = decision.run.model_copy(update={"state": state})
        try:
            session.commit(type(decision)(run=run, events=decision.events))
        except InvalidRequest:
            return

    assert seal(decision.events, run_id="demo-1", after_seq=2, rev=3, body=restart_body(run, control=0))


def test_deep_lines_of_others_are_refused_once_and_hold_nobody_up(bench: Bench, tmp_path: Path) -> None:
    """They are taken in before every change: one that always failed there would lock the run for good."""
    lines = '{"x":' * 150 + "{}" + "}" * 150
    bench.store.create(created(given_run()))
    bench.put_control("demo-1", b'{"id":"c1","action":"patch_cron","patch":%b}' % lines.encode())

    with bench.store.locked("demo-1", wait_s=5, op="test") as session:
        [line] = session.inbox()
    assert (line.control, line.refusal) == (None, "patch is nested more than 100 deep")

    store = FileStore(str(tmp_path / "hand"), now=Clock(), durability="process")
    store.create(created(given_run()))
    with open(f"{store.run_dir('demo-1')}/events.jsonl", "a", encoding="utf-8") as trail:
        trail.write('{"event":"note.hand","payload":' + lines + "}\n")
    with store.locked("demo-1", wait_s=5, op="test") as session:
        adoption = session.foreign_lines()
    store.close()
    assert adoption is not None
    assert [line.refusal for line in adoption.lines] == ["payload is nested more than 100 deep"]
