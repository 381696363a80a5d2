"""The demonstration: a run from workflow to report, driven by a real MCP client over stdio.

What an agent would think up is scripted (`script.py`); everything else is the product: the client
is the MCP SDK's, the servers are `opentask-mcp` processes, and the run folder stays to be read.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import click
from mcp.shared.exceptions import MCPError

from registry.settings import init_root

from .script import Scene, play
from .telling import Teller

_NAME = "demo"
_RUN_S_MAX = 120


def run_demo(*, root: str | None, colour: bool, paced: bool) -> int:
    """Play the demonstration; the exit status.

    Args:
        root: The registry to use; a new one in a temporary folder otherwise.
        paced: Stop a moment after each step, for who watches.
    """
    teller = Teller(colour=colour, paced=paced)
    folder = Path(root).expanduser().absolute() if root else Path(tempfile.mkdtemp(prefix="opentask-demo-"))
    init_root(folder)
    scene = Scene(root=folder, run_id=_free_run_id(folder), workflow_path=_put_workflow(folder))
    status = 0
    try:
        anyio.run(_within_time, scene, teller)
    except* (click.ClickException, MCPError) as failed:
        for fault in _single(failed):
            print(f"opentask demo: {fault}", file=sys.stderr)
        print(f"what it made so far is in {folder}", file=sys.stderr)
        status = 1
    return status


def _single(failed: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The failures in a group and in the groups inside it."""
    for fault in failed.exceptions:
        if isinstance(fault, BaseExceptionGroup):
            yield from _single(fault)
        else:
            yield fault


async def _within_time(scene: Scene, teller: Teller) -> None:
    try:
        with anyio.fail_after(_RUN_S_MAX):
            await play(scene, teller)
    except TimeoutError:
        raise click.ClickException(f"not done after {_RUN_S_MAX} s; is this machine very busy?") from None


def _free_run_id(root: Path) -> str:
    number = 1
    while (root / "runs" / f"{_NAME}-{number}").exists():
        number += 1
    return f"{_NAME}-{number}"


def _put_workflow(root: Path) -> str:
    """Put the demonstration's workflow where workflows are; somebody's file of its name stays as it is."""
    own = Path(__file__).with_name("release-check.task.md").read_bytes()
    number = 1
    while True:
        name = f"release-check{f'-{number}' if number > 1 else ''}.task.md"
        path = root / "workflows" / name
        if not path.exists():
            path.write_bytes(own)
        if path.read_bytes() == own:
            return f"workflows/{name}"
        number += 1
