"""The demonstration, as a stranger runs it."""

import json
import re
from pathlib import Path

from tests.surfaces.cli.fixture import as_process, on_terminal


def test_the_demonstration_ends_with_a_completed_run_that_is_proved(tmp_path: Path) -> None:
    """It is the first thing anybody runs; everything it prints must be true."""
    root = tmp_path / "registry"

    ran = as_process(root, "demo")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.findall(r"^ *(\d+)  \S", ran.stdout, re.MULTILINE) == [str(number) for number in range(1, 12)]
    for said in ("validate_workflow", "approved by person", "sub-agent > finish_node", "ok=true, 0 errors"):
        assert said in ran.stdout
    assert json.loads((root / "runs/demo-1/state.json").read_text())["status"] == "completed"
    assert as_process(root, "run", "validate", "demo-1").returncode == 0


def test_the_demonstration_can_be_run_again_where_people_work(tmp_path: Path) -> None:
    """In a registry with files of its own, which stay as they are."""
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    (workflows / "release-check.task.md").write_text("somebody's own")

    first, (status, shown) = as_process(tmp_path, "demo"), on_terminal(tmp_path, "demo", "--fast")

    assert (first.returncode, status) == (0, 0), shown
    assert (workflows / "release-check.task.md").read_text() == "somebody's own"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir() if path.name[0] != ".") == ["demo-1", "demo-2"]
