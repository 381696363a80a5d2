"""What the conditions of a plan will read of the results of its nodes, and of which kind they take it to be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from .expressions import Comparison, Constant, ExpressionFault, Junction, NodeReference, Not, Term, parse_when
from .names import NodeId, shown
from .record import Json
from .run import NodeState, Plan

Kind = Literal["number", "true or false", "text"]
_WORDS_NAMED: Final = 4
_WORD_CHARS: Final = 30


@dataclass(frozen=True)
class AwaitedKey:
    """A key of a node's result that a condition reads.

    Attributes:
        readers: The nodes whose conditions do, in the order of the plan.
        kind: What every condition that reads it compares it with; None where they differ or do not say.
        words: The texts it is compared with.
    """

    readers: tuple[NodeId, ...]
    kind: Kind | None = None
    words: tuple[str, ...] = ()

    def placeholder(self, key: str) -> str:
        """What stands for the value in a call that is to be filled in; says which kind of value it is."""
        if self.kind is None:
            return f"<{key}>"
        if self.kind == "text":
            return f"<{key}: such as {' or '.join(shown(word, _WORD_CHARS) for word in self.words[:_WORDS_NAMED])}>"
        return f"<{key}: {self.kind}, without quotes>"


def keys_awaited(plan: Plan, nodes: Mapping[NodeId, NodeState], node_id: NodeId) -> dict[str, AwaitedKey]:
    """The keys of a node's result that conditions of nodes still to come will read."""
    readers: dict[str, list[NodeId]] = {}
    compared: dict[str, list[Json]] = {}
    for reader in nodes.values():
        condition = plan.nodes[reader.id].when
        if reader.status != "pending" or not condition:
            continue
        for key, values in _results_read(condition, node_id):
            readers.setdefault(key, []).append(reader.id)
            compared.setdefault(key, []).extend(values)
    return {key: _awaited(tuple(dict.fromkeys(ids)), compared[key]) for key, ids in readers.items()}


def _awaited(readers: tuple[NodeId, ...], compared: list[Json]) -> AwaitedKey:
    values = [value for value in compared if value is not None]
    kinds = {_kind(value) for value in values}
    words = dict.fromkeys(value for value in values if isinstance(value, str))
    return AwaitedKey(readers, kind=kinds.pop() if len(kinds) == 1 else None, words=tuple(words))


def _kind(value: Json) -> Kind | None:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def _results_read(condition: str, node_id: NodeId) -> Iterator[tuple[str, list[Json]]]:
    """Every key of the node's result in a condition, with the values it is held against there."""
    try:
        root = parse_when(condition).root
    except ExpressionFault:
        return  # Its node fails by it when its turn comes, with the fault.
    yield from _read_in(root, node_id, [True])


def _read_in(term: Term, node_id: NodeId, held_against: list[Json]) -> Iterator[tuple[str, list[Json]]]:
    """As `_results_read`, of a part; one that stands alone is held against true."""
    if isinstance(term, NodeReference):
        if term.node_id == node_id and term.key is not None:
            yield term.key, held_against
    elif isinstance(term, Not):
        yield from _read_in(term.operand, node_id, [True])
    elif isinstance(term, Junction):
        for operand in term.operands:
            yield from _read_in(operand, node_id, [True])
    elif isinstance(term, Comparison):
        yield from _read_in(term.left, node_id, _values(term.right))
        yield from _read_in(term.right, node_id, _values(term.left))


def _values(other: Term) -> list[Json]:
    """The literal on the other side of a comparison; of a list each item."""
    if not isinstance(other, Constant):
        return []
    return list(other.value) if isinstance(other.value, list) else [other.value]
