"""result.json of completed nodes: projections like state.json, each in its node's own folder.

What is not known to be there is looked at before it is written: a file that is whole and tells of the last
attempt stays as it is, whoever wrote it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.names import NodeId
from ...core.result import RESULT, leaves_result, result_path, result_text
from ...core.run import NodeState, Run
from ...errors import Forbidden, RegistryError
from ...formats.event_line import read_object
from . import atomic
from .handles import OpenRun
from .layout import node_folder
from .opening import is_blank, parent_of, read_file


@dataclass(frozen=True)
class Wanting:
    """A completed node whose result.json is not there as it must be.

    Attributes:
        why: What is the matter with the file, to be put behind its name.
        lost: Bytes that would be gone with it; empty where nothing is left of the file.
        is_earlier: They are the result of an earlier attempt, which a finish replaces as well.
    """

    node: NodeState
    why: str
    lost: bytes = b""
    is_earlier: bool = False

    @property
    def path(self) -> str:
        """Where the file belongs, run-relative."""
        return result_path(self.node.id)


def wanting(entry: OpenRun, run: Run, node_ids: Iterable[NodeId]) -> Iterator[Wanting]:
    """Those of some nodes whose result has to be made again."""
    for node_id in node_ids:
        node = run.state.nodes.get(node_id)
        if node is not None and leaves_result(node) and (found := _judged(entry, node)) is not None:
            yield found


def _judged(entry: OpenRun, node: NodeState) -> Wanting | None:
    try:
        text = read_file(entry.folder, result_path(node.id))
    except Forbidden:
        text = None
    except (OSError, RegistryError):
        return None  # what cannot be looked at may be good
    if text is None:
        return Wanting(node, "is not there")
    if is_blank(text):
        return Wanting(node, "is empty")
    document = read_object(text)
    if document is None:
        return Wanting(node, "is not a whole JSON object", lost=text)
    payload = document.get("payload")
    attempt = payload.get("attempt") if isinstance(payload, dict) else None
    if isinstance(attempt, int) and attempt < node.attempt:
        return Wanting(node, f"tells of attempt {attempt}, not of {node.attempt}", lost=text, is_earlier=True)
    return None


def put(entry: OpenRun, run: Run, node: NodeState) -> None:
    """Write a node's result.json.

    Raises:
        OSError, RegistryError: it stays as it is.
    """
    path = result_path(node.id)
    with parent_of(entry.folder, path, make=True) as (folder, name):
        atomic.require_plain(folder, name, path)
        atomic.replace(folder, name, result_text(run.state.run_id, node))


def stale(path: str, error: OSError | RegistryError) -> str:
    """What is told of a projection that could not be written."""
    why = error.strerror if isinstance(error, OSError) else error
    return f"projection_stale: {path} could not be replaced ({why}); the trail has the change"


def restore(
    entry: OpenRun, run: Run, found: Iterable[Wanting], *, stamp: str, keeps_earlier: bool = False
) -> tuple[frozenset[NodeId], list[str]]:
    """Make results again, keeping what would be lost.

    Args:
        keeps_earlier: Keep results of earlier attempts, too.

    Returns:
        Nodes whose result could not be written, and what is to be told.
    """
    failed: set[NodeId] = set()
    told: list[str] = []
    for one in found:
        try:
            if one.lost and (keeps_earlier or not one.is_earlier):
                kept = _keep(entry, one, stamp)
                told.append(f"file_edited: {one.path} {one.why}; it is made anew, your copy is {kept}")
            put(entry, run, one.node)
        except (OSError, RegistryError) as error:
            failed.add(one.node.id)
            told.append(stale(one.path, error))
    return frozenset(failed), told


def _keep(entry: OpenRun, one: Wanting, stamp: str) -> str:
    with parent_of(entry.folder, one.path) as (folder, _):
        kept = atomic.keep(folder, f".{RESULT}.edited-{stamp}", one.lost)
    return f"{node_folder(one.node.id)}/{kept}"
