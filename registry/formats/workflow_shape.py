"""Values with places into the models' fields: every wrong key, missing key and wrong type, named.

The models say which keys there are, of what type and within what bounds; here is only how a
wrong one is told. What is wrong is left out or stands for something harmless, so that the rules
between the parts can still be checked.
"""

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic.fields import FieldInfo

from ..core.names import nearest, shown
from ..core.placeholders import Path
from ..core.record import Bag
from ..core.wait_rules import settled
from ..core.workflow import Defaults, Driver, InputDeclaration, NodeDefinition, Outputs, Retry, WaitFor, Workflow
from .placed_yaml import Object, Placed, Scalar, Sequence, as_json
from .workflow_faults import FaultList

ModelT = TypeVar("ModelT", bound=BaseModel)

NOT_KEYS: Final[Mapping[type[BaseModel], frozenset[str]]] = {Workflow: frozenset({"extras", "body"})}
"""Fields that come from elsewhere than from a key of their name."""

GUESSES: Final[Mapping[type[BaseModel], Mapping[str, str]]] = {
    Workflow: {"id": "workflowId", "name": "title", "steps": "nodes", "tasks": "nodes", "parameters": "inputs"},
    NodeDefinition: {
        "name": "title",
        "type": "kind",
        "dependson": "needs",
        "depends": "needs",
        "after": "needs",
        "description": "prompt",
        "instructions": "prompt",
        "task": "prompt",
        "if": "when",
        "condition": "when",
        "agent": "agentId",
        "wait": "waitFor",
        "timeout": "timeoutMs",
        "deadline": "deadlineSeconds",
        "retries": "retry",
        "labels": "tags",
        "output": "outputs",
    },
    Outputs: {"files": "requiredFiles", "required": "requiredFiles", "type": "mode"},
    WaitFor: {"file": "path", "until": "at", "kind": "type", "name": "event", "duration": "seconds"},
    Retry: {"attempts": "maxAttempts", "backoff": "backoffSeconds"},
    Driver: {"schedule": "cron"},
    InputDeclaration: {"options": "choices", "enum": "choices", "title": "description"},
}
"""What people call a key elsewhere, by the model that calls it otherwise; lower case without `_` and `-`."""

WORD_MEANS: Final[Mapping[type[BaseModel], str]] = {
    InputDeclaration: "type",
    Outputs: "mode",
    NodeDefinition: "id",
    Defaults: "agentId",
    Driver: "cron",
    Retry: "maxAttempts",
}
"""The key that is most likely meant where a word stands in place of an object."""

STAND_INS: Final[Mapping[str, object]] = {
    "id": "",
    "workflow_id": "x",
    "title": "x",
    "kind": "summary",
    "nodes": (),
}
"""Values for required fields that are missing or wrong, while faults are looked for."""

NUMBER_MAX: Final = 1 << 53
"""Beyond this JSON's readers round."""

THE_WORKFLOW: Final = "the workflow"

_BAD: Final = object()
_ABSENT: Final = object()


