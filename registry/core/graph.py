"""The shape of what needs what: linear in nodes and needs, and never recursive.

A graph is a mapping from node to the nodes it needs. Needs outside the mapping are passed
over, so that a plan with faults can still be looked at; `plan_rules` names those faults.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .names import NodeId

Needs = Mapping[NodeId, Sequence[NodeId]]


def dependants(needs: Needs) -> dict[NodeId, tuple[NodeId, ...]]:
    """For every node those that need it, in the order of the mapping."""
    needed_by: dict[NodeId, list[NodeId]] = {node: [] for node in needs}
    for node, needed in needs.items():
        for other in dict.fromkeys(needed):
            if other in needed_by:
                needed_by[other].append(node)
    return {node: tuple(others) for node, others in needed_by.items()}


def leaves(needs: Needs) -> tuple[NodeId, ...]:
    """The nodes that nobody needs, in the order of the mapping."""
    needed = {other for others in needs.values() for other in others}
    return tuple(node for node in needs if node not in needed)


def ancestors(needs: Needs, node: NodeId) -> frozenset[NodeId]:
    """Everything a node needs, directly or through others; itself only when it is in a cycle."""
    return _reach(needs, needs.get(node, ()))


def descendants(needed_by: Needs, node: NodeId) -> frozenset[NodeId]:
    """Everything that waits for a node, directly or through others; takes what `dependants` gives."""
    return _reach(needed_by, needed_by.get(node, ()))


def _reach(edges: Needs, start: Iterable[NodeId]) -> frozenset[NodeId]:
    seen: set[NodeId] = set()
    open_nodes = list(start)
    while open_nodes:
        node = open_nodes.pop()
        if node in edges and node not in seen:
            seen.add(node)
            open_nodes.extend(edges[node])
    return frozenset(seen)


def topological(needs: Needs) -> tuple[NodeId, ...]:
    """The nodes with every need before what needs it; those in or behind a cycle are left out."""
    needed_by = dependants(needs)
    missing = {node: sum(other in needed_by for other in set(needed)) for node, needed in needs.items()}
    free = deque(node for node, count in missing.items() if count == 0)
    order: list[NodeId] = []
    while free:
        node = free.popleft()
        order.append(node)
        for other in needed_by[node]:
            missing[other] -= 1
            if missing[other] == 0:
                free.append(other)
    return tuple(order)


def depths(needs: Needs) -> dict[NodeId, int]:
    """For every node the nodes on the longest chain of needs that ends with it; 1 without needs.

    Nodes in or behind a cycle have no depth and are left out.
    """
    depth_of: dict[NodeId, int] = {}
    for node in topological(needs):
        depth_of[node] = 1 + max((depth_of[other] for other in needs[node] if other in depth_of), default=0)
    return depth_of


def depth(needs: Needs) -> int:
    """The nodes on the longest chain of needs; 0 for no nodes, cycles not counted."""
    return max(depths(needs).values(), default=0)


def find_cycle(needs: Needs) -> tuple[NodeId, ...]:
    """One cycle, each node needing the next and the last the first; empty when there is none.

    It begins with the first of its nodes in the order of the mapping.
    """
    cycles = find_cycles(needs)
    return cycles[0] if cycles else ()


def find_cycles(needs: Needs) -> list[tuple[NodeId, ...]]:
    """Cycles that have no node in common: one at least for every knot, so that each can be mended.

    Each is as `find_cycle` gives it; the order is that of their first nodes.
    """
    place = {node: index for index, node in enumerate(needs)}
    clear = set(topological(needs))
    cycles: list[tuple[NodeId, ...]] = []
    for start in needs:
        if start not in clear:
            cycles.extend(_cycles_from(start, needs, clear))
    rotated = []
    for cycle in cycles:
        first = min(range(len(cycle)), key=lambda index: place[cycle[index]])
        rotated.append(cycle[first:] + cycle[:first])
    return sorted(rotated, key=lambda cycle: place[cycle[0]])


def _cycles_from(start: NodeId, needs: Needs, clear: set[NodeId]) -> Iterator[tuple[NodeId, ...]]:
    """Walk the needs of a node depth first; what has been walked, or stands in a cycle found, is made clear."""
    path: list[NodeId] = [start]
    edges: list[Iterator[NodeId]] = [iter(needs[start])]
    place: dict[NodeId, int] = {start: 0}
    while path:
        other = next(edges[-1], None)
        if other is None:
            clear.add(path[-1])
            kept = len(path) - 1
        elif other in place:
            kept = place[other]
            yield tuple(path[kept:])
            clear.update(path[kept:])
        elif other in needs and other not in clear:
            place[other] = len(path)
            path.append(other)
            edges.append(iter(needs[other]))
            continue
        else:
            continue
        for node in path[kept:]:
            del place[node]
        del path[kept:], edges[kept:]
