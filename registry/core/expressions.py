"""The language of `when`: a condition over inputs and finished nodes, closed and without effects.

    inputs.mode == "deep" and nodes.scan.result.findings > 0 or not (nodes.gate.status in ["skipped"])

Values are `inputs.<name>`, `nodes.<id>.status`, `nodes.<id>.result.<key>` and literals: numbers,
quoted strings, `true false null`, lists of literals. Node ids may hold dots and dashes, so the *last*
`.status` or `.result.<key>` of a dotted path ends the id; `nodes["a.result"].status` and
`inputs["x"]` say it without doubt. Loosest first: `or`, `and`, `not`, then one comparison
(`== != < <= > >= in`, which do not chain).

What is absent is null. `==` and `!=` take any two values and find different types unequal (true is
not 1, though 1 is 1.0). Order is only between two numbers or two strings; `in` looks in a list, or for
a string in a string; `and`, `or` and `not` take true and false only and stop at what decides. Anything
else is a type error, because a condition that silently means "no" would skip work nobody decided to skip.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from .expression_tokens import WHEN_CHARS_MAX, ExpressionFault, Token, tokens
from .names import NodeId, shown
from .record import Json

WHEN_DEPTH_MAX: Final = 32

Comparator = Literal["==", "!=", "<", "<=", ">", ">=", "in"]
COMPARATORS: Final[dict[str, Comparator]] = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "in": "in",
}

__all__ = [
    "WHEN_CHARS_MAX",
    "WHEN_DEPTH_MAX",
    "Expression",
    "ExpressionFault",
    "ExpressionTypeError",
    "NodeFacts",
    "References",
    "evaluate",
    "parse_when",
]


class ExpressionTypeError(ValueError):
    """A condition compares what cannot be compared, or is neither true nor false."""


@dataclass(frozen=True)
class NodeFacts:
    """What a condition may ask about a node: its status and the payload it finished with."""

    status: str
    result: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class InputReference:
    """`inputs.<name>`, at a character of the text."""

    name: str
    offset: int

    def __str__(self) -> str:
        return f"inputs.{self.name}"


@dataclass(frozen=True)
class NodeReference:
    """`nodes.<id>.status` or, with a key, `nodes.<id>.result.<key>`, at a character of the text."""

    node_id: NodeId
    attribute: Literal["status", "result"]
    key: str | None
    offset: int

    def __str__(self) -> str:
        end = "status" if self.key is None else f"result.{self.key}"
        return f"nodes.{self.node_id}.{end}"


@dataclass(frozen=True)
class References:
    """Everything a condition looks at, in the order of the text."""

    inputs: tuple[InputReference, ...]
    nodes: tuple[NodeReference, ...]


@dataclass(frozen=True)
class Constant:
    """A literal, at a character of the text."""

    value: Json
    offset: int


@dataclass(frozen=True)
class Not:
    """The other truth value."""

    operand: "Term"


@dataclass(frozen=True)
class Junction:
    """A whole row of `and` or of `or`: flat, so that a long row is not a deep tree."""

    word: Literal["and", "or"]
    operands: tuple["Term", ...]


@dataclass(frozen=True)
class Comparison:
    """Two values and what is asked about them."""

    left: "Term"
    comparator: Comparator
    right: "Term"


Term = Constant | InputReference | NodeReference | Not | Junction | Comparison


@dataclass(frozen=True)
class Expression:
    """A parsed condition; `text` is what its author wrote."""

    text: str
    root: Term

    def references(self) -> References:
        """The inputs and nodes it names."""
        terms = list(_terms(self.root))
        return References(
            inputs=tuple(term for term in terms if isinstance(term, InputReference)),
            nodes=tuple(term for term in terms if isinstance(term, NodeReference)),
        )

    def statuses_asked(self) -> tuple[tuple[NodeReference, Constant], ...]:
        """Every comparison of a node's status with a literal, so that a status nobody has can be named."""
        asked: list[tuple[NodeReference, Constant]] = []
        for term in _terms(self.root):
            if isinstance(term, Comparison):
                for one, other in ((term.left, term.right), (term.right, term.left)):
                    if isinstance(one, NodeReference) and one.key is None and isinstance(other, Constant):
                        asked.append((one, other))
        return tuple(asked)


