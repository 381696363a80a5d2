"""Adding, rewiring and removing nodes of a run that goes, and the summary it was given."""

import pytest

from registry.core.commands import AddNode, Bind, EditPlan, RemoveNode, RewireNode
from registry.core.limits import GRAPH_DEPTH_MAX
from registry.core.run import NodeStatus
from registry.errors import Conflict, IllegalTransition, InvalidRequest, LimitExceeded, NotFound
from tests.core.given import AGENT, at, control, created, decided, given_run, in_turn, node, refused, statuses


def _add(node_id: str, *needs: str, by: tuple[str, ...] = ()) -> AddNode:
    return AddNode(actor=AGENT, node=node(node_id, needs=needs), needed_by=by)


def _rewire(node_id: str, needs: tuple[str, ...] | None = None, by: tuple[str, ...] | None = None) -> RewireNode:
    return RewireNode(actor=AGENT, node_id=node_id, needs=needs, needed_by=by)


def _remove(node_id: str) -> RemoveNode:
    return RemoveNode(actor=AGENT, node_id=node_id)


def test_a_workflow_without_a_summary_gets_one_that_needs_every_leaf() -> None:
    """Somebody has to tell the user what came of it."""
    decision = created(node("a"), node("b", needs=("a",)), node("c", needs=("a",)))

    assert decision.event_names == ("run.created", "node.added", "node.ready")
    summary = decision.run.node("summary")
    assert (summary.kind, summary.needs, summary.status) == ("summary", ("b", "c"), "pending")
    assert decision.run.plan.nodes["summary"].needs == ("b", "c")


@pytest.mark.parametrize("nodes", [(node("a"),), (node("a"), node("wrap", "summary", needs=("a",)))])
def test_one_node_or_a_summary_of_its_own_is_left_alone(nodes: tuple[object, ...]) -> None:
    """A task is its own summary, and an author's is not doubled."""
    assert len(created(*nodes).run.state.nodes) == len(nodes)  # type: ignore[arg-type]


def test_a_taken_name_does_not_stop_the_summary() -> None:
    """An author may call any node summary."""
    assert "summary-2" in created(node("summary"), node("b")).run.state.nodes


def test_the_summary_stays_last_when_nodes_are_added_rewired_and_removed() -> None:
    """It sums up what the run did, whatever that came to be."""
    run = created(node("a"), node("b")).run
    run = decided(run, _add("c", "b")).run
    assert run.node("summary").needs == ("a", "c")
    run = decided(run, _rewire("c", ("a", "b"))).run
    assert run.node("summary").needs == ("c",)
    run = decided(run, _remove("c")).run
    assert set(run.node("summary").needs) == {"a", "b"}


def test_what_needs_the_summary_comes_after_it() -> None:
    """Keeping the summary last must not close a circle."""
    run = decided(created(node("a"), node("b")).run, _add("send", "summary")).run

    assert run.node("summary").needs == ("a", "b")
    assert decided(run, _add("c")).run.node("summary").needs == ("a", "b", "c")


def test_a_summary_that_was_rewired_by_hand_is_not_wired_back() -> None:
    """Who says what it needs has taken it over."""
    run = decided(created(node("a"), node("b")).run, _rewire("summary", ("a",))).run

    assert run.node("summary").needs == ("a",)
    assert decided(run, _add("c")).run.node("summary").needs == ("a",)


def test_a_summary_of_an_agent_named_like_us_is_its_own() -> None:
    """Names are free; only the one we made is kept."""
    ours = AGENT.model_copy(update={"id": "opentask"})
    run = decided(created(node("a")).run, AddNode(actor=ours, node=node("sum", "summary", needs=("a",)))).run

    assert decided(run, _add("c")).run.node("sum").needs == ("a",)