class ShapeReader:
    """Reads one text's values into records, noting faults as it goes."""

    def __init__(self, faults: FaultList) -> None:
        self._faults = faults

    def workflow(self, root: Object, *, body: str) -> Workflow:
        """The workflow, as far as it can be read."""
        extras: Bag = {key.text: as_json(value) for key, value in root.entries if key.text.startswith("x-")}
        return self._record(Workflow, root, (), THE_WORKFLOW, extras=extras, body=body)

    def node(self, value: Object, path: Path) -> NodeDefinition:
        """One node, as far as it can be read."""
        name = value.get("id")
        number = f"node {int(path[-1]) + 1}" if path else "the node"
        who = f"node {shown(name.text)!r}" if isinstance(name, Scalar) and name.text else number
        node = self._record(NodeDefinition, value, path, who)
        if node.wait_for is not None and (wait := settled(node.wait_for)) is not node.wait_for:
            node = node.model_copy(update={"wait_for": wait})
        return node

    def _record(self, model: type[ModelT], value: Object, path: Path, who: str, **given: object) -> ModelT:
        """A record of the values that are right; wrong ones are noted and their path marked."""
        self._faults.seen(path, value)
        keys = {field.alias or name: name for name, field in _fields(model).items()}
        read: dict[str, object] = {}
        sound = True
        for key in value.repeated:
            self._faults.add((*path, key.text), key, f"key {shown(key.text)!r} stands twice in {who}", "remove one")
        for key, item in value.entries:
            if model is Workflow and key.text.startswith("x-"):
                continue
            alias = key.text if key.text in keys else self._misspelt(model, key, value, path, who)
            if alias is None:
                continue
            name = keys[alias]
            field = model.model_fields[name]
            self._faults.seen((*path, alias), item)
            got = self._value(field.annotation, item, (*path, alias), _within(who, alias), field)
            if got is _BAD:
                sound = False
            elif got is not _ABSENT:
                read[name] = got
            elif field.is_required():
                self._faults.add((*path, alias), item, f"{_within(who, alias)} is empty", _example(alias))
                read[name] = STAND_INS[name]
        for alias, name in keys.items():
            if model.model_fields[name].is_required() and name not in read:
                self._missing(value, path, who, alias)
                read[name] = STAND_INS[name]
        if not sound and model in (WaitFor, Outputs, InputDeclaration):
            # Its own faults are told; what else seems wrong with it may be but their shadow.
            self._faults.mark_broken(path)
        return self._built(model, read | given, value, path, who, sound=sound)

    def _missing(self, value: Object, path: Path, who: str, alias: str) -> None:
        if (*path, alias) not in self._faults:
            self._faults.add((*path, alias), value, f"{who} has no {alias}", _example(alias))

    def _built(
        self, model: type[ModelT], read: dict[str, object], value: Object, path: Path, who: str, *, sound: bool
    ) -> ModelT:
        if sound:
            try:
                return model.model_validate(read)
            except ValidationError as refused:
                for error in refused.errors():
                    self._faults.add(path, value, f"{who}: {error['msg']}")
        return model.model_construct(**read)  # type: ignore[arg-type]  # the fields' names are the model's own

    def _misspelt(self, model: type[BaseModel], key: Scalar, value: Object, path: Path, who: str) -> str | None:
        """The key that an unknown one stands for, so that its value is read and not missed as well."""
        known = [field.alias or name for name, field in _fields(model).items()]
        folded = _folded(key.text)
        same = next((alias for alias in known if alias.lower() == folded), None)
        guess = same or GUESSES.get(model, {}).get(folded) or nearest(key.text[:64], known)
        free = "; keys of your own begin with x-" if model is Workflow else ""
        if model is NodeDefinition:
            free = "; keys of your own go under metadata"
        mend = f"did you mean {guess!r}?" if guess else f"the keys are {', '.join(known)}{free}"
        self._faults.add((*path, key.text), key, f"unknown key {shown(key.text)!r} in {who}", mend)
        return None if guess is None or value.get(guess) is not None or (*path, guess) in self._faults else guess

    def _value(self, kind: object, item: Placed, path: Path, what: str, field: FieldInfo | None = None) -> object:
        """A value of an annotation's type, `_ABSENT` for null, `_BAD` when a fault was noted."""
        if isinstance(item, Scalar) and item.value is None and kind is not JsonValue:
            return _ABSENT
        origin, args = get_origin(kind), get_args(kind)
        if kind is JsonValue:
            return as_json(item)
        if origin in (Union, UnionType):
            return self._value(next(arg for arg in args if arg is not type(None)), item, path, what, field)
        if origin is Literal:
            return self._word(args, item, path, what)
        if origin is tuple:
            return self._list(args[0], item, path, what)
        if origin is dict:
            return self._map(args[1], item, path, what)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self._object(kind, item, path, what)
        if kind is str:
            # The written text: a title 2026-01-31 or 1.10 is what its author typed.
            return item.text if isinstance(item, Scalar) else self._wrong(item, path, what, "text", _text_mend(item))
        return self._plain(kind, item, path, what, field)

    def _plain(self, kind: object, item: Placed, path: Path, what: str, field: FieldInfo | None) -> object:
        value = item.value if isinstance(item, Scalar) else None
        if kind is bool:
            if isinstance(value, bool):
                return value
            truth = {"yes": "true", "on": "true", "no": "false", "off": "false"}
            mend = f"write {truth[str(value).lower()]}" if str(value).lower() in truth else ""
            return self._wrong(item, path, what, "true or false", mend)
        whole = kind is int
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            mend = "write the number alone, without quotes or unit" if isinstance(item, Scalar) else ""
            return self._wrong(item, path, what, "a whole number" if whole else "a number", mend)
        if abs(value) > NUMBER_MAX:
            return self._wrong(item, path, what, "a number that every program can hold")
        if wrong := _out_of_bounds(value, field.metadata if field else ()):
            self._faults.add(path, item, f"{what} is {value}; it must be {wrong}")
            return _BAD
        return value

    def _word(self, words: tuple[str, ...], item: Placed, path: Path, what: str) -> object:
        text = item.text if isinstance(item, Scalar) else ""
        if text in words:
            return text
        guess = nearest(text[:64].replace("-", "_"), words) if text else None
        mend = f"did you mean {guess!r}?" if guess else ""
        return self._wrong(item, path, what, f"{', '.join(words[:-1])} or {words[-1]}", mend)

    def _list(self, kind: object, item: Placed, path: Path, what: str) -> object:
        if not isinstance(item, Sequence):
            name = str(path[-1])
            if isinstance(item, Scalar):
                mend = f"write {name}: [{shown(item.text, 40)}]"
            else:
                mend = "begin each with '- id: ...'" if name == "nodes" else "begin each with '- '"
            return self._wrong(item, path, what, "a list", mend)
        read: list[object] = []
        for index, inner in enumerate(item.items):
            at = (*path, index)
            self._faults.seen(at, inner)
            got = self._value(kind, inner, at, f"item {index + 1} of {what}")
            if got is _ABSENT:
                self._faults.add(at, inner, f"item {index + 1} of {what} is empty", "fill it or remove it")
            elif got is not _BAD:
                read.append(got)
            if got in (_ABSENT, _BAD) and kind is NodeDefinition:
                # A stand-in keeps the places of those behind it.
                self._faults.mark_broken(at)
                read.append(NodeDefinition(id=f"?{index}", title="x", kind="summary"))
        return tuple(read)

    def _map(self, kind: object, item: Placed, path: Path, what: str) -> object:
        if not isinstance(item, Object):
            return self._wrong(item, path, what, "an object", "write name: value below it, indented")
        for key in item.repeated:
            self._faults.add((*path, key.text), key, f"key {shown(key.text)!r} stands twice in {what}", "remove one")
        if kind is JsonValue:
            return as_json(item)
        read: dict[str, object] = {}
        for key, inner in item.entries:
            at = (*path, key.text)
            self._faults.seen(at, inner)
            got = self._value(kind, inner, at, f"input {shown(key.text)!r}")
            if got is _ABSENT:
                self._faults.add(at, key, f"input {shown(key.text)!r} says nothing", "write type: string below it")
                got = InputDeclaration()
            read[key.text] = got if got is not _BAD else InputDeclaration()
        return read

    def _object(self, model: type[BaseModel], item: Placed, path: Path, what: str) -> object:
        if model is WaitFor and isinstance(item, Scalar):
            item = Object(item.line, item.column, ((Scalar(item.line, item.column, "type", "type"), item),))
        if not isinstance(item, Object):
            key = WORD_MEANS.get(model) if isinstance(item, Scalar) else None
            begin = "- " if path and isinstance(path[-1], int) else f"{path[-1]}: "
            mend = f"write {begin}{{{key}: {shown(item.text, 40)}}}" if key and isinstance(item, Scalar) else ""
            return self._wrong(item, path, what, "an object", mend)
        if model is NodeDefinition:
            return self.node(item, path)
        record = self._record(model, item, path, what)
        if isinstance(record, InputDeclaration) and record.type in ("string", "choice"):
            default = item.get("default")
            if isinstance(default, Scalar) and default.value is not None:
                return record.model_copy(update={"default": default.text})
        return record

    def _wrong(self, item: Placed, path: Path, what: str, wanted: str, mend: str = "") -> object:
        self._faults.add(path, item, f"{what} is {_named(item)}; it must be {wanted}", mend)
        return _BAD


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    out = NOT_KEYS.get(model, frozenset())
    return {name: field for name, field in model.model_fields.items() if name not in out}


