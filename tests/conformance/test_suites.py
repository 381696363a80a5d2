"""The official conformance suites against our server, at every revision that they know."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance.conftest import PROGRAMS

OLD, NEW = "conformance-2025-11-25", "conformance-2026-07-28"
# docs/decisions/0009-http-logs-and-conformance.md says why each of these stands.
ACCEPTED_WARNINGS = {
    ("server-sse-polling", "server-sse-priming-event"),
    ("server-sse-polling", "server-sse-retry-field"),
}
NOT_OFFERED = "tasks-"
_SCENARIO = re.compile(r"server-(?P<name>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@pytest.mark.parametrize(
    ("suite", "options", "scenarios", "passed"),
    [
        (OLD, ["--suite", "all"], 32, 44),
        (NEW, ["--requirements", "2025-11-25"], 33, 81),
        (NEW, ["--requirements", "2026-07-28"], 40, 152),
        (NEW, ["--suite", "all", "--spec-version", "2025-06-18"], 27, 56),
        (NEW, ["--suite", "all", "--spec-version", "2025-03-26"], 1, 3),
    ],
)
def test_the_official_suite_finds_nothing_wrong(
    *,
    suite: str,
    options: list[str],
    scenarios: int,
    passed: int,
    environ: Mapping[str, str],
    fixtures_url: str,
    tmp_path: Path,
) -> None:
    """Hosts are written against the protocol, not against us. The counts show a check that was silently left out."""
    script = PROGRAMS / suite / "dist" / "index.js"
    command = ["node", str(script), "server", "--url", fixtures_url, "--output-dir", str(tmp_path), *options]

    told = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    checks = [
        (scenario["name"], check["id"], check["status"], check.get("errorMessage"))
        for folder in tmp_path.iterdir()
        if (scenario := _SCENARIO.fullmatch(folder.name)) and not scenario["name"].startswith(NOT_OFFERED)
        for check in json.loads((folder / "checks.json").read_text())
    ]
    wrong = {check for check in checks if check[2] not in ("SUCCESS", "INFO") and check[:2] not in ACCEPTED_WARNINGS}
    assert wrong == set()
    assert told.returncode == 0, told.stdout[-4_000:]
    counted = len({check[0] for check in checks}), sum(check[2] == "SUCCESS" for check in checks)
    assert counted == (scenarios, passed)
