"""The Inspector, a client of its own make, against the server as a host starts it."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.mcp.http_process import http_server
from tests.surfaces.mcp.process import START

ERAS = pytest.mark.parametrize("era", ["auto", "modern", "legacy"])
# An answer quotes what others wrote, which may be any JSON value: the schema says so by saying nothing.
ANY_VALUE = re.compile(
    r"Path: outputSchema\.(?:\S+\.)?properties\.(?:value|default|state|wait)\n"
    r"\s*Issue: Schema carries no validation keyword at all"
)


def inspect(inspector: str, environ: Mapping[str, str], *options: str) -> tuple[Any, str]:
    """What the Inspector printed, and what it said on stderr."""
    command = [inspector, "--cli", *options]
    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout), told.stderr


@ERAS
def test_the_strict_lint_of_all_tools_finds_no_error(
    era: str, inspector: str, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Hosts hand our schemas to models whose makers accept less than JSON Schema."""
    server = [sys.executable, "-c", START, "--root", str(tmp_path), "--toolsets", "all"]

    listed, told = inspect(
        inspector, environ, "--protocol-era", era, "--method", "tools/list", "--strict", "--", *server
    )

    assert len(listed["tools"]) > 20
    assert "0 errors" in told or "error" not in told.lower(), told
    assert len(ANY_VALUE.findall(told)) == told.count("Path: "), told


@ERAS
def test_a_tool_is_called_over_http(era: str, inspector: str, environ: Mapping[str, str], tmp_path: Path) -> None:
    """Both ways in must serve the same, to a client that none of us wrote."""
    with http_server(tmp_path) as served:
        options = ["--protocol-era", era, "--server-url", served.url, "--transport", "http"]
        called, _ = inspect(inspector, environ, *options, "--method", "tools/call", "--tool-name", "list_runs")

    assert called["structuredContent"]["runs"] == []
