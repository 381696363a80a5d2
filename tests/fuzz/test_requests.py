"""Any arguments whatever make a request or one refusal that fits on a page."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from tests.fuzz.hostile import LONG, NAMES, VALUES, deep

EXAMPLES = 400 if LONG else 10
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(NAMES)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


def judge(name: str, arguments: dict[str, Any]) -> None:
    try:
        parse_request(OPERATIONS[name], arguments)
    except RegistryError as refusal:
        assert refusal.message.strip()
        assert len(refusal.message) + len(refusal.hint) < 8_000, "a refusal must not be longer than an answer"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_value_in_every_field_is_taken_or_refused(name: str) -> None:
    """A model that gets a traceback sends the same again."""
    for field in (*OPERATIONS[name].request.model_fields, "no_such_field", "", "\0"):
        for value in (*VALUES, deep(50), deep(5_000)):
            judge(name, {field: value})


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_arguments_are_taken_or_refused(name: str) -> None:
    """What nobody thought of."""
    fields = st.sampled_from([*OPERATIONS[name].request.model_fields]) | st.text(max_size=8)

    @settings(max_examples=EXAMPLES, database=None, derandomize=True)
    @given(arguments=st.dictionaries(fields, values, max_size=6))
    def asked(arguments: dict[str, Any]) -> None:
        judge(name, arguments)

    asked()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_too_large_is_refused_whole(name: str) -> None:
    """Two megabytes in any field must end at the door."""
    for field in OPERATIONS[name].request.model_fields:
        with pytest.raises(RegistryError) as refused:
            parse_request(OPERATIONS[name], {field: "y" * 2_000_000})
        assert refused.value.code == "limit_exceeded"


def test_the_values_hold_what_breaks_things() -> None:
    """A list that somebody tidied would prove nothing."""
    assert any(isinstance(value, float) and math.isnan(value) for value in VALUES)
    assert "\ud800" in NAMES and "../../outside/x" in NAMES
