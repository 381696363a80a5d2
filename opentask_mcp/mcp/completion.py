"""Completion of id arguments, for prompts and resource addresses."""

from typing import Final

from mcp_types import CompleteRequestParams, CompleteResult, Completion

from registry.errors import RegistryError

from .resources import Documents
from .threads import Threads

_VALUES_MAX: Final = 100


async def complete(documents: Documents, params: CompleteRequestParams, *, threads: Threads) -> CompleteResult:
    """What the person may be about to type; nothing where it is free text or cannot be known."""
    context = (params.context.arguments or {}) if params.context else {}
    argument = params.argument
    try:
        values = await threads.run("read", lambda: documents.complete(argument.name, argument.value, context))
    except RegistryError:
        values = ()  # an id typed before may name nothing; a person still typing is told nothing yet
    shown = list(values[:_VALUES_MAX])
    return CompleteResult(completion=Completion(values=shown, total=len(values), has_more=len(values) > _VALUES_MAX))
