"""One member of somebody's JSON file is set, however the file is written, and no other byte changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from opentask_mcp.cli.json5_text import NotReadable, parts_of
from opentask_mcp.cli.json_member import with_member

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("\n\n", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("\ufeff", '\ufeff{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {}}', '{"a": {"b": 1}}'),
        ('{"a":{"c":2}}\n', '{"a":{"c":2, "b": 1}}\n'),
        ('{"a":{"b":2}}', '{"a":{"b":1}}'),
        ('{"a": {"b": 2}, "a": {"b": 3}}', '{"a": {"b": 2}, "a": {"b": 1}}'),
        (
            '{\n    "x": "}{\\"a\\"",\n    "a": {\n    }\n}\n',
            '{\n    "x": "}{\\"a\\"",\n    "a": {\n        "b": 1\n    }\n}\n',
        ),
        ('{\n  "x": [1, 2]\n}', '{\n  "x": [1, 2],\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        # What JSON5 allows, and people write.
        ("{a: {b: 2,},}", "{a: {b: 1,},}"),
        ("{a: {c: 2,},}", '{a: {c: 2, "b": 1,},}'),
        ("{\n  'a': {\n    c: 2, // two\n  },\n}", "{\n  'a': {\n    c: 2, // two\n    \"b\": 1,\n  },\n}"),
        ('{\n  "x": 1 // one\n}', '{\n  "x": 1, // one\n  "a": {\n    "b": 1\n  }\n}'),
        ('{\n  "x": 1 /* , */ , // one\n}', '{\n  "x": 1 /* , */ , // one\n  "a": {\n    "b": 1\n  },\n}'),
        ('{\n  // nothing yet\n}\n', '{\n  // nothing yet\n  "a": {\n    "b": 1\n  }\n}\n'),
        ('{ /* "a": {} */ "a": { /* } */ } }', '{ /* "a": {} */ "a": { /* } */ "b": 1} }'),
        ('{"a": {"b": 0x1F}}', '{"a": {"b": 1}}'),
        # Line ends as they are.
        ('{\r\n\t"x": 1\r\n}\r\n', '{\r\n\t"x": 1,\r\n\t"a": {\r\n\t\t"b": 1\r\n\t}\r\n}\r\n'),
        ('\ufeff{\r\n  "a": {}\r\n}', '\ufeff{\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}'),
    ],
)  # fmt: skip
def test_a_member_is_set_and_nothing_else(text: str, after: str) -> None:
    """Whatever way the file is written."""
    changed = with_member(text, ("a", "b"), 1)

    assert changed == after
    assert parts_of(changed).value["a"]["b"] == 1
    assert with_member(changed, ("a", "b"), 1) == changed


@pytest.mark.parametrize(
    ("text", "place", "after"),
    [
        ('{"a": ["x", /* y */ "y"]}', 1, '{"a": ["x", /* y */ "new"]}'),
        ('{"a": ["x"]}', 1, '{"a": ["x", "new"]}'),
        ('{"a": []}', 0, '{"a": ["new"]}'),
        ('{\n "a": [\n  "x", // first\n ]\n}', 1, '{\n "a": [\n  "x", // first\n  "new",\n ]\n}'),
    ],
)
def test_an_item_of_a_list_is_set_or_added(text: str, place: int, after: str) -> None:
    """Arguments that a person added stay, with their comments."""
    assert with_member(text, ("a", place), "new") == after


@given(before=JSON, value=JSON, indent=st.sampled_from([None, 1, 4, "\t"]))
def test_the_rest_of_any_document_means_the_same_afterwards(before: JsonValue, value: JsonValue, indent: int) -> None:
    """The one promise that matters, on documents nobody would think of."""
    document: dict[str, JsonValue] = {"first": before, "a": {"other": before}, "last": before}

    changed = with_member(json.dumps(document, indent=indent), ("a", "b", "c"), value)

    expected = {**document, "a": {"other": before, "b": {"c": value}}}
    assert json.loads(changed) == expected
    assert parts_of(changed).value == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "the file is not an object"),
        ("null", "the file is not an object"),
        ("{", "line 1, column 2: expected the name of a member; the file ends here"),
        ('{"a": 1}', "a is not an object"),
        ('{\n  "a": {\n    "c": 1\n    "d": 2\n  }\n}', "line 4, column 5: expected a comma or }"),
        ('{"a": {}} {}', "line 1, column 11: something stands behind the end"),
        ('{"a" {}}', "line 1, column 6: expected a colon"),
        ('{"a": maybe}', "line 1, column 7: expected a value"),
        ('{"a": 1, /* ', "line 1, column 10: a comment does not end"),
        ('{"a": "x\ny"}', "line 1, column 7: expected a value"),
        ('{"a": ' + "[" * 200, "line 1, column 107: it is nested more than 100 deep"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, why: str) -> None:
    """Guessing where the entry belongs would break the file."""
    with pytest.raises(NotReadable) as refused:
        with_member(text, ("a", "b"), 2)

    assert str(refused.value) == why


def test_what_json5_can_say_is_understood() -> None:
    """An entry that is right already must be seen to be right, however it is written."""
    text = r"""// ours
    {un: 'it\'s', "d": "\u0041\n", n: [+1, -0x10, .5, 5., 1e3, Infinity], $_1: [true, false, null,], 'l': 'a\
b',}"""

    assert parts_of(text).value == {
        "un": "it's",
        "d": "A\n",
        "n": [1, -16, 0.5, 5.0, 1000.0, float("inf")],
        "$_1": [True, False, None],
        "l": "ab",
    }
