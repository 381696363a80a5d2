"""Between the words of a command and the arguments of an operation, both ways.

A form says which words ask for which operation, which of its fields stand without an option, and
which the words say already. Names of options follow from names of fields, so the same table turns
a command line into a call and a call (what an answer says to do next) into a command line.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from registry.core.record import Json

# A list takes one value an option, so its option is in the singular.
_SINGULAR: Final[Mapping[str, str]] = {
    "artifacts": "artifact",
    "effects_done": "effect-done",
    "inputs": "input",
    "outputs": "output",
    "rules": "rule",
    "tags": "tag",
}
_EARLIER: Final[Mapping[str, str]] = {"workflow_text": "workflow-markdown"}
"""Fields whose option has the name that scripts used before there was such a field."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """One command that is one call.

    Attributes:
        words: How it is called, such as `run show`.
        places: Fields that stand by themselves, in order.
        may_lack: Of the places, those that may be left out.
        says: Arguments that the words say already.
        without: Fields that the command does not offer.
    """

    words: str
    operation: str
    help: str
    places: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    says: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def can_say(self, arguments: "Mapping[str, Json]") -> bool:
        """Whether the command can make this call."""
        says_so = all(arguments.get(name) == value for name, value in self.says.items())
        return says_so and not any(name in arguments for name in self.without)


def option_name(name: str) -> str:
    """The option of a field that takes one value."""
    return f"--{_EARLIER.get(name, name).replace('_', '-')}"


def item_option_name(name: str) -> str:
    """The option of a field that is a list; it is given once for each value."""
    return f"--{_SINGULAR.get(name, name).replace('_', '-')}"


def json_option_name(name: str) -> str:
    """The option that takes a field as JSON."""
    return f"--{name.replace('_', '-')}-json"


def file_option_name(name: str) -> str:
    """The option that takes the text of a field from a file; `-` is standard input."""
    return f"{option_name(name)}-file"


def command_line(form: Form, arguments: "Mapping[str, Json]", *, before: tuple[str, ...] = ()) -> str:
    """The line that makes a call, ready to paste; what only the caller knows stands as `<...>`.

    Args:
        before: Options in front of the command's words.
    """
    words = ["opentask", *before, *form.words.split()]
    said = [name for name in form.places if name in arguments or name not in form.may_lack]
    words += [_plain(arguments.get(name, f"<{name}>")) for name in said]
    for name, value in arguments.items():
        if name not in form.places and name not in form.says:
            words += _option(name, value)
    return shlex.join(words)


def _option(name: str, value: "Json") -> list[str]:
    if isinstance(value, bool):
        return [option_name(name)] if value else []
    if isinstance(value, list) and value:
        return [word for item in value for word in (item_option_name(name), _plain(item))]
    if isinstance(value, list | dict):
        return [json_option_name(name), json.dumps(value, ensure_ascii=False)]
    return [] if value is None else [option_name(name), _plain(value)]


def _plain(value: "Json") -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
