"""What is legal in a workflow and most likely not meant: traces of one run, waits without an end."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from ..core.names import is_id, shown
from ..core.workflow import Workflow
from ..errors import Fault
from .workflow_faults import FaultList

WARNINGS_MAX: Final = 50

_RUN: Final = re.compile(r"(?<![\w.-])runs/([A-Za-z0-9][A-Za-z0-9._-]{0,127})(?=/|\b)")
_HEADING: Final = re.compile(r"^[ \t]*#{1,6}[ \t]+Run Information\b.*$", re.IGNORECASE | re.MULTILINE)


def workflow_warnings(
    workflow: Workflow,
    text: str,
    places: FaultList,
    *,
    source: str,
    existing_runs: Callable[[str], bool] | None,
    root: str | None,
) -> tuple[Fault, ...]:
    """At most 50 warnings, from the top of the text to its end."""
    found = [*_run_local(text, existing_runs=existing_runs, root=root), *_endless_waits(workflow, places)]
    placed = {Fault(source, line, column, message, mend): None for (line, column), message, mend in found}
    return tuple(sorted(placed, key=lambda warning: (warning.line, warning.column))[:WARNINGS_MAX])


Found = tuple[tuple[int, int], str, str]


def _run_local(text: str, *, existing_runs: Callable[[str], bool] | None, root: str | None) -> Iterator[Found]:
    for heading in _HEADING.finditer(text):
        yield (
            _place(text, heading.end() - len(heading[0].lstrip())),
            "a heading 'Run Information' is about one run, and this file is for many",
            "move it to the run's own files",
        )
    if root is not None and len(root.rstrip("/")) > 1:
        for found in re.finditer(re.escape(root.rstrip("/")) + r"(?![\w.-])", text):
            yield (
                _place(text, found.start()),
                f"the path {shown(root)!r} is this machine's registry",
                "write paths relative to the run, such as nodes/<id>/report.md",
            )
    if existing_runs is None:
        return
    known: dict[str, bool] = {}
    for found in _RUN.finditer(text):
        run_id = found[1].rstrip(".")
        if run_id not in known:
            if len(known) >= WARNINGS_MAX:
                return
            known[run_id] = is_id(run_id) and existing_runs(run_id)
        if known[run_id]:
            yield (
                _place(text, found.start()),
                f"runs/{shown(run_id)} is one run, and this file is for many",
                "write paths relative to the run, or ask for them as an input",
            )


def _endless_waits(workflow: Workflow, places: FaultList) -> Iterator[Found]:
    for index, node in enumerate(workflow.nodes):
        if node.kind == "wait" and node.wait_for is None:
            yield (
                places.place_of(("nodes", index)),
                f"node {shown(node.id)!r} waits without a waitFor, so only a person can end it",
                "add waitFor, or make it kind: approval",
            )


def _place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1
