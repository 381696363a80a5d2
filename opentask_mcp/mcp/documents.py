"""The registry's documents as the resources of this server.

What reads them is imported when the first is read: most sessions call tools only.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from registry.core.names import is_id
from registry.errors import RegistryError
from registry.registry import Registry

from .feed import RECENT, Mark

if TYPE_CHECKING:
    from registry.operations.documents import Document, ResourceRow

_RUNS: Final = "opentask://runs/"


class RegistryDocuments:
    """One registry, read by address."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def read(self, uri: str) -> "Document":
        """What stands there."""
        from registry.operations.documents import read_resource

        return read_resource(self._registry, uri)

    def recent(self, cursor: str | None) -> tuple[Sequence["ResourceRow"], str | None]:
        """A page of the newest runs and their reports."""
        from registry.operations.documents import recent_resources

        return recent_resources(self._registry, cursor)

    def complete(self, argument: str, prefix: str, context: Mapping[str, str]) -> Sequence[str]:
        """Values of an id argument that begin so."""
        from registry.operations.documents import complete

        return complete(self._registry, argument, prefix, context)

    def mark(self, uri: str) -> Mark:
        """The size and time of the trail for whatever belongs to a run; else a hash of the text."""
        if uri == RECENT:
            return tuple(row.uri for row in self.recent(None)[0])
        if uri.startswith(_RUNS):
            run_id = uri.removeprefix(_RUNS).partition("/")[0].partition("?")[0]
            return self._registry.log_mark(run_id) if is_id(run_id) else None
        try:
            return hashlib.sha256(self.read(uri).text.encode(errors="replace")).digest()
        except RegistryError:
            return None
