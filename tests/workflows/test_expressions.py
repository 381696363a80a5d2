"""The language of `when`: what it says, and that it says no to everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.expressions import (
    ExpressionFault,
    ExpressionTypeError,
    NodeFacts,
    evaluate,
    parse_when,
)
from registry.core.record import Json

INPUTS: dict[str, Json] = {"mode": "deep", "count": 3, "half": 0.5, "on": True, "names": ["a", "b"], "x-y": 1}
NODES = {
    "scan": NodeFacts(status="completed", result={"findings": 4, "ok": True, "verdict": "pass", "status": "odd"}),
    "v1.2-check": NodeFacts(status="skipped"),
    "a.result": NodeFacts(status="completed", result={"k": 1, "a key": 2}),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('inputs.mode == "deep"', True),
        ("inputs.mode != 'deep'", False),
        ("inputs.count > 2 and inputs.count <= 3", True),
        ("inputs.half < 1", True),
        ("inputs.count >= 3.0", True),
        ("inputs.count == 3.0", True),
        ("inputs.on", True),
        ("not inputs.on", False),
        ("not not inputs.on", True),
        ("inputs.x-y == 1", True),
        ('inputs["x-y"] == 1', True),
        ("inputs.on == 1", False),
        ('inputs.count == "3"', False),
        ("inputs.absent == null", True),
        ("inputs.absent != null and inputs.absent > 3", False),
        ("inputs.absent == null or inputs.absent > 3", True),
        ('"a" in inputs.names', True),
        ('"ee" in inputs.mode', True),
        ("1 in [true, 2]", False),
        ("1 in [1.0,]", True),
        ("inputs.names == ['a', 'b']", True),
        ("[] == []", True),
        ('nodes.scan.status == "completed"', True),
        ("nodes.scan.result.findings > 3", True),
        ("nodes.scan.result.status == 'odd'", True),
        ("nodes.scan.result.missing == null", True),
        ("nodes.v1.2-check.status == 'skipped'", True),
        ("nodes.v1.2-check.result.ok == null", True),
        ('nodes["a.result"].status == "completed"', True),
        ('nodes["a.result"].result.k == 1', True),
        ("nodes.a.result.result.k == 1", True),
        ('nodes["a.result"].result["a key"] == 2', True),
        ("nodes.unknown.status == null", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not true or true", True),
        ("not 1 == 2", True),
        ("-1 < 0 and 1e2 == 100", True),
        ('"it\'s" == \'it\\\'s\' and "\\n" != "n"', True),
        ("\n  true\n", True),
        ("false and nodes.scan.result.findings", False),
        ("true or inputs.mode", True),
        ("true and true and false", False),
    ],
)
def test_a_condition_means_what_it_says(text: str, expected: bool) -> None:
    """A condition decides whether work is done; its meaning is a contract."""
    assert evaluate(parse_when(text), inputs=INPUTS, nodes=NODES) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs.mode", "when 'inputs.mode' gives the string 'deep'; it must give true or false"),
        ("inputs.absent", "when 'inputs.absent' gives null; it must give true or false"),
        ("1", "when '1' gives the number 1; it must give true or false"),
        ("not inputs.count", "inputs.count is the number 3; 'not' needs true or false"),
        ("true and inputs.names", "inputs.names is a list; 'and' needs true or false"),
        (
            "inputs.mode > 1",
            "inputs.mode is the string 'deep' and one side is the number 1; '>' needs two numbers or two strings",
        ),
        (
            "inputs.absent < 1",
            "inputs.absent is null and one side is the number 1; '<' needs two numbers or two strings",
        ),
        ("inputs.on < 2", "inputs.on is true and one side is the number 2; '<' needs two numbers or two strings"),
        (
            "1 in inputs.count",
            "one side is the number 1 and inputs.count is the number 3; 'in' needs a list, or two strings",
        ),
        (
            "1 in inputs.mode",
            "one side is the number 1 and inputs.mode is the string 'deep'; 'in' needs a list, or two strings",
        ),
    ],
)
def test_a_condition_over_wrong_types_is_an_error_and_never_a_quiet_no(text: str, message: str) -> None:
    """False skips the node, so a mistake must not look like false."""
    with pytest.raises(ExpressionTypeError) as refused:
        evaluate(parse_when(text), inputs=INPUTS, nodes=NODES)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "offset", "message", "mend"),
    [
        ("", 0, "it ends where a value is expected", ""),
        ("inputs.a = 1", 9, "'=' is not of this language", "write =="),
        ("inputs.a && true", 9, "'&&' is not of this language", "write and"),
        ("!inputs.a", 0, "'!' is not of this language", "write not"),
        ("True", 0, "'True' is not of this language", "write true"),
        ("inputs.a === 1", 9, "'===' is not of this language", "write =="),
        ("1 < 2 < 3", 6, "comparisons do not chain", "join two of them with 'and'"),
        ("1 not in [1]", 2, "'not' stands before what it turns round", "write not (a in b)"),
        ("(true", 5, "it ends where ')' is expected", ""),
        ("true)", 4, "')' stands where 'and', 'or', a comparison or the end is expected", ""),
        ("true true", 5, "'true' stands where 'and', 'or', a comparison or the end is expected", ""),
        ("[1 2]", 3, "'2' stands where ',' or ']' is expected", ""),
        ("[inputs.a]", 1, "a list holds only literals", ""),
        ("'open", 0, "a string is not closed", "end it with '"),
        ("'a\\q'", 2, "'\\\\q' is not an escape", "a backslash is written twice"),
        ("1 + 2", 2, "'+ 2' cannot be read", ""),
        ("01 == 1", 0, "'01 == 1' cannot be read", ""),
        (
            "mode == 1",
            0,
            "'mode' means nothing here",
            "write inputs.<name>, nodes.<id>.status, nodes.<id>.result.<key>, or put a string in quotes",
        ),
        ("inputs. == 1", 0, "'inputs.' names no input", "write inputs.<name>"),
        ("inputs.a.b", 0, "'inputs.a.b' names no input", "write inputs.<name>"),
        (
            "nodes.a.title == 1",
            0,
            "'nodes.a.title' does not say what of the node",
            "write nodes.<id>.status or nodes.<id>.result.<key>; a result has one level",
        ),
        ("nodes[a].status", 5, "brackets hold a name in quotes", 'write nodes["<id>"].status'),
        ("nodes['a'.status", 5, "a bracket is not closed", "end it with ]"),
        ("(" * 40, 32, "is nested over 32 deep", "use fewer brackets"),
        ("not " * 40 + "true", 128, "is nested over 32 deep", "use fewer brackets"),
        ("[" * 40, 32, "is nested over 32 deep", "use fewer brackets"),
        ("x" * 5_000, 0, "is 5,000 characters; the limit is 4,096", ""),
    ],
)
def test_what_is_not_of_the_language_is_refused_where_it_stands(
    text: str, offset: int, message: str, mend: str
) -> None:
    """People bring habits from other languages; each gets the word that this one has."""
    with pytest.raises(ExpressionFault) as refused:
        parse_when(text)

    assert (refused.value.offset, refused.value.message, refused.value.mend) == (offset, message, mend)


def test_a_condition_says_what_it_looks_at() -> None:
    """Validation checks these names against inputs and needs before anything runs."""
    found = parse_when('inputs.a and nodes.b-1.status == "failed" or not nodes["c.d"].result.ok').references()

    assert [(reference.name, reference.offset) for reference in found.inputs] == [("a", 7 - 7)]
    assert [(str(reference), reference.node_id, reference.key, reference.offset) for reference in found.nodes] == [
        ("nodes.b-1.status", "b-1", None, 13),
        ("nodes.c.d.result.ok", "c.d", "ok", 49),
    ]


def test_a_long_row_of_alternatives_is_not_a_deep_tree() -> None:
    """Depth is limited for brackets only; a list of alternatives may be as long as the text."""
    row = " or ".join(["false"] * 400 + ["true"])

    assert evaluate(parse_when(row), inputs={}, nodes={}) is True


WORDS = "inputs.a nodes.b.status nodes.b.result.c nodes inputs a-b and or not in true false null True 1 -2.5 1e9"
SIGNS = "nodes[ ] ( ) [ , . 'x' ' == != < <= > >= = ! &"
PIECES = st.sampled_from([*WORDS.split(), *SIGNS.split(), '"', "\\", " ", "\n", "\0", "é", "\ud800"])


@given(
    st.one_of(
        st.text(max_size=60), st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES, max_size=30).map("".join)
    )
)
def test_any_text_is_read_or_refused_in_one_way(text: str) -> None:
    """Conditions come from files of strangers; no text may raise anything that nobody catches."""
    try:
        expression = parse_when(text)
    except ExpressionFault as fault:
        assert 0 <= fault.offset <= len(text)
        return
    try:
        assert evaluate(expression, inputs=INPUTS, nodes=NODES) in (True, False)
    except ExpressionTypeError:
        return
