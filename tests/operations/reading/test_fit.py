"""Answers are cut at a row, where a host would cut them in the middle of one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from registry.operations.fit import ANSWER_CHARS_MAX, chars, cut, fit
from registry.operations.table import Result


class Row(Result):
    text: str
    more: str | None = None


class Page(Result):
    rows: tuple[Row, ...]
    next_cursor: str | None = None


@given(st.lists(st.text(max_size=4_000), max_size=12))
def test_a_page_is_never_longer_than_a_host_shows(texts: list[str]) -> None:
    """Some hosts cut at 16,000 characters, and what is cut there is lost to the model."""
    rows = [Row(text=text) for text in texts]
    page = Page(rows=fit(rows, beside=Page(rows=()), keep=100))
    shown = json.dumps(page.model_dump(mode="json", exclude_none=True), indent=2, sort_keys=True, ensure_ascii=False)

    assert len(shown) == chars(page)
    assert chars(page) <= ANSWER_CHARS_MAX or len(page.rows) == 1
    assert page.rows == tuple(rows[: len(page.rows)])


def test_rows_that_fit_are_all_shown() -> None:
    """A caller who has to page through five rows wastes four calls."""
    rows = [Row(text="x" * 100) for _ in range(20)]

    assert fit(rows, beside=Page(rows=())) == tuple(rows)


def test_a_row_too_long_for_any_page_is_shown_all_the_same() -> None:
    """Else paging would stand still before it for ever."""
    rows = [Row(text="x" * 20_000), Row(text="y")]

    assert fit(rows, beside=Page(rows=())) == (rows[0],)


def test_a_cut_text_says_so() -> None:
    """A model must not take half a report for the whole."""
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