def test_an_added_node_is_needed_by_whom_it_says() -> None:
    """New work before old work that was ready puts that off."""
    run = given_run(nodes={"a": "ready", "b": "pending"}, needs={"b": ["a"]})

    decision = decided(run, _add("x", by=("a", "a", "b")))

    assert decision.event_names == ("node.added", "node.rewired", "node.rewired", "node.ready")
    assert statuses(decision.run) == {"a": "pending", "b": "pending", "x": "ready"}
    assert (decision.run.node("a").needs, decision.run.node("b").needs) == (("x",), ("a", "x"))
    assert decision.run.node("x").created_by == "cc"


def test_an_added_node_may_be_ready_at_once() -> None:
    """What it needs may be done already."""
    run = given_run(nodes={"a": "completed", "b": "ready"})

    assert decided(run, _add("x", "a")).run.node("x").status == "ready"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (_add("A"), Conflict),
        (_add("x", "nobody"), NotFound),
        (_add("x", by=("nobody",)), NotFound),
        (_add("x", "b", by=("a",)), InvalidRequest),
        (_add("x", by=("run",)), IllegalTransition),
        (_rewire("a", ("b",)), InvalidRequest),
        (_rewire("a", ("a",)), InvalidRequest),
        (_rewire("run", ("a",)), IllegalTransition),
        (_rewire("nobody", ()), NotFound),
        (_rewire("a", ("nobody",)), NotFound),
        (_rewire("a", by=("run",)), IllegalTransition),
        (_remove("run"), IllegalTransition),
        (_remove("nobody"), NotFound),
    ],
)
def test_an_unsound_change_is_refused_whole(command: AddNode, error: type[Exception]) -> None:
    """A plan that cannot be carried out must not be written down."""
    run = given_run(nodes={"a": "ready", "b": "pending", "run": "running"}, needs={"b": ["a"]})

    refused(run, command, error=error)  # type: ignore[arg-type]


def test_a_circle_is_named_whole() -> None:
    """To mend it one must see all of it."""
    run = given_run(nodes={"a": "ready", "b": "pending", "c": "pending"}, needs={"b": ["a"], "c": ["b"]})

    refusal = refused(run, _rewire("a", ("c",)), error=InvalidRequest)

    assert refusal.message == "this would make a cycle: a -> c -> b -> a"


def test_the_longest_chain_has_a_limit_that_our_own_summary_does_not_use_up() -> None:
    """A plan that was taken can still be changed beside its longest chain."""
    names = [f"n{place}" for place in range(GRAPH_DEPTH_MAX)]
    chain = [node(name, needs=(before,) if before else ()) for before, name in zip([None, *names], names, strict=False)]
    run = created(*chain).run

    run = decided(run, _add("beside", names[0])).run

    refused(run, _add("deeper", names[-1]), error=LimitExceeded)


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_plan_is_changed_while_the_run_goes_or_stands(status: str) -> None:
    """A pause is a good time to change a plan."""
    run = given_run(nodes={"a": "ready"}, status=status)  # type: ignore[arg-type]

    assert statuses(decided(run, _add("x", "a")).run) == {"a": "ready", "x": "pending"}


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_the_plan_of_an_ended_run_stays(status: NodeStatus) -> None:
    """It is what was done."""
    refused(given_run(nodes={"a": status}), _add("x"), error=IllegalTransition)


def test_rewiring_round_open_work_makes_ready() -> None:
    """And nothing else changes."""
    run = given_run(nodes={"a": "running", "b": "pending"}, needs={"b": ["a"]})

    decision = decided(run, _rewire("b", ()))

    assert decision.event_names == ("node.rewired", "node.ready")
    assert decided(run, _rewire("b", ("a",))).events == ()


def test_needed_by_is_the_whole_list() -> None:
    """Who is not on it does not need the node any more."""
    run = given_run(nodes={"a": "running", "b": "pending", "c": "ready"}, needs={"b": ["a"]})

    run = decided(run, _rewire("a", by=("c",))).run

    assert {key: state.needs for key, state in run.state.nodes.items()} == {"a": (), "b": (), "c": ("a",)}
    assert statuses(run) == {"a": "running", "b": "ready", "c": "pending"}


