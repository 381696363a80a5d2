"""The text block is what JavaScript prints; a host that compares the two forms must find them equal."""

import json
import math
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from opentask_mcp.mcp.text import _pieces, sendable, stringify


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ({}, "{}"),
        ({"a": [], "b": {}}, '{\n  "a": [],\n  "b": {}\n}'),
        ([1, [2]], "[\n  1,\n  [\n    2\n  ]\n]"),
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (5e-324, "5e-324"),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),
        (10**30, "1e+30"),
        (10**400, "null"),
        (math.inf, "null"),
        (math.nan, "null"),
        (True, "true"),
        (None, "null"),
        ("é中\u2028\x7f", '"é中\u2028\x7f"'),
        ('\b\f\n\r\t\x01"\\/', '"\\b\\f\\n\\r\\t\\u0001\\"\\\\/"'),
        ("\ud83d", '"\\ud83d"'),
        ("\ud83d\ude00", '"😀"'),
        ({"b": 1, "10": 2, "9": 3, "01": 4}, '{\n  "9": 3,\n  "10": 2,\n  "b": 1,\n  "01": 4\n}'),
        ({"4294967294": 1, "a": 2, "4294967295": 3}, '{\n  "4294967294": 1,\n  "a": 2,\n  "4294967295": 3\n}'),
        ({"x": '": 1.5'}, '{\n  "x": "\\": 1.5"\n}'),
    ],
)
def test_values_are_printed_as_javascript_prints_them(value: JsonValue, printed: str) -> None:
    """Python's own printing differs in numbers, key order and escapes."""
    assert stringify(value) == printed


def test_a_lone_surrogate_is_replaced_before_an_answer_is_sent() -> None:
    """UTF-8 cannot carry one; the answer would fail on the wire after its change was committed."""
    assert sendable({"a\ud800": ["\ud83d", "\ud83d\ude00", 1]}) == {"a�": ["�", "😀", 1]}
    plain: JsonValue = {"a": [1]}
    assert sendable(plain) is plain


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 99).map(str), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=_json)
def test_the_quick_way_and_the_careful_way_print_the_same(value: JsonValue) -> None:
    """The quick serializer is used only where it agrees with JavaScript."""
    assert stringify(value) == "".join(_pieces(value, "\n"))


@pytest.mark.skipif(shutil.which("node") is None, reason="compares with a real JavaScript engine")
def test_node_prints_the_same_bytes() -> None:
    """The rule is JavaScript's, so JavaScript is asked."""
    values: list[JsonValue] = []

    @settings(max_examples=300, deadline=None, database=None)
    @given(value=_json)
    def collect(value: JsonValue) -> None:
        values.append(value)

    collect()
    values += [x * 10.0**e for e in range(-30, 30, 3) for x in (1.0, 1.25, 9.999999999999999)]
    lines = "\n".join(json.dumps(value) for value in values)
    script = (
        "require('fs').readFileSync(0,'utf8').split('\\n').forEach(l=>"
        "console.log(JSON.stringify(JSON.stringify(JSON.parse(l),null,2))))"
    )
    printed = subprocess.run(["node", "-e", script], input=lines, capture_output=True, text=True, check=True)

    assert [json.loads(line) for line in printed.stdout.split("\n")[:-1]] == [stringify(value) for value in values]
