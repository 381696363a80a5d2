"""Paths of files that callers name, made run-relative or refused.

Agents write `report.md`, `nodes/gather/report.md`, `./report.md`, or the absolute path that
node_dir gave them. All mean the same file; what would leave the node's folder is refused before
anything is opened. The storage guards the opening itself against links.
"""

from collections.abc import Collection
from typing import Final

from ..core.names import NodeId, RunId, is_id, shown
from ..core.paths import path_fault
from ..errors import Forbidden, InvalidRequest, NextCall

PLAN_FILE: Final = "workflow.lock.md"
_EXAMPLE: Final = "give a name such as report.md with node_id, or nodes/<node_id>/report.md"

_MACHINERY: Final = {
    "state.json": ("get_run", {}),
    "refs.json": ("get_run", {"view": "refs"}),
    "events.jsonl": ("get_run", {"view": "events"}),
    "control.jsonl": ("get_run", {"view": "events"}),
}
"""Files of the run that agents read through a tool: they hold fences, and hands must not change them."""

_WRITTEN_BY: Final = {
    "handoff.md": "write_handoff writes it, with the head that a worker needs",
    "result.json": "finish_node writes it from summary and payload",
}


def readable_path(
    run_id: RunId, path: str, *, node_id: NodeId | None, run_dir: str, declared: Collection[str] = ()
) -> str:
    """The run-relative path of a file that may be read: one of a node, or the plan.

    Args:
        declared: Run-relative files that nodes must leave or have left, wherever they are.

    Raises:
        InvalidRequest: the path leaves the run, or does not say of which node it is.
        Forbidden: it is one of the registry's own files.
    """
    parts = _parts(path, run_dir)
    whole = "/".join(parts)
    if whole in _MACHINERY and node_id is None:
        tool, more = _MACHINERY[whole]
        raise Forbidden(
            f"{whole} is the registry's own file",
            hint=f"{tool} shows what is in it",
            next=(NextCall(tool, {"run_id": run_id, **more}),),
        )
    if whole == PLAN_FILE or (whole in declared and whole not in _MACHINERY):
        return whole
    return _of_node(parts, node_id, run_id=run_id, tool="read_artifact")


def writable_path(run_id: RunId, path: str, *, node_id: NodeId, run_dir: str, declared: Collection[str] = ()) -> str:
    """The run-relative path of a file of the node that an agent may write.

    Args:
        declared: Run-relative files that this node must leave, wherever they are.

    Raises:
        InvalidRequest: the path leaves the node's folder, or has its own tool.
    """
    parts = _parts(path, run_dir)
    if "/".join(parts) in declared and "/".join(parts) not in (*_MACHINERY, PLAN_FILE):
        return "/".join(parts)
    whole = _of_node(parts, node_id, run_id=run_id, tool="write_artifact")
    name = whole.removeprefix(f"nodes/{node_id}/")
    if name in _WRITTEN_BY:
        tool = _WRITTEN_BY[name].split()[0]
        raise InvalidRequest(
            f"{name} has its own tool: {_WRITTEN_BY[name]}",
            hint="for anything else take another name, such as findings.md",
            next=(NextCall(tool, {"run_id": run_id, "node_id": node_id}),),
        )
    return whole


def run_path(path: str, *, node_id: NodeId | None, run_dir: str) -> str:
    """A path somebody reports, run-relative where it can be; kept short of leaving the run.

    Raises:
        InvalidRequest: the path leaves the run.
    """
    parts = _parts(path, run_dir)
    if parts[0] != "nodes" and node_id is not None:
        return "/".join(("nodes", node_id, *parts))
    return "/".join(parts)


def _of_node(parts: tuple[str, ...], node_id: NodeId | None, *, run_id: RunId, tool: str) -> str:
    if parts[0] == "nodes" and len(parts) > 2 and is_id(parts[1]):
        if node_id is not None and parts[1] != node_id:
            raise InvalidRequest(
                f"path is in the folder of node {parts[1]!r}, but node_id is {node_id!r}",
                hint="send one of the two",
                next=(NextCall(tool, {"run_id": run_id, "node_id": parts[1], "path": "/".join(parts[2:])}),),
            )
        return "/".join(parts)
    if parts[0] == "nodes":
        raise InvalidRequest(f"path is {shown('/'.join(parts))!r}; it names no file of a node", hint=_EXAMPLE)
    if node_id is None:
        name = "/".join(parts)
        raise InvalidRequest(
            f"{shown(name)!r} does not say of which node",
            hint=f"send node_id too, or the path nodes/<node_id>/{shown(parts[-1])}",
            next=(NextCall("get_run", {"run_id": run_id}, "shows the nodes and their reports"),),
        )
    return "/".join(("nodes", node_id, *parts))


def _parts(path: str, run_dir: str) -> tuple[str, ...]:
    """The components of a run-relative path, checked one by one."""
    meant = path.strip()
    if run_dir and meant.startswith(run_dir.rstrip("/") + "/"):
        meant = meant[len(run_dir.rstrip("/")) + 1 :]
    if meant.endswith("/"):
        raise InvalidRequest(f"path {shown(path)!r} names a folder, not a file", hint=_EXAMPLE)
    if not meant.startswith("/"):
        meant = "/".join(part for part in meant.split("/") if part not in ("", "."))
    if not meant:
        raise InvalidRequest(f"path is {shown(path)!r}; it names no file" if path else "path is empty", hint=_EXAMPLE)
    if fault := path_fault(meant):
        raise InvalidRequest(f"path is {shown(path)!r}; {fault}", hint=_EXAMPLE)
    return tuple(meant.split("/"))