@pytest.mark.parametrize("kind", ["approval", "wait"])
def test_what_waits_already_takes_no_new_need_that_it_would_not_heed(kind: str) -> None:
    """A person would approve without the work that was put before the approval."""
    run = given_run(nodes={"a": "running", "gate": "waiting"}, kinds={"gate": kind})  # type: ignore[dict-item]

    refused(run, _add("x", by=("gate",)), error=IllegalTransition)
    refused(run, _rewire("gate", ("a",)), error=IllegalTransition)


def test_who_needed_a_removed_node_needs_what_it_needed() -> None:
    """Order is kept where a step in the middle goes."""
    run = given_run(nodes={"a": "running", "b": "pending", "c": "pending"}, needs={"b": ["a"], "c": ["b"]})

    decision = decided(run, _remove("b"))

    assert decision.event_names == ("node.rewired", "node.removed")
    assert decision.run.node("c").needs == ("a",)
    assert list(decision.run.plan.nodes) == ["a", "c"]


def test_a_removed_node_leaves_no_bindings() -> None:
    """Bindings of what is not there would be taken for damage."""
    run = given_run(nodes={"a": "ready", "b": "ready"})
    run = decided(run, Bind(actor=AGENT, node_id="b", session_key="s", child_session_key="c", worker_run_id="r")).run

    refs = decided(run, _remove("b")).run.refs

    assert (refs.node_sessions, refs.child_sessions, refs.node_run_ids) == ({}, {}, {})


def test_the_only_node_is_not_removed() -> None:
    """An empty run would be neither done nor failed."""
    refused(given_run(nodes={"a": "ready"}), _remove("a"), error=IllegalTransition)


def test_removing_the_last_open_node_ends_the_run() -> None:
    """Nothing is left to do."""
    run = given_run(nodes={"a": "completed", "b": "ready"})

    assert decided(run, _remove("b")).event_names == ("node.removed", "run.completed")


def test_edited_titles_and_prompts_are_taken_until_a_node_starts() -> None:
    """A person may better a brief that nobody has read yet."""
    run = given_run(nodes={"a": "ready", "b": "running"})
    edit = EditPlan(
        actor=AGENT, title="Better", titles={"a": "New", "b": "New"}, prompts={"a": "do it well", "gone": "?"}
    )

    decision = decided(run, edit)

    assert decision.event_names == ("run.plan_edited",)
    assert decision.events[0].payload == {"changed": ["title", "a"], "file": "workflow.lock.md"}
    assert (decision.run.node("a").title, decision.run.plan.nodes["a"].prompt) == ("New", "do it well")
    assert (decision.run.state.title, decision.run.node("b").title) == ("Better", "B")
    assert decision.warnings == ("plan_edit_refused: node 'b' is running; its text stays as it was",)
    assert decided(decision.run, edit).events == ()


def test_a_retried_need_puts_off_what_was_ready_and_rewiring_frees_it() -> None:
    """The two ways a node changes between ready and pending, one after the other."""
    run = given_run(nodes={"a": "skipped", "b": "ready"}, needs={"b": ["a"]})

    run = in_turn(run, control("retry", "a"))
    assert statuses(run) == {"a": "ready", "b": "pending"}
    assert statuses(in_turn(run, _rewire("b", ()))) == {"a": "ready", "b": "ready"}


def test_work_that_is_made_to_wait_for_more_forgets_its_back_off() -> None:
    """A back-off is the time of a ready node; a pending one has no such time, and waits for its needs anyway."""
    run = given_run(
        nodes={"a": "ready", "b": "ready"},
        states={"b": {"attempt": 1, "not_before": at(30), "failed_count": 1}},
    )

    after = decided(run, _rewire("b", needs=("a",))).run

    assert (after.node("b").status, after.node("b").not_before) == ("pending", None)