def _within(who: str, key: str) -> str:
    """How a key is called in a sentence: `retry.maxAttempts of node 'build'`, `driver.cron`, `title`."""
    if who == THE_WORKFLOW:
        return key
    head, of, owner = who.partition(" of ")
    if of:
        return f"{head}.{key} of {owner}"
    return f"{key} of {who}" if " " in who else f"{who}.{key}"


def _folded(key: str) -> str:
    return key[:64].replace("_", "").replace("-", "").lower()


def _named(item: Placed) -> str:
    if isinstance(item, Scalar):
        return repr(shown(item.text, 40)) if item.text else "empty"
    return "a list" if isinstance(item, Sequence) else "an object"


def _text_mend(item: Placed) -> str:
    return "put quotes around it" if isinstance(item, Object) else "write it as one text"


def _example(alias: str) -> str:
    examples = {
        "workflowId": "add for example workflowId: nightly-audit",
        "title": "add title: with a few words",
        "nodes": "add nodes: with at least one node of id, title and kind",
        "id": "add for example id: build",
        "kind": "add kind: session_turn, subagent, wait, approval or summary",
    }
    return examples[alias]


def _out_of_bounds(value: float, rules: Iterable[object]) -> str:
    bounds = {name: getattr(rule, name) for rule in rules for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)}
    if value < bounds.get("ge", value) or value > bounds.get("le", value):
        return f"{bounds['ge']:,} to {bounds['le']:,}" if "le" in bounds and "ge" in bounds else _bound_words(bounds)
    if value <= bounds.get("gt", value - 1) or value >= bounds.get("lt", value + 1):
        return _bound_words(bounds)
    return ""


def _bound_words(bounds: Mapping[str, float]) -> str:
    words = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under"}
    return " and ".join(f"{words[name]} {bound:,}" for name, bound in bounds.items())
