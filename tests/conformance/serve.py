"""Serve the fixtures over HTTP as the product serves, for the suites: `python -m tests.conformance.serve ROOT`."""

import sys
from pathlib import Path

from opentask_mcp.mcp.http import serve_http
from opentask_mcp.mcp.listening import LOOPBACK, bound, listening
from opentask_mcp.mcp.logs import write_logs
from registry.registry import Registry
from registry.settings import load_settings
from tests.conformance.fixtures import conformance_server


def main(root: str) -> None:
    write_logs(form="json", level="info")
    registry = Registry.open(load_settings(root, environ={}, cwd=Path(root)))
    place = listening(host=LOOPBACK, port="0")
    with bound(place) as listener:
        serve_http(conformance_server(registry), place, listener)


if __name__ == "__main__":
    main(sys.argv[1])
