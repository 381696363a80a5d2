"""Changes of a flow that may clear a field, and the flow's children in numbers."""

from typing import Any

import click

from ..building import Words, about, arguments_of, command, params_of
from ..commands import FORMS
from ..forms import Form
from ..session import Session

_CLEARED = ("current_step", "state", "wait", "blocked_task_id", "blocked_summary")


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


def _change(words: str) -> click.Command:
    """The form's call, with `--clear FIELD` for the fields that it may clear."""
    form = FORMS[words]
    clearable = tuple(name for name in _CLEARED if name not in form.without)

    def call(clear: tuple[str, ...], **given: Any) -> int:
        arguments = arguments_of(form, given)
        for name in clearable:
            if arguments.get(name) == "null":
                option = name.replace("_", "-")
                raise click.UsageError(f"--{option} takes the word as it is; --clear {option} clears it")
        for option in clear:
            name = option.replace("-", "_")
            if name not in clearable:
                raise click.UsageError(f"--clear is {option!r}; it must be {', '.join(clearable)}")
            if name in arguments:
                raise click.UsageError(f"{name} is both given and cleared")
            arguments[name] = None
        return _session().answer(form, arguments)

    clear = click.Option(
        ["--clear"], multiple=True, type=Words(clearable), metavar="FIELD",
        help="A field to clear; what is not named stays. Repeat for more.",
    )  # fmt: skip
    return command(words.rsplit(maxsplit=1)[-1], params=[*params_of(form), clear], callback=call, about=about(form))


set_waiting = _change("flow set-waiting")
resume = _change("flow resume")
finish = _change("flow finish")
fail = _change("flow fail")

_GET: Form = FORMS["flow get"]


def _summary(**given: Any) -> int:
    from registry.operations.wire import camelize

    session = _session()
    answer = session.ask(_GET, arguments_of(_GET, given)).plain()
    flow = answer["flow"]
    assert isinstance(flow, dict)
    counts = flow["tasks"]
    assert isinstance(counts, dict)
    if not session.is_for_people:
        session.write(camelize(counts))
        return 0
    from ..show.flows import counted
    from ..show.plain import console

    console().print(counted(counts))
    return 0


summary = command(
    "summary",
    params=params_of(_GET),
    callback=_summary,
    about="Count a flow's children: all, active, ended, failed, by status and by what carries them.",
)
