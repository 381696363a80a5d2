"""The reference pages, made from what the product is made of.

`python -m docs.generate` writes them; a test holds that they are what it would write. Nothing
here is installed with the product.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import commands, errors, events, settings, states, tools

REFERENCE: Final = Path(__file__).resolve().parents[1] / "reference"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "tools.md": tools.page,
    "commands.md": commands.page,
    "errors.md": errors.page,
    "states.md": states.page,
    "events.md": events.page,
    "settings.md": settings.settings_page,
    "limits.md": settings.limits_page,
}
"""Each page of `docs/reference` and what makes its text."""
