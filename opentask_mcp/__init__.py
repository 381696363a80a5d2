"""The surfaces of OpenTask MCP: the MCP server, the command line, and what they share.

The library below them is the package `registry`, a name that people's own projects have too.
`require_own_registry` is asked before the first import of it.
"""

from importlib.util import find_spec
from pathlib import Path

__version__ = "0.1.0"


class ForeignRegistry(ImportError):
    """`import registry` would give, or gave, another package than the one installed with this one."""

    def __init__(self, *, found: str, own: str) -> None:
        super().__init__(
            f"the package `registry` comes from {found}, not from {own}, where OpenTask MCP's own is\n"
            "start `opentask` or `opentask-mcp` instead of `python -m opentask_mcp`, or take the folder "
            "above the first path out of PYTHONPATH",
            name="registry",
            path=found,
        )
        self.found = found
        self.own = own


def require_own_registry() -> None:
    """Make sure that `registry` is the package installed next to this one, without importing it.

    Servers start in people's projects. A `registry/` there comes first when the working
    directory or PYTHONPATH is searched before the installed packages, and would otherwise show
    as a missing name deep inside an import.

    Raises:
        ForeignRegistry: another package has the name; the message has both paths.
    """
    own = Path(__file__).resolve().parent.parent / "registry" / "__init__.py"
    try:
        spec = find_spec("registry")
    except ValueError:  # something put a module without a spec into sys.modules
        spec = None
    if spec is None or spec.origin is None:
        # A folder without __init__.py yields to any real package, so ours is not installed at all.
        raise ForeignRegistry(found="nowhere", own=str(own))
    if Path(spec.origin).resolve() != own:
        raise ForeignRegistry(found=spec.origin, own=str(own))