def _terms(root: Term) -> Iterator[Term]:
    yield root
    if isinstance(root, Not):
        yield from _terms(root.operand)
    elif isinstance(root, Junction):
        for operand in root.operands:
            yield from _terms(operand)
    elif isinstance(root, Comparison):
        yield from _terms(root.left)
        yield from _terms(root.right)


def parse_when(text: str) -> Expression:
    """Read a condition.

    Raises:
        ExpressionFault: it is not of the language, over 4,096 characters or over 32 levels deep.
    """
    if len(text) > WHEN_CHARS_MAX:
        raise ExpressionFault(f"is {len(text):,} characters; the limit is {WHEN_CHARS_MAX:,}", offset=0)
    parser = _Parser(list(tokens(text)))
    root = parser.either(depth=1)
    parser.expect_end()
    return Expression(text=text, root=root)


class _Parser:
    """Precedence climbing over a list of tokens that ends with kind `end`."""

    def __init__(self, read: list[Token]) -> None:
        self._tokens = read
        self._place = 0

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> Token | None:
        """The present token when it is one of these words or signs, passing it."""
        token = self._now
        if token.kind not in ("word", "sign") or token.text not in texts:
            return None
        self._place += 1
        return token

    def expect_end(self) -> None:
        if self._now.kind == "end":
            return
        if self._now.text in COMPARATORS:
            raise ExpressionFault(
                "comparisons do not chain", offset=self._now.offset, mend="join two of them with 'and'"
            )
        if self._now.text == "not":
            raise ExpressionFault(
                "'not' stands before what it turns round", offset=self._now.offset, mend="write not (a in b)"
            )
        self._refuse("'and', 'or', a comparison or the end")

    def _refuse(self, wanted: str) -> NoReturn:
        found = "it ends" if self._now.kind == "end" else f"{shown(self._now.text, 40)!r} stands"
        raise ExpressionFault(f"{found} where {wanted} is expected", offset=self._now.offset)

    def either(self, *, depth: int) -> Term:
        return self._row("or", depth=depth)

    def _row(self, word: Literal["and", "or"], *, depth: int) -> Term:
        operands = [self._operand(word, depth=depth)]
        while self._take(word):
            operands.append(self._operand(word, depth=depth))
        return operands[0] if len(operands) == 1 else Junction(word, tuple(operands))

    def _operand(self, word: Literal["and", "or"], *, depth: int) -> Term:
        return self._row("and", depth=depth) if word == "or" else self._negation(depth=depth)

    def _negation(self, *, depth: int) -> Term:
        self._check_depth(depth)
        if self._take("not"):
            return Not(self._negation(depth=depth + 1))
        left = self._value(depth=depth)
        sign = self._take(*COMPARATORS)
        if sign is None:
            return left
        return Comparison(left, COMPARATORS[sign.text], self._value(depth=depth))

    def _value(self, *, depth: int) -> Term:
        token = self._now
        if self._take("("):
            inner = self.either(depth=depth + 1)
            if not self._take(")"):
                self._refuse("')'")
            return inner
        if token.kind == "input":
            self._place += 1
            return InputReference(token.path[0], token.offset)
        if token.kind == "node":
            self._place += 1
            node_id, *key = token.path
            return NodeReference(node_id, "result" if key else "status", key[0] if key else None, token.offset)
        return Constant(self._literal(depth=depth), token.offset)

    def _literal(self, *, depth: int) -> Json:
        self._check_depth(depth)
        token = self._now
        if token.kind == "literal":
            self._place += 1
            return token.value
        if self._take("["):
            items: list[Json] = []
            while not self._take("]"):
                if items and not self._take(","):
                    self._refuse("',' or ']'")
                if items and self._take("]"):
                    break
                if self._now.kind in ("input", "node"):
                    raise ExpressionFault("a list holds only literals", offset=self._now.offset)
                items.append(self._literal(depth=depth + 1))
            return items
        self._refuse("a value")

    def _check_depth(self, depth: int) -> None:
        if depth > WHEN_DEPTH_MAX:
            raise ExpressionFault(
                f"is nested over {WHEN_DEPTH_MAX} deep", offset=self._now.offset, mend="use fewer brackets"
            )


