"""validate_run: proof on request."""

import pytest

from registry.errors import NotFound
from registry.registry import Registry
from tests.operations.reading.asking import Asker, start, work


def test_a_run_that_went_its_way_is_proved(registry: Registry) -> None:
    """`ok` must be earned by every ordinary run."""
    ask = Asker(registry)
    start(ask)
    work(ask, "gather")
    answer = ask("validate_run", run_id="audit-1")

    assert (answer["ok"], answer["errors"]) == (True, 0)


def test_an_unknown_run_is_not_called_sound(registry: Registry) -> None:
    """An empty list of problems about nothing would read as proof."""
    with pytest.raises(NotFound, match="no run 'none'"):
        Asker(registry)("validate_run", run_id="none")
