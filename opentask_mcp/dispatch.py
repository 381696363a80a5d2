"""One call of one operation, for surfaces that answer with JSON and have no event loop.

The command line calls here, and REST can: from a name and arguments to a result model, from a
result or a failure to the document that scripts and screens read, in camelCase. MCP has its own
way (mcp/tools.py), because there a call may have to be sent again with a person's answer.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from registry.core.names import shown
from registry.core.record import Bag, Json
from registry.errors import RegistryError
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS, Request, Result
from registry.operations.wire import camelize

INTERNAL_ERROR: Final = "internal_error"
"""The code of a fault of ours; all others are codes of `registry.errors`."""

_log: Final = logging.getLogger(__name__)

Adjust = Callable[[Request], Request]


def perform(name: str, arguments: Mapping[str, object], caller: Caller, *, adjust: Adjust | None = None) -> Result:
    """Do what is asked.

    Args:
        adjust: A last change of the checked request, for what a surface allows and others do not.

    Raises:
        RegistryError: refused; nothing was changed, unless it says so.
    """
    operation = OPERATIONS[name]
    request = parse_request(operation, arguments)
    return operation.run(caller, adjust(request) if adjust is not None else request)


def answer_document(result: Result) -> Json:
    """A result with the key names of disk and REST; what is None is absent."""
    return camelize(result.plain())


def failure_document(failure: RegistryError) -> Bag:
    """A refusal as `{error: {code, message, hint, retryable, details}}`."""
    return _error(failure.code, failure.message, failure.hint, retryable=failure.retryable, details=failure.details)


def fault_document(fault: Exception, *, asked: str) -> Bag:
    """A fault of ours in the same form; the whole of it goes to the log."""
    _log.debug("%s failed unexpectedly", shown(asked), exc_info=fault)
    said = shown(str(fault), 200)
    return _error(
        INTERNAL_ERROR,
        f"{shown(asked)} failed unexpectedly ({type(fault).__name__}{': ' + said if said else ''}); "
        "this is a fault of OpenTask, not of your call",
        "a change may or may not have been made: look before you do it again",
        retryable=False,
        details={},
    )


def _error(code: str, message: str, hint: str, *, retryable: bool, details: Bag) -> Bag:
    return {"error": {"code": code, "message": message, "hint": hint, "retryable": retryable, "details": details}}
