"""The programs of the suites, and a server for them to speak to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.surfaces.mcp.http_process import url_of
from tests.tools import require_tool

CHECKOUT: Final = Path(__file__).parents[2]
PROGRAMS: Final = CHECKOUT / ".venv" / "conformance" / "node_modules"
_BRING: Final = "`make test-conformance` brings it"


@pytest.fixture(scope="session")
def environ() -> Mapping[str, str]:
    """An environment in which the Node that the suites need comes first."""
    node = require_tool("node", folder=PROGRAMS / ".bin", mend=_BRING)
    return {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


@pytest.fixture(scope="session")
def inspector(environ: Mapping[str, str]) -> str:
    return require_tool("mcp-inspector", folder=PROGRAMS / ".bin", mend=_BRING)


@pytest.fixture(scope="session")
def fixtures_url(environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the product's server with the suites' fixtures beside its own tools."""
    root = tmp_path_factory.mktemp("registry")
    command = [sys.executable, "-m", "tests.conformance.serve", str(root)]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE) as process:
        try:
            yield url_of(process)
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            said = process.stderr.read().decode()
        finally:
            process.kill()
    assert "fault" not in said, said
