"""Resources: what a registry holds, by address, for hosts and people who read rather than call."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from registry.errors import InvalidRequest, NotFound, RegistryError

from .feed import Mark
from .threads import Threads

if TYPE_CHECKING:
    from registry.operations.documents import Document, ResourceRow

SCHEME: Final = "opentask://"
NOTE: Final = "opentask/note"
_RUN: Final = "opentask://runs/{run_id}"
_NODE: Final = "opentask://runs/{run_id}/nodes/{node_id}"
_JSON: Final = "application/json"

TEMPLATES: Final = (
    ("opentask://workflows/{workflow_id}", "workflow", "A reusable workflow definition", "text/markdown"),
    (_RUN, "run", "Where a run stands: its state.json", _JSON),
    (_RUN + "/refs", "run-refs", "A run's bindings to the outside and its pending effects", _JSON),
    (_RUN + "/events{?since_seq,limit}", "run-events", "A run's audit trail, one event a line", "application/jsonl"),
    (
        _RUN + "/control",
        "run-control",
        "What people asked of a run, one request a line",
        "application/jsonl",
    ),
    (_RUN + "/workflow", "run-workflow", "A run's own plan as a workflow file", "text/markdown"),
    (_RUN + "/graph", "run-graph", "A run's nodes and their statuses as a Mermaid graph", "text/vnd.mermaid"),
    (_NODE, "node", "The documents of a node", _JSON),
    (_NODE + "/{name}", "node-document", "A document of a node: report.md, result.json, handoff.md, ...", None),
    ("opentask://agents/{agent_id}/queue", "agent-queue", "An agent's queue, in the order of claims", _JSON),
    ("opentask://tasks/{task_id}", "task", "One task: what it was to do and what came of it", _JSON),
)


class Documents(Protocol):
    """The registry read by address. All blocking; failures are `RegistryError`."""

    def read(self, uri: str) -> "Document":
        """What stands there; an empty text for a document not yet written of a node that exists."""
        ...

    def recent(self, cursor: str | None) -> tuple[Sequence["ResourceRow"], str | None]:
        """A page of the newest runs and their reports, and the cursor of the next."""
        ...

    def complete(self, argument: str, prefix: str, context: Mapping[str, str]) -> Sequence[str]:
        """Values of an id argument that begin so."""
        ...

    def mark(self, uri: str) -> Mark:
        """Something that differs after the document changed."""
        ...


class Resources:
    """The resources of one server.

    Args:
        fixed: Texts of our own, by address: the row shown in the list, and what gives the text.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        threads: Threads,
        fixed: Mapping[str, tuple[Resource, Callable[[], str]]] | None = None,
    ) -> None:
        self._documents = documents
        self._threads = threads
        self._fixed = fixed or {}

    async def page(self, cursor: str | None) -> ListResourcesResult:
        """Recent runs and their reports; texts of our own stand before the first page."""
        try:
            rows, after = await self._threads.run("read", lambda: self._documents.recent(cursor))
        except RegistryError as failure:
            raise MCPError(INVALID_PARAMS, _sentence(failure), {"cursor": cursor}) from failure
        own = [row for row, _ in self._fixed.values()] if cursor is None else []
        listed = [Resource(uri=row.uri, name=row.name, title=row.title, mime_type=row.mime) for row in rows]
        return ListResourcesResult(resources=own + listed, next_cursor=after)

    @staticmethod
    def templates() -> ListResourceTemplatesResult:
        """The addresses there are."""
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(uri_template=uri, name=name, description=description, mime_type=mime)
                for uri, name, description, mime in TEMPLATES
            ]
        )

    async def read(self, uri: str) -> ReadResourceResult:
        """The text at an address.

        Raises:
            MCPError: -32602 with `data.uri` where there is no such run, node or address.
        """
        if uri in self._fixed:
            row, text = self._fixed[uri]
            return ReadResourceResult(
                contents=[TextResourceContents(uri=uri, mime_type=row.mime_type, text=text(), meta=row.meta)]
            )
        try:
            document = await self._threads.run("read", lambda: self._documents.read(uri))
        except RegistryError as failure:
            _refuse(uri, failure)
        meta = {NOTE: document.note} if document.note else None
        return ReadResourceResult(
            contents=[TextResourceContents(uri=uri, mime_type=document.mime, text=document.text, meta=meta)]
        )


def _refuse(uri: str, failure: RegistryError) -> NoReturn:
    known = isinstance(failure, NotFound | InvalidRequest)
    data = {"uri": uri, "code": failure.code}
    raise MCPError(INVALID_PARAMS if known else INTERNAL_ERROR, _sentence(failure), data) from failure


def _sentence(failure: RegistryError) -> str:
    return f"{failure.message}; {failure.hint}" if failure.hint else failure.message
