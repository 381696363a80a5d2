"""Needs as a graph: right on any shape, and never deep on the stack."""

from hypothesis import given
from hypothesis import strategies as st

from registry.core.graph import (
    ancestors,
    dependants,
    depth,
    depths,
    descendants,
    find_cycle,
    find_cycles,
    leaves,
    topological,
)

DIAMOND = {"plan": (), "left": ("plan",), "right": ("plan",), "join": ("left", "right"), "alone": ()}
CHAIN = {str(number): (str(number - 1),) if number else () for number in range(1_000)}


def test_a_diamond_is_seen_from_every_side() -> None:
    """The commonest plan: work in parallel, brought together again."""
    needed_by = dependants(DIAMOND)

    assert needed_by == {"plan": ("left", "right"), "left": ("join",), "right": ("join",), "join": (), "alone": ()}
    assert leaves(DIAMOND) == ("join", "alone")
    assert ancestors(DIAMOND, "join") == {"plan", "left", "right"}
    assert descendants(needed_by, "plan") == {"left", "right", "join"}
    assert depths(DIAMOND) == {"plan": 1, "alone": 1, "left": 2, "right": 2, "join": 3}
    assert find_cycle(DIAMOND) == ()


def test_a_chain_of_a_thousand_nodes_is_walked_without_recursion() -> None:
    """A run may have a thousand nodes, and validate sees them before the depth limit does."""
    assert depth(CHAIN) == 1_000
    assert len(ancestors(CHAIN, "999")) == 999
    assert len(descendants(dependants(CHAIN), "0")) == 999
    assert leaves(CHAIN) == ("999",)
    assert topological(CHAIN) == tuple(CHAIN)
    assert find_cycle(CHAIN) == ()


def test_a_cycle_of_a_thousand_nodes_is_named_whole() -> None:
    """Each node needs the next, and the last needs the first."""
    ring = {**CHAIN, "0": ("999",)}

    cycle = find_cycle(ring)

    assert cycle == ("0", *(str(number) for number in range(999, 0, -1)))


def test_needs_that_do_not_exist_are_passed_over() -> None:
    """A broken plan is still looked at, so that its other faults can be told."""
    needs = {"a": ("ghost",), "b": ("a", "ghost")}

    assert dependants(needs) == {"a": ("b",), "b": ()}
    assert ancestors(needs, "b") == {"a"}
    assert depths(needs) == {"a": 1, "b": 2}


def test_every_knot_is_found_even_behind_another() -> None:
    """Mending one cycle only to be told of the next costs the author a round each."""
    needs = {"s": ("x", "t"), "t": ("s",), "x": ("y",), "y": ("x",), "self": ("self",), "behind": ("s",)}

    assert find_cycles(needs) == [("s", "t"), ("x", "y"), ("self",)]


GRAPHS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghz"), max_size=4).map(tuple), max_size=8
)


@given(GRAPHS)
def test_a_graph_has_an_order_or_a_cycle(needs: dict[str, tuple[str, ...]]) -> None:
    """Whatever is not in a cycle's way is ordered; whatever is, has its cycle named, each step a need."""
    order = topological(needs)
    cycles = find_cycles(needs)

    assert (len(order) == len(needs)) == (not cycles)
    for node in order:
        assert all(other not in needs or order.index(other) < order.index(node) for other in needs[node])
    for cycle in cycles:
        for node, needed in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert needed in needs[node]
    in_cycles = [node for cycle in cycles for node in cycle]
    assert len(in_cycles) == len(set(in_cycles))
    knots = {node for node in needs if node in ancestors(needs, node)}
    assert {node for node in knots if not ancestors(needs, node) & set(in_cycles)} == set()
