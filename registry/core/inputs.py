"""The values a workflow asks for: their declarations, their binding, their filling in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import InvalidRequest, LimitExceeded
from .limits import PROMPT_BYTES_MAX
from .names import is_id, nearest, shown
from .paths import path_fault
from .placeholders import INPUT_NAME, INPUT_NAME_RULE, filled_text, map_texts
from .record import Json
from .wait_rules import settled, wait_faults
from .workflow import InputDeclaration, InputType, NodeDefinition, Workflow

TYPE_WORDS: Final[dict[InputType, str]] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "choice": "one of its choices",
    "list": "a list of texts, numbers or booleans",
}


@dataclass(frozen=True)
class DeclarationFault:
    """What is wrong with a declaration; `key` is the key it stands under, empty for the name itself."""

    key: str
    message: str
    mend: str


def declaration_faults(name: str, declaration: InputDeclaration) -> Iterator[DeclarationFault]:
    """Everything that makes an input impossible to give or to use."""
    if not INPUT_NAME.fullmatch(name):
        yield DeclarationFault("", f"input {shown(name)!r} has an illegal name", f"use {INPUT_NAME_RULE}")
    choices = declaration.choices
    if declaration.type == "choice" and not choices:
        yield DeclarationFault("", f"input {shown(name)!r} is a choice without choices", "add choices: [one, another]")
    if choices and declaration.type not in ("choice", "list"):
        yield DeclarationFault(
            "choices", f"input {shown(name)!r} has choices but its type is {declaration.type}", "write type: choice"
        )
    if declaration.default is not None and (wrong := _misfit(declaration, declaration.default)):
        yield DeclarationFault("default", f"the default of input {shown(name)!r} {wrong}", "change it or the type")


def bind_inputs(declarations: Mapping[str, InputDeclaration], given: Mapping[str, Json]) -> dict[str, Json]:
    """The value of every declared input: the given one, else the default, else null.

    A given null counts as not given.

    Raises:
        InvalidRequest: with every fault at once: a required value is missing, one is of another
            type, or a name is not declared. Its `inputs` are those given, with a placeholder for each
            that is wrong or missing.
    """
    faults: list[str] = []
    mended: dict[str, Json] = {}
    for name in given:
        if name not in declarations:
            guess = nearest(name, declarations)
            known = ", ".join(shown(known) for known in declarations) or "none"
            mend = f"did you mean {shown(guess)!r}?" if guess else f"it takes: {known}"
            faults.append(f"there is no input {shown(name)!r}; {mend}")
    bound: dict[str, Json] = {}
    for name, declaration in declarations.items():
        value = given.get(name)
        if value is None:
            value = declaration.default
        if value is None and declaration.required:
            faults.append(f"input {shown(name)!r} is required; give {_wanted(declaration)}")
            mended[name] = f"<{shown(name)}>"
        elif value is not None and (wrong := _misfit(declaration, value)):
            faults.append(f"input {shown(name)!r} {wrong}")
            mended[name] = f"<{shown(name)}>"
        elif given.get(name) is not None:
            mended[name] = value
        bound[name] = _whole(declaration, value)
    if faults:
        raise InvalidRequest(
            "; ".join(faults),
            hint="send inputs as an object with " + ", ".join(_described(*item) for item in declarations.items())
            if declarations
            else "leave inputs out; this workflow asks for none",
            faults=[*faults],
            inputs=mended,
        )
    return bound


def _misfit(declaration: InputDeclaration, value: Json) -> str:
    """What keeps a value from being the input's; empty when nothing does."""
    if not _fits(declaration.type, value):
        return f"is {_named(value)}; it must be {_wanted(declaration)}"
    picked = value if isinstance(value, list) else [value]
    if declaration.choices and declaration.type in ("choice", "list"):
        for item in picked:
            if item not in declaration.choices:
                guess = nearest(str(item), declaration.choices)
                mend = f"; did you mean {shown(guess)!r}?" if guess else ""
                return f"is {_named(item)}; it must be {_wanted(declaration)}{mend}"
    return ""


def _fits(kind: InputType, value: Json) -> bool:
    if kind in ("string", "choice"):
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "list":
        return isinstance(value, list) and all(isinstance(item, str | int | float) for item in value)
    # A boolean is an int to Python, but a count of `true` is a mistake to everybody else.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, float) and value - value != 0:
        return False
    return kind == "number" or isinstance(value, int) or value.is_integer()


def _whole(declaration: InputDeclaration, value: Json) -> Json:
    """JSON has one kind of number: 3.0 given for an integer is 3."""
    if declaration.type == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _wanted(declaration: InputDeclaration) -> str:
    choices = ", ".join(shown(choice) for choice in declaration.choices[:20])
    if declaration.type == "choice":
        return f"one of {choices}"
    if declaration.type == "list" and choices:
        return f"a list of some of {choices}"
    return TYPE_WORDS[declaration.type]


def _described(name: str, declaration: InputDeclaration) -> str:
    word = declaration.type + (", required" if declaration.required else "")
    return f"{shown(name)} ({word})"


def _named(value: Json) -> str:
    if isinstance(value, str):
        return repr(shown(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return "an object" if isinstance(value, dict) else shown(repr(value))


def fill(workflow: Workflow, inputs: Mapping[str, Json]) -> Workflow:
    """The workflow with every `{{ inputs.name }}` replaced in the texts of its title, nodes, defaults and driver.

    Values are looked at once: braces inside one stay. Ids, kinds, needs, conditions, extras and the
    body are not touched.

    Raises:
        InvalidRequest: a filled text cannot stand where it stands: a path that leaves the run, an illegal
            agent, an empty title. Every fault at once.
        LimitExceeded: a prompt is over 32 KiB with its inputs.
    """
    filled = map_texts(workflow, lambda text: filled_text(text, inputs))
    assert isinstance(filled, Workflow)
    if filled is workflow:
        return workflow
    faults: list[str] = []
    if not filled.title.strip():
        faults.append("the title is empty with the inputs given")
    for before, node in zip(workflow.nodes, filled.nodes, strict=True):
        if node != before:
            faults.extend(f"node {shown(node.id)!r}: {fault}" for fault in _filling_faults(node))
    if faults:
        raise InvalidRequest("; ".join(faults), hint="give other values for the inputs named there", faults=[*faults])
    return filled.model_copy(update={"nodes": tuple(_settled(node) for node in filled.nodes)})


def _filling_faults(node: NodeDefinition) -> Iterator[str]:
    size = len(node.prompt.encode())
    if size > PROMPT_BYTES_MAX:
        raise LimitExceeded(
            f"the prompt of node {shown(node.id)!r} with its inputs",
            limit=PROMPT_BYTES_MAX,
            size=size,
            hint="give shorter inputs, or the path of a file that holds the long part",
        )
    if not node.title.strip():
        yield "its title is empty with the inputs given"
    if node.agent_id is not None and not is_id(node.agent_id):
        yield f"agentId becomes {shown(node.agent_id)!r}, which is no id"
    if node.wait_for is not None:
        yield from (message for _, message, _ in wait_faults(node.wait_for))
    for path in (*((node.outputs.path,) if node.outputs.path else ()), *node.outputs.required_files):
        if wrong := path_fault(path):
            yield f"the path is {shown(path)!r}; {wrong}"


def _settled(node: NodeDefinition) -> NodeDefinition:
    wait = settled(node.wait_for) if node.wait_for is not None else None
    return node if wait is node.wait_for else node.model_copy(update={"wait_for": wait})
