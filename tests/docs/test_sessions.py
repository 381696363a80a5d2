"""What the pages show is what happens."""

import pytest

from tests.docs.pages import pages
from tests.docs.transcript import follow, short_folder

_FOLLOWED = {
    page.name: page
    for page in pages()
    if page.name.startswith(("README.md", "docs/"))
    and not page.name.endswith(".zh.md")
    and any(block.language in ("console", "mcp") for block in page.blocks())
}


@pytest.mark.parametrize("name", _FOLLOWED)
def test_what_a_page_shows_is_what_comes_out(name: str) -> None:
    """A reader types these commands and compares; `python -m tests.docs.transcript PAGE` shows what came out."""
    with short_folder() as folder:
        different = [str(difference) for difference in follow(_FOLLOWED[name], folder)]

    assert different == [], "\n\n".join(different)
