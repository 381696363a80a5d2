"""A difference carried out is the run it was made for, once or twice, in memory or from the disk."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from registry.core.patch import Patch, advance, apply, diff, run_of, snapshot
from registry.core.record import Json
from registry.core.run import Attempt, Effect, Lease, Log, Message, NodeState, Paused, Run, Wait
from tests.storage.given import AGENT, T0, given_run

JSON: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BAGS = st.dictionaries(st.text(), JSON, max_size=3)
AT = T0.isoformat()
Change = Callable[[Run], Run]


def of_node(node_id: str, **fields: object) -> Change:
    def change(run: Run) -> Run:
        known = run.state.nodes.get(node_id)
        if known is None:
            return run
        nodes = {**run.state.nodes, node_id: known.model_copy(update=fields)}
        return run.model_copy(update={"state": run.state.model_copy(update={"nodes": nodes})})

    return change


def of_state(**fields: object) -> Change:
    return lambda run: run.model_copy(update={"state": run.state.model_copy(update=fields)})


def of_refs(**fields: object) -> Change:
    return lambda run: run.model_copy(update={"refs": run.refs.model_copy(update=fields)})


def added(node_id: str, *, first: bool) -> Change:
    def change(run: Run) -> Run:
        if node_id in run.state.nodes:
            return run
        like = next(iter(run.state.nodes.values()))
        node = like.model_copy(update={"id": node_id, "needs": ()})
        planned = run.plan.nodes[like.id].model_copy(update={"id": node_id, "needs": ()})
        nodes = {node_id: node, **run.state.nodes} if first else {**run.state.nodes, node_id: node}
        plan = {node_id: planned, **run.plan.nodes} if first else {**run.plan.nodes, node_id: planned}
        return run.model_copy(
            update={
                "state": run.state.model_copy(update={"nodes": nodes}),
                "plan": run.plan.model_copy(update={"nodes": plan}),
            }
        )

    return change


def removed(node_id: str) -> Change:
    def change(run: Run) -> Run:
        if node_id not in run.state.nodes or len(run.state.nodes) == 1:
            return run
        nodes = {key: node for key, node in run.state.nodes.items() if key != node_id}
        plan = {key: node for key, node in run.plan.nodes.items() if key != node_id}
        return run.model_copy(
            update={
                "state": run.state.model_copy(update={"nodes": nodes}),
                "plan": run.plan.model_copy(update={"nodes": plan}),
            }
        )

    return change


NODE_IDS = st.sampled_from(["n0", "n1", "n2", "x"])
CHANGES = st.lists(
    st.one_of(
        st.builds(of_node, NODE_IDS, status=st.sampled_from(["ready", "running", "failed"]), attempt=st.integers(0, 3)),
        st.builds(of_node, NODE_IDS, result=st.none() | BAGS, params=JSON, summary=st.none() | st.text()),
        st.builds(
            of_node, NODE_IDS, lease=st.none() | st.just(Lease(owner="a", fence="1-x", seconds=5, expires_at=AT))
        ),
        st.builds(of_node, NODE_IDS, wait=st.none() | st.just(Wait(type="until", at=AT, since_seq=3))),
        st.builds(of_node, NODE_IDS, attempts=st.just((Attempt(attempt=1, ended="lost", at=AT),)) | st.just(())),
        st.builds(of_node, NODE_IDS, tags=st.lists(st.text(), max_size=2).map(tuple), priority=st.integers(1, 10)),
        st.builds(of_state, inputs=BAGS, cron_job_id=st.text(), status=st.sampled_from(["running", "paused"])),
        st.builds(of_state, paused=st.none() | st.just(Paused(at=AT, actor=AGENT, message="stop"))),
        st.builds(of_state, messages=st.just((Message(id="m", at=AT, by="p", message="hi"),)) | st.just(())),
        st.builds(of_refs, node_sessions=st.dictionaries(NODE_IDS, st.text(), max_size=2)),
        st.builds(of_refs, applied_control_ids=st.dictionaries(st.text(min_size=1), st.booleans(), max_size=3)),
        st.builds(
            of_refs,
            pending_effects=st.dictionaries(
                st.just("e"), BAGS.map(lambda bag: Effect(id="e", kind="cron.update", do="x", params=bag))
            ),
        ),
        st.builds(added, st.sampled_from(["x", "y"]), first=st.booleans()),
        st.builds(removed, NODE_IDS),
    ),
    max_size=6,
)


def as_written(run: Run) -> bytes:
    """The run's bytes on the disk: stricter than equality, for which 1 is True and order does not count in maps."""
    return to_json(snapshot(run))


def through_the_disk(patch: Patch) -> Patch:
    read: Patch = from_json(to_json(patch))
    return read


@given(CHANGES, CHANGES)
def test_a_difference_carried_out_is_the_run_it_was_made_for(first: list[Change], then: list[Change]) -> None:
    """Replay knows no rules: what a patch does not say is lost."""
    old = given_run()
    for change in first:
        old = change(old)
    new = old
    for change in then:
        new = change(new)
    patch, log = through_the_disk(diff(old, new)), Log(rev=2, seq=2)

    document = json.loads(as_written(old))
    apply(document, patch)
    apply(document, patch)

    assert run_of(document, log).state == new.state
    for led in (run_of(document, log), advance(old, patch, log), advance(advance(old, patch, log), patch, log)):
        assert json.loads(as_written(led)) == json.loads(as_written(new))
        assert list(led.state.nodes) == list(new.state.nodes) == list(led.plan.nodes)
        assert list(led.refs.applied_control_ids) == list(new.refs.applied_control_ids) or old.refs.applied_control_ids
    assert diff(new, advance(old, patch, log)) == {}


@pytest.mark.parametrize(("was", "now"), [({"n": 1}, {"n": True}), ({"n": 1}, {"n": 1.0}), ({"a": {}}, {"a": []})])
def test_values_that_only_python_takes_for_equal_are_told_apart(was: Json, now: Json) -> None:
    """A caller that reports true must not read back 1."""
    old, new = of_node("n0", result=was)(given_run()), of_node("n0", result=now)(given_run())

    assert diff(old, new) == {"state": [["set", ["nodes", "n0", "result"], now]]}


def test_a_run_without_change_has_no_difference() -> None:
    """A mutation of nothing but a note writes as little as that."""
    assert diff(given_run(), given_run()) == {}


@pytest.mark.parametrize(
    "patch",
    [
        {"elsewhere": []},
        {"state": [["set", [], 1]]},
        {"state": [["add", ["title"], 1]]},
        {"state": [["set", ["title", "deeper"], 1]]},
    ],
)
def test_a_patch_that_does_not_fit_is_refused(patch: Patch) -> None:
    """A trail with such a line is damaged, however right its checksum."""
    with pytest.raises(ValueError, match=r"patch|path|operation"):
        advance(given_run(), patch, Log())


def test_a_changed_run_shares_what_did_not_change() -> None:
    """Projections encode again only nodes that are not the same object."""
    old = given_run()
    new = advance(old, diff(old, of_node("n1", status="ready")(old)), Log())

    same: dict[str, NodeState] = {key: node for key, node in new.state.nodes.items() if node is old.state.nodes[key]}
    assert (list(same), new.refs is old.refs, new.plan is old.plan) == (["n0", "n2"], True, True)
