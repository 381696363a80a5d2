"""The errors page: every code, its meanings, and what a program may do about it."""

import inspect
from typing import Final

from opentask_mcp.cli.statuses import STATUS_OF_CODE
from registry import errors

from .markdown import block, code, document, table

_WHAT_TO_DO: Final = {
    "invalid_request": "read the message: it names the argument and the mend; send the call again",
    "not_found": "the message names the nearest id there is",
    "conflict": "take another id, another node, or wait until whoever has it is done",
    "revision_conflict": "look at what changed, decide again, send the revision you saw",
    "illegal_transition": "the message says where the node stands; `next` names a call that is legal now",
    "lease_lost": "your attempt is over; keep late findings in a file of another name",
    "paused": "tell the person; nothing new starts until somebody resumes",
    "lock_timeout": "nothing was changed; try again in a second",
    "storage_full": "nothing was changed; make room or mend what the system says, then try again",
    "outcome_unknown": "send the same call again with the same request_id or fence: it is then done once",
    "log_corrupt": "reads go on; writes wait for a repair (see [recovery](../how-to/recovery.md))",
    "limit_exceeded": "send less, or keep the long part in a file of the node ([limits](limits.md))",
    "forbidden": "it may not be done here, however it is asked; the hint says who may",
    "internal_error": "a fault of OpenTask: look before you do it again, and report it",
}
_EXAMPLE: Final = """\
not_found: no run 'audit1'; nearest: 'audit-1' (running)
hint: list_runs shows all
next: get_run {"run_id": "audit-1"}  (if that was meant)"""
_ABOUT: Final = f"""\
Every expected failure has a code, one sentence that says what is so and what was asked, a hint, and calls that are
legal now. Over MCP it is a tool result with `isError`, as text; on the command line sentences on a terminal, else JSON
on stderr. A refusal has changed nothing, except where it says so.

{block("text", _EXAMPLE)}"""


def page() -> str:
    """docs/reference/errors.md."""
    meanings: dict[str, list[type[errors.RegistryError]]] = {"invalid_request": []}
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.RegistryError) and kind is not errors.RegistryError:
            meanings.setdefault(kind.code, []).append(kind)
    rows = []
    for name in STATUS_OF_CODE:
        kinds = sorted(meanings.get(name, []), key=lambda kind: inspect.getsourcelines(kind)[1])
        meaning = " ".join(inspect.getdoc(kind) or "" for kind in kinds) or "A fault of OpenTask itself."
        retryable = {kind.retryable for kind in kinds}
        again = "yes" if retryable == {True} else "sometimes" if True in retryable else "no"
        rows.append((code(name), meaning, again, str(STATUS_OF_CODE[name]), _WHAT_TO_DO[name]))
    return document(
        "Errors",
        _ABOUT,
        table(("code", "meaning", "may the same call succeed later?", "exit status", "what to do"), rows),
    )
