"""Click commands out of forms, built when one is called: a command loads its own operation and no other."""

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import click

from .commands import FORMS, GROUPS, OWN, help_of, names_in
from .forms import Form, file_option_name, item_option_name, json_option_name, option_name
from .session import Session
from .words import FIELD_HELP, OBJECT_HELP

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Shape = Literal["text", "flag", "list", "object"]
Given = dict[str, Any]

_LONG_TEXTS: Final = frozenset({"content", "context", "report", "workflow_text"})
"""Fields that may be read from a file too."""

_FILE_BYTES_MAX: Final = 16 << 20
_JSON: Final = "__json"
_FILE: Final = "__file"


class Group(click.Group):
    """Commands by name; help tells of all without loading any."""

    def __init__(self, group: str | None, **settings: Any) -> None:
        super().__init__(name=group, no_args_is_help=True, **settings)
        self._group = group

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order a stranger reads them."""
        return names_in(self._group)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, built now."""
        if cmd_name not in names_in(self._group):
            return None
        words = cmd_name if self._group is None else f"{self._group} {cmd_name}"
        if words in GROUPS:
            return Group(words, help=GROUPS[words])
        if words in OWN:
            command = getattr(import_module(f".own.{OWN[words].module}", __package__), OWN[words].command)
            assert isinstance(command, click.Command)
            command.name = cmd_name
            return command
        return form_command(FORMS[words])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, saying which command was probably meant."""
        if args and not args[0].startswith("-") and args[0] not in names_in(self._group):
            raise unknown_command(ctx, args[0], self._group)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The names with one line each."""
        rows = [
            (name, help_of(name if self._group is None else f"{self._group} {name}")) for name in names_in(self._group)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def unknown_command(ctx: click.Context, name: str, group: str | None) -> click.UsageError:
    """There is no such command; with the nearest one, perhaps of another group."""
    from registry.core.names import nearest, shown

    words = " ".join(part for part in ("opentask", group) if part)
    near = nearest(name, names_in(group))
    elsewhere = [other for other in (*FORMS, *OWN) if other.split()[-1] == name]
    meant = f"opentask {elsewhere[0]}" if elsewhere else f"{words} {near}" if near else None
    mend = f"did you mean {meant!r}?" if meant else f"there are: {', '.join(names_in(group))}"
    return click.UsageError(f"no command '{words} {shown(name)}'; {mend}", ctx)


class Words(click.ParamType[str]):
    """One of some words; a wrong one is refused by the operation, which knows what may have been meant."""

    name = "word"

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The words that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


def form_command(form: Form, *, more: tuple[click.Parameter, ...] = ()) -> click.Command:
    """A command that makes the form's call and shows its answer."""

    def call(**given: Any) -> int:
        session = click.get_current_context().find_object(Session)
        assert session is not None
        return session.answer(form, arguments_of(form, given))

    return command(form.words.split()[-1], params=[*params_of(form), *more], callback=call, about=about(form))


def command(
    name: str, *, params: list[click.Parameter], callback: Callable[..., int | None], about: str
) -> click.Command:
    """A command with the options that every command has."""
    return click.Command(name, params=[*params, *shared_options()], callback=callback, help=about)


def about(form: Form) -> str:
    """What a command does, in a line of our own and the operation's words."""
    from registry.operations.table import OPERATIONS

    return f"{form.help}\n\n{OPERATIONS[form.operation].description}"


def shared_options() -> list[click.Parameter]:
    """`--root`, `--json` and `--agent`, which may stand in front of the command's words or behind them."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        session = ctx.find_object(Session)
        if session is not None and value is not None:
            session.choose(str(param.name), value)

    return [
        click.Option(
            ["--root"], metavar="DIR", expose_value=False, callback=keep, help="The registry's folder."
        ),
        click.Option(
            ["--json"], is_flag=True, default=None, expose_value=False, callback=keep, help="Answer with JSON."
        ),
        click.Option(
            ["--allow-network-fs"],
            is_flag=True,
            default=None,
            hidden=True,
            expose_value=False,
            callback=keep,
            help="Write though the disk is another machine's.",
        ),
        click.Option(
            ["--agent"], metavar="ID", expose_value=False, callback=keep, help="The agent in whose name this is done."
        ),
    ]  # fmt: skip


def params_of(form: Form) -> list[click.Parameter]:
    """Arguments and options for the fields of the form's operation."""
    from registry.operations.table import OPERATIONS

    fields = OPERATIONS[form.operation].request.model_fields
    params: list[click.Parameter] = [
        click.Argument(
            [name], required=name not in form.may_lack, type=_type(fields[name]), shell_complete=_completer(name)
        )
        for name in form.places
    ]
    for name, field in fields.items():
        if name not in form.places and name not in form.says and name not in form.without:
            params += _options(name, field)
    return params


def arguments_of(form: Form, given: Given) -> dict[str, object]:
    """The operation's arguments that the parsed words make.

    Raises:
        InvalidRequest: JSON that is none, a file that cannot be read, or a value given twice.
    """
    arguments: dict[str, object] = dict(form.says)
    for key, value in given.items():
        name, _, form_of_value = key.partition("__")
        if value is None or value is False or value == ():
            continue
        if name in arguments:
            raise _twice(name)
        if form_of_value == "json":
            arguments[name] = parsed(json_option_name(name), value)
        elif form_of_value == "file":
            arguments[name] = text_of(file_option_name(name), value)
        else:
            arguments[name] = list(value) if isinstance(value, tuple) else value
    return arguments


def parsed(option: str, text: str) -> Any:
    """The value of a JSON option.

    Raises:
        InvalidRequest: saying where the JSON breaks.
    """
    from registry.core.names import shown
    from registry.errors import InvalidRequest

    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise InvalidRequest(
            f"{option} is not JSON: {fault.msg} at character {fault.pos + 1}",
            hint="put the whole of it into single quotes, and names and strings inside into double quotes",
        ) from None
    except ValueError as fault:  # a number with thousands of digits
        raise InvalidRequest(f"{option} is not JSON that anybody can read: {shown(str(fault))}") from None
    except RecursionError:
        raise InvalidRequest(f"{option} is nested too deep") from None


def text_of(option: str, path: str) -> str:
    """The text of a file that an option names; `-` is standard input.

    Raises:
        InvalidRequest: it cannot be read or is no UTF-8 text.
        LimitExceeded: it is longer than anything that is read here.
    """
    from registry.core.names import shown
    from registry.errors import InvalidRequest, LimitExceeded

    try:
        if path == "-":
            raw = sys.stdin.buffer.read(_FILE_BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(_FILE_BYTES_MAX + 1)
        if len(raw) > _FILE_BYTES_MAX:
            raise LimitExceeded(
                f"{option} {shown(path)!r}", limit=_FILE_BYTES_MAX, size=len(raw), hint="send it in parts"
            )
        return raw.decode()
    except OSError as fault:
        raise InvalidRequest(
            f"{option} {shown(path)!r}: {fault.strerror}", hint="name a file that can be read"
        ) from None
    except UnicodeDecodeError as fault:
        raise InvalidRequest(f"{option} {shown(path)!r} is not UTF-8 text (byte {fault.start + 1})") from None


def _twice(name: str) -> Exception:
    from registry.errors import InvalidRequest

    names = (option_name(name), file_option_name(name), item_option_name(name), json_option_name(name))
    return InvalidRequest(f"{name} is given twice", hint=f"use one of {', '.join(dict.fromkeys(names))}")


def _options(name: str, field: "FieldInfo") -> list[click.Parameter]:
    shape = _shape(field.annotation)
    text = (OBJECT_HELP.get(name) if shape == "object" else None) or FIELD_HELP.get(name, "")
    if shape == "flag":
        return [click.Option([option_name(name), name], is_flag=True, default=None, help=text)]
    as_json = click.Option([json_option_name(name), name + _JSON], metavar="JSON", hidden=shape == "list", help=text)
    if shape == "object":
        return [as_json]
    if shape == "list":
        one = click.Option([item_option_name(name), name], multiple=True, help=text, shell_complete=_completer(name))
        return [one, as_json]
    options: list[click.Parameter] = [
        click.Option([option_name(name), name], type=_type(field), help=text, shell_complete=_completer(name))
    ]
    if name in _LONG_TEXTS:
        file = click.Option(
            [file_option_name(name), name + _FILE], metavar="FILE", help="The same, from a file; - is stdin."
        )
        options.append(file)
    return options


def _completer(name: str) -> Callable[..., list[Any]] | None:
    if name not in ("run_id", "node_id", "workflow_path", "workflow_id", "agent_id"):
        return None

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
        from .own.completing import ids

        return ids(ctx, name, incomplete)

    return complete


def _type(field: "FieldInfo") -> click.ParamType[str]:
    words = tuple(str(word) for arm in _arms(field.annotation) if get_origin(arm) is Literal for word in get_args(arm))
    return Words(words) if words else click.STRING


def _shape(annotation: object) -> Shape:
    """How a value of this type is written on a command line; numbers are written as text."""
    arms = _arms(annotation)
    if bool in arms:
        return "flag"
    if any(get_origin(arm) in (tuple, list) for arm in arms):
        return "list"
    if str in arms or int in arms or float in arms or any(get_origin(arm) is Literal for arm in arms):
        return "text"
    return "object"


def _arms(annotation: object) -> list[object]:
    """The types a field may have, without None and annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _arms(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [arm for member in get_args(annotation) for arm in _arms(member)]
    return [] if annotation is type(None) else [annotation]


def fields_of(given: Mapping[str, Any], *names: str) -> Given:
    """Of what was parsed, the parts that are about these fields, in whichever form they came."""
    return {key: value for key, value in given.items() if key.partition("__")[0] in names}
