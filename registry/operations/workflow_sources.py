"""Where the workflow of a call comes from: a file of the registry, or text sent along."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.names import nearest, shown
from ..core.record import Json
from ..core.workflow import Workflow
from ..errors import InvalidRequest, NextCall, NotFound
from ..formats.workflow_file import WorkflowReading, read_workflow
from ..registry import Registry
from .caller import Caller
from .table import Result

TEXT_SOURCE = "workflow_text"
"""What a workflow that was sent as text is called where a file's name would stand."""

_SUFFIX = ".task.md"
_NAMES_LISTED = 10


class InputRow(Result):
    """A value that a workflow asks for."""

    name: str
    type: str
    required: bool
    description: str | None = None
    default: Json = None
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class WorkflowSource:
    """A workflow's text and what to call it in faults."""

    name: str
    text: str | bytes


def source_of(caller: Caller, *, path: str | None, text: str | None) -> WorkflowSource:
    """The workflow named by its path or sent as text.

    Over MCP and HTTP a path lies under `workflows/`; the command line may name any file.
    """
    if text is not None:
        return WorkflowSource(TEXT_SOURCE, text)
    assert path is not None
    if caller.actor.via == "cli":
        raw = caller.registry.definitions.read_anywhere(path)
        if raw is not None:
            return WorkflowSource(path, raw)
    found = find_path(caller.registry, path)
    return WorkflowSource(found, caller.registry.definitions.read(found))


def exactly_one(tool: str, **given: str | None) -> None:
    """Refuse a call that names none or several of its alternatives.

    Raises:
        InvalidRequest: naming them and how many there were.
    """
    named = [name for name, value in given.items() if value is not None]
    if len(named) == 1:
        return
    words = {0: "none", 2: "two"}.get(len(named), "all of them")
    calls = [NextCall(tool, {name: f"<{name}>"}, "one of them") for name in (named or given)]
    raise InvalidRequest(
        f"give exactly one of {', '.join(given)}; you gave {words}",
        hint="list_workflows shows the workflow paths" if not named else f"leave out {' or '.join(named)}",
        next=(*calls[:2], NextCall("list_workflows", {}, "the workflows there are")),
        given=[*named],
    )


def find_path(registry: Registry, asked: str) -> str:
    """The path of a definition, from its path, its file's name, or its id.

    Raises:
        NotFound: with the nearest path and the first of all.
    """
    known = list(registry.definitions.paths())
    forms = (asked, asked.removeprefix("./"), f"workflows/{asked}", f"workflows/{asked}{_SUFFIX}")
    for form in forms:
        if form in known:
            return form
    by_id = next((path for path, reading in readings(registry, known) if _id_of(reading) == asked), None)
    if by_id is not None:
        return by_id
    raise _no_workflow(asked, known)


def definition_text(registry: Registry, workflow_id: str) -> str:
    """The text of a definition, by its id or by its file's name.

    Raises:
        NotFound: no definition has this id.
    """
    return registry.definitions.read(find_path(registry, workflow_id)).decode(errors="replace")


def definition_ids(registry: Registry) -> list[str]:
    """The ids of all definitions that can be read, in the order of their paths."""
    paths = list(registry.definitions.paths())
    return [workflow_id for _, reading in readings(registry, paths) if (workflow_id := _id_of(reading)) is not None]


def readings(registry: Registry, paths: list[str]) -> Iterator[tuple[str, WorkflowReading]]:
    """Definitions with what is wrong with them; those that vanish meanwhile are left out."""
    for path in paths:
        try:
            yield path, read_workflow(registry.definitions.read(path), source=path)
        except NotFound:
            continue


def _id_of(reading: WorkflowReading) -> str | None:
    return reading.workflow.workflow_id if reading.workflow is not None else None


def _no_workflow(asked: str, known: list[str]) -> NotFound:
    names = {path.rpartition("/")[2].removesuffix(_SUFFIX): path for path in known}
    near = nearest(asked.rpartition("/")[2].removesuffix(_SUFFIX), names)
    calls = [NextCall("scaffold_run", {"workflow_path": names[near]}, "if that was meant")] if near else []
    listed = ", ".join(known[:_NAMES_LISTED]) or "none"
    return NotFound(
        f"no workflow {shown(asked)!r}" + (f"; did you mean {names[near]!r}?" if near else ""),
        hint=f"workflows: {listed}" + (" and more" if known[_NAMES_LISTED:] else ""),
        next=(*calls, NextCall("list_workflows", {}, "the workflows there are")),
        asked=shown(asked),
    )


def input_rows(workflow: Workflow) -> tuple[InputRow, ...]:
    """What a workflow asks for."""
    return tuple(
        InputRow(
            name=name,
            type=declaration.type,
            required=declaration.required,
            description=declaration.description or None,
            default=declaration.default,
            choices=declaration.choices or None,
        )
        for name, declaration in workflow.inputs.items()
    )


def inputs_to_fill(workflow: Workflow) -> dict[str, Json]:
    """The required inputs as an object to fill in."""
    return {name: f"<{name}>" for name, declaration in workflow.inputs.items() if declaration.required}
