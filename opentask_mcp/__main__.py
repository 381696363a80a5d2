"""Where the console scripts and `python -m opentask_mcp` begin.

Nothing of `registry` is imported before it is known to be ours, so a shadowed name is one
sentence and not a traceback; and the server is imported only by the script that serves.
"""

import gc
import sys

from . import ForeignRegistry, require_own_registry


def opentask() -> int | None:
    """Run the command line; the value is the exit status."""
    _stop_if_shadowed("opentask")
    # Importing makes many objects and no garbage; looking for some was a tenth of a short command.
    gc.set_threshold(100_000)
    from .cli.main import main

    return main()


def opentask_mcp() -> int | None:
    """Run the MCP server; the value is the exit status."""
    _stop_if_shadowed("opentask-mcp")
    from .mcp.main import main

    return main()


def _stop_if_shadowed(program: str) -> None:
    try:
        require_own_registry()
    except ForeignRegistry as shadowed:
        print(f"{program}: {shadowed}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(opentask())
