"""The surfaces of OpenTask MCP: the MCP server, the command line, and what they share.

The library below them is the package `registry`, a name that people's own projects have too.
`require_own_registry` is asked before the first import of it.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


class ForeignRegistry(ImportError):
    """`import registry` would not give the package that is installed with this one.

    Args:
        found: The file it would give; empty if there is none.
        own: The file it should give.
    """

    def __init__(self, *, found: str, own: str) -> None:
        if found:
            file = Path(found)
            searched = file.parent.parent if file.name == "__init__.py" else file.parent
            message = (
                f"the package `registry` would come from {found}; OpenTask MCP's own is {own}\n"
                f"Python searches {searched} first: take it out of PYTHONPATH, and start `opentask` or "
                "`opentask-mcp` there instead of `python -m opentask_mcp`"
            )
        else:
            message = f"the package `registry` is missing; OpenTask MCP's own is {own}\ninstall opentask-mcp again"
        super().__init__(message, name="registry", path=found or None)
        self.found = found
        self.own = own


def require_own_registry() -> None:
    """Make sure that `registry` is the package installed next to this one, without importing it.

    Servers start in people's projects. A `registry/` there comes first when the working
    directory or PYTHONPATH is searched before the installed packages, and would otherwise show
    as a missing name deep inside an import.

    Raises:
        ForeignRegistry: another package has the name, or none has; the message has both paths.
    """
    own = Path(__file__).resolve().parent.parent / "registry" / "__init__.py"
    loaded = sys.modules.get("registry")
    if loaded is None:
        spec = find_spec("registry")
        # A folder without __init__.py has no file and yields to any real package.
        found = (spec.origin if spec else None) or ""
    else:
        found = getattr(loaded, "__file__", None) or repr(loaded)
    if not found or Path(found).resolve() != own:
        raise ForeignRegistry(found=found, own=str(own))
