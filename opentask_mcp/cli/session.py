"""What a command has while it runs: the registry, who asks, and whether a person or a script reads."""

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .forms import Form
from .statuses import status_of_answer

if TYPE_CHECKING:
    from registry.core.record import Bag, Json
    from registry.core.run import ActorKind
    from registry.operations.caller import Caller
    from registry.operations.table import Result
    from registry.registry import Registry

    from ..dispatch import Adjust

_NOBODY: Final = "operator"
_DECISIONS: Final = frozenset({"approve", "reject", "resume", "skip"})
"""Controls that may be a person's decision."""

_TRUE: Final = frozenset({"1", "true", "yes", "on"})


class Session:
    """One run of the program."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.json = _is_set("OPENTASK_JSON")
        self.allow_network_fs = _is_set("OPENTASK_ALLOW_NETWORK_FS")
        self.agent = os.environ.get("OPENTASK_AGENT_ID") or None

    def choose(self, option: str, value: Any) -> None:
        """Take over one of the options that every command has."""
        if option not in ("root", "json", "agent", "allow_network_fs"):
            raise AssertionError(option)
        setattr(self, option, value)

    @property
    def is_for_people(self) -> bool:
        """Whether a person reads the answer; everything else gets JSON."""
        return not self.json and sys.stdout.isatty()

    @property
    def is_by_person(self) -> bool:
        """Whether a person types: nobody else sits at a terminal in both directions."""
        return sys.stdin.isatty() and sys.stdout.isatty()

    @cached_property
    def registry(self) -> "Registry":
        """The registry of the options, the environment or the working directory."""
        from registry.core.limits import CLI_LOCK_WAIT_S
        from registry.registry import Registry
        from registry.settings import load_settings

        return Registry.open(
            load_settings(
                self.root,
                environ=os.environ,
                cwd=Path.cwd(),
                allow_network_fs=self.allow_network_fs,
                lock_wait_s=CLI_LOCK_WAIT_S,
            )
        )

    def caller(self, operation: str, arguments: Mapping[str, object]) -> "Caller":
        """Who asks: the person at the terminal, else an agent."""

        approvals = self.registry.settings.approvals
        kind: ActorKind = "operator" if self.is_by_person else "agent"
        verified = False
        if kind == "operator" and approvals == "operator":
            # Here a person is known by what they type, and nothing else ends an approval.
            if operation == "request_control" and arguments.get("action") in _DECISIONS:
                require_typed(str(arguments["action"]), str(arguments.get("run_id")))
                verified = True
            elif operation in ("append_event", "change_plan"):
                kind = "agent"
        return self._caller(kind, verified=verified)

    def _caller(self, kind: "ActorKind", *, verified: bool) -> "Caller":
        from registry.core.names import ID_RULE, is_id, legal_id, quoted
        from registry.core.run import Actor
        from registry.errors import InvalidRequest
        from registry.operations.caller import Caller

        if self.agent is not None and not is_id(self.agent):
            raise InvalidRequest(f"--agent is {quoted(self.agent)}; an id is {ID_RULE}", hint="or OPENTASK_AGENT_ID")
        named = self.agent or legal_id(login()) or _NOBODY
        return Caller(
            registry=self.registry,
            actor=Actor(kind=kind, id=named, via="cli", verified=verified),
            agent_id=named,
            approvals=self.registry.settings.approvals,
        )

    def ask(self, form: Form, arguments: Mapping[str, object], *, adjust: "Adjust | None" = None) -> "Result":
        """Make the form's call.

        Raises:
            RegistryError: refused.
        """
        from registry.errors import Forbidden

        from ..dispatch import perform

        caller = self.caller(form.operation, arguments)
        try:
            return perform(form.operation, arguments, caller, adjust=adjust)
        except Forbidden as refusal:
            if caller.actor.is_person or not self.is_by_person or refusal.details.get("approvals") != "operator":
                raise
            require_typed(form.words.split()[-1], str(arguments.get("run_id")))
            return perform(form.operation, arguments, self._caller("operator", verified=True), adjust=adjust)

    def answer(self, form: Form, arguments: Mapping[str, object], *, adjust: "Adjust | None" = None) -> int:
        """Make the form's call and show what came of it; the exit status."""
        return self.show(form, self.ask(form, arguments, adjust=adjust))

    def show(self, form: Form, result: "Result") -> int:
        """Show an answer in the reader's form; the exit status."""
        plain = result.plain()
        self.show_plain(form.words, plain)
        return status_of_answer(form.operation, plain)

    def show_plain(self, words: str, plain: "Bag") -> None:
        """Show an answer of a command that is made of more than one call, or of none."""
        if self.is_for_people:
            from .show import answers

            answers.show(words, plain, before=self.before)
        else:
            from registry.operations.wire import camelize

            self.write(camelize(plain))

    def write(self, document: "Json", *, lines: bool = False) -> None:
        """Write a document to stdout as JSON: on many lines, or as one of `lines`."""
        import click
        from pydantic_core import to_json

        click.echo(to_json(document, indent=None if lines else 2))

    @property
    def before(self) -> tuple[str, ...]:
        """What a command that is suggested must repeat to reach the same registry."""
        return ("--root", self.root) if self.root is not None else ()


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in _TRUE


def login() -> str:
    """The login name; empty where the system knows none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run under a number without a name
        return ""


def require_typed(what: str, run_id: str) -> None:
    """Have the person type the run's id, so that a decision is never a slip or a program's.

    Raises:
        Forbidden: something else was typed.
    """
    import click

    from registry.core.names import shown
    from registry.errors import Forbidden

    typed = click.prompt(
        f"to {what.replace('_', ' ')}, type the run's id ({shown(run_id)})", default="", show_default=False
    )
    if typed.strip() != run_id:
        raise Forbidden(f"{what} was not confirmed; nothing was changed", hint="type the run's id exactly")
