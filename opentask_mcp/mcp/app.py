"""The MCP App: a run's graph, live, inside hosts that show apps; others show the tool's text as ever.

Two tools name the page in their listing. The host fetches it by address, shows it in a sandbox
and hands it the tool's answer; from then on the page reads the run's resource by itself, through
the host. It shows and does nothing: a person's decisions do not come from inside an agent's host.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import Resource

RUN_APP: Final = "ui://opentask/run"
EXTENSIONS: Final[dict[str, dict[str, Any]]] = {EXTENSION_ID: {}}
# Both answers hold a run and its nodes.
TOOL_META: Final[Mapping[str, dict[str, Any]]] = {
    name: {"ui": {"resourceUri": RUN_APP}} for name in ("get_run", "scaffold_run")
}
_ROW: Final = Resource(
    uri=RUN_APP,
    name="run-graph-app",
    title="Run graph",
    description="The graph of a run, live, for hosts that show apps.",
    mime_type=APP_MIME_TYPE,
    meta={"ui": {"prefersBorder": True}},
)


@cache
def _page() -> str:
    return Path(__file__).with_name("run_app.html").read_text(encoding="utf-8")


PAGES: Final[Mapping[str, tuple[Resource, Callable[[], str]]]] = {RUN_APP: (_ROW, _page)}
