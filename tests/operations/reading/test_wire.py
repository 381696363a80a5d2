"""The renaming between the two spellings of an answer."""

from hypothesis import given
from hypothesis import strategies as st

from registry.core.record import Json
from registry.operations.wire import OPAQUE, camelize, snakeize

_OWN_KEYS = st.from_regex(r"[a-z][a-z0-9]{0,7}(_[a-z][a-z0-9]{0,7}){0,3}", fullmatch=True).filter(
    lambda key: key not in OPAQUE
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_THEIRS: st.SearchStrategy[Json] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
_OBJECTS: st.SearchStrategy[Json] = st.dictionaries(st.text(max_size=8), _THEIRS, max_size=4)


def _answers(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    own = st.dictionaries(_OWN_KEYS, inner, max_size=4)
    bags = st.dictionaries(st.sampled_from(sorted(OPAQUE)), _OBJECTS, max_size=3)
    return st.lists(inner, max_size=3) | st.builds(lambda a, b: {**a, **b}, own, bags)


@given(st.recursive(_LEAVES, _answers, max_leaves=20))
def test_any_answer_comes_back_as_it_was(answer: Json) -> None:
    """REST and --json carry the same answer as MCP; a program may turn either into the other."""
    assert snakeize(camelize(answer)) == answer


@given(_OBJECTS)
def test_a_callers_own_object_is_never_renamed(bag: Json) -> None:
    """Somebody's `user_id` inside a payload must not turn into `userId` on its way."""
    assert camelize({"payload": bag, "last_heard_at": "t"}) == {"payload": bag, "lastHeardAt": "t"}


def test_rows_of_inputs_are_ours_and_an_object_of_inputs_is_not() -> None:
    """claim_node answers with a list of rows under the name that scaffold_run takes an object by."""
    answer: Json = {"inputs": [{"node_id": "gather", "chars": 3}], "next": [{"tool": "x", "args": {"run_id": "a"}}]}

    assert camelize(answer) == {
        "inputs": [{"nodeId": "gather", "chars": 3}],
        "next": [{"tool": "x", "args": {"run_id": "a"}}],
    }
    assert camelize({"inputs": {"repo_url": 1}}) == {"inputs": {"repo_url": 1}}
