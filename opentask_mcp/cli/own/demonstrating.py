"""`demo`: the whole product in ten seconds."""

import click

from ..building import shared_options
from ..session import Session


def _demo(fast: bool) -> int:
    # The demonstration is an MCP client, so here, and here alone, the SDK is loaded.
    from ...demo import run_demo

    session = click.get_current_context().find_object(Session)
    assert session is not None
    return run_demo(root=session.root, colour=session.is_for_people, paced=session.is_for_people and not fast)


demo = click.Command(
    "demo",
    params=[click.Option(["--fast"], is_flag=True, help="Do not pause between the steps."), *shared_options()],
    callback=_demo,
    help="Watch a real MCP client drive a run from workflow to report.\n\n"
    "Makes a small registry in a temporary folder, or in --root, starts opentask-mcp over stdio as an MCP "
    "host would, and prints each call with its answer. Nothing outside that folder is touched.",
)