def evaluate(expression: Expression, *, inputs: Mapping[str, Json], nodes: Mapping[NodeId, NodeFacts]) -> bool:
    """Whether a condition holds.

    Raises:
        ExpressionTypeError: operands do not fit their operator, or the whole is neither true nor false.
    """
    value = _Evaluation(inputs, nodes).of(expression.root)
    if not isinstance(value, bool):
        raise ExpressionTypeError(f"when {shown(expression.text)!r} gives {_named(value)}; it must give true or false")
    return value


@dataclass(frozen=True)
class _Evaluation:
    inputs: Mapping[str, Json]
    nodes: Mapping[NodeId, NodeFacts]

    def of(self, term: Term) -> Json:
        if isinstance(term, Constant):
            return term.value
        if isinstance(term, InputReference):
            return self.inputs.get(term.name)
        if isinstance(term, NodeReference):
            facts = self.nodes.get(term.node_id)
            if facts is None:
                return None
            return facts.status if term.key is None else facts.result.get(term.key)
        if isinstance(term, Not):
            return not self._truth(term.operand, "not")
        if isinstance(term, Comparison):
            return _compare(self.of(term.left), term, self.of(term.right))
        decides = term.word == "or"
        for operand in term.operands:
            if self._truth(operand, term.word) is decides:
                return decides
        return not decides

    def _truth(self, term: Term, word: str) -> bool:
        value = self.of(term)
        if not isinstance(value, bool):
            raise ExpressionTypeError(f"{_source(term)} is {_named(value)}; '{word}' needs true or false")
        return value


def _compare(left: Json, term: Comparison, right: Json) -> bool:
    sign = term.comparator
    if sign == "==":
        return equal(left, right)
    if sign == "!=":
        return not equal(left, right)
    if sign == "in":
        if isinstance(right, list):
            return any(equal(left, item) for item in right)
        if isinstance(left, str) and isinstance(right, str):
            return left in right
        raise _mismatch(left, term, right, "needs a list, or two strings")
    if isinstance(left, str) and isinstance(right, str):
        return _in_order(left, sign, right)
    if _is_number(left) and _is_number(right):
        assert isinstance(left, int | float) and isinstance(right, int | float)
        return _in_order(left, sign, right)
    raise _mismatch(left, term, right, "needs two numbers or two strings")


def _in_order(left: str | int | float, sign: Comparator, right: str | int | float) -> bool:
    # Order is made of "less" alone, so that both kinds of operand go through the same words.
    less = left < right  # type: ignore[operator]  # the caller has made sure that both are of one kind
    same = left == right
    return {"<": less, "<=": less or same, ">": not less and not same, ">=": not less}[sign]


def _mismatch(left: Json, term: Comparison, right: Json, needs: str) -> ExpressionTypeError:
    return ExpressionTypeError(
        f"{_source(term.left)} is {_named(left)} and {_source(term.right)} is {_named(right)}; "
        f"'{term.comparator}' {needs}"
    )


def equal(left: Json, right: Json) -> bool:
    """Whether two JSON values are the same; true is not 1, 1 is 1.0."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(equal(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    return left == right


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _named(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the string {shown(value, 40)!r}"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"the number {value}"


def _source(term: Term) -> str:
    if isinstance(term, InputReference | NodeReference):
        return shown(str(term))
    return "one side" if isinstance(term, Constant) else "a part"
