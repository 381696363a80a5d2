"""Where the workflow of a call comes from: a file of the registry, or text sent along."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.names import nearest, shown
from ..core.record import Json
from ..core.workflow import Workflow
from ..errors import Fault, InvalidRequest, LimitExceeded, NextCall, NotFound
from ..formats.workflow_file import WorkflowReading, read_workflow
from ..registry import Registry
from ..storage.files.definitions import Definition
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

    Raises:
        NotFound: no such file, with the nearest and the first of all.
        InvalidRequest: the path leads out of `workflows/`.
    """
    if text is not None:
        return WorkflowSource(TEXT_SOURCE, text)
    assert path is not None
    found = caller.registry.definitions.read_elsewhere(path) if caller.actor.via == "cli" else None
    found = found or find_definition(caller.registry, path)
    return WorkflowSource(found.path, found.text)


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


def find_definition(registry: Registry, asked: str) -> Definition:
    """A definition, from its path, its file's name, or its id.

    Raises:
        NotFound: with the nearest path and the first of all.
        InvalidRequest: the path leads out of `workflows/`.
    """
    try:
        return registry.definitions.read(asked)
    except NotFound:
        known = [path for path, _ in registry.definitions.paths()]
        for definition, reading in readings(registry, known):
            if _id_of(reading) == asked:
                return definition
        raise _no_workflow(asked, known) from None


def definition_text(registry: Registry, workflow_id: str) -> str:
    """The text of a definition, by its id or by its file's name.

    Raises:
        NotFound: no definition has this id.
    """
    return find_definition(registry, workflow_id).text.decode(errors="replace")


def definition_ids(registry: Registry) -> list[str]:
    """The ids of all definitions that can be read, in the order of their paths."""
    paths = [path for path, _ in registry.definitions.paths()]
    return [workflow_id for _, reading in readings(registry, paths) if (workflow_id := _id_of(reading)) is not None]


def readings(registry: Registry, paths: list[str]) -> Iterator[tuple[Definition, WorkflowReading]]:
    """Definitions with what is wrong with them; those that vanish meanwhile are left out."""
    for path in paths:
        try:
            definition = registry.definitions.read(path)
        except NotFound:
            continue
        except LimitExceeded as failure:
            fault = Fault(source=path, line=0, column=0, message=failure.message, mend=failure.hint)
            yield Definition(path=path, text=b"", mtime_ns=0), WorkflowReading(None, (fault,))
            continue
        yield definition, read_workflow(definition.text, source=path)


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
