"""`init --examples` and `init --skill`, from a checkout as from a wheel."""

import os
from pathlib import Path

from opentask_mcp.shipped import skill_folder, workflows_folder
from tests.architecture.source import ROOT
from tests.surfaces.cli.conftest import alone, cli
from tests.surfaces.cli.fixture import Cli

__all__ = ["alone", "cli"]


def test_the_workflows_are_put_once_and_a_changed_one_stays(cli: Cli) -> None:
    """They are there to be changed."""
    first = cli("init", "--examples").answer
    audit = cli.root / "workflows" / "repository-audit.task.md"
    audit.write_text("mine")
    (cli.root / "workflows" / "bug-triage.task.md").unlink()

    again = cli("init", "--examples").answer

    assert [name for name in first["made"] if name.endswith(".md")] == [
        f"workflows/{path.name}" for path in sorted((ROOT / "workflows").iterdir())
    ]
    assert (again["made"], audit.read_text()) == (["workflows/bug-triage.task.md"], "mine")


def test_every_shipped_workflow_is_valid_where_it_was_put(cli: Cli) -> None:
    """A first try that fails is a last try."""
    cli("init", "--examples")

    for row in cli("workflow", "list").answer["workflows"]:
        assert cli("workflow", "validate", row["path"]).answer["faults"] == [], row


def test_the_skill_is_put_below_a_folder_of_skills(cli: Cli, tmp_path: Path) -> None:
    """A host finds it by the folder's name, and its helper must be there too."""
    made = cli("init", "--skill", str(tmp_path / "skills")).answer["skill"]

    assert made == str(tmp_path / "skills" / "opentask")
    copied = {path.relative_to(made).as_posix() for path in Path(made).rglob("*") if path.is_file()}
    assert {"SKILL.md", "references/registry.md", "scripts/registry_helper.py"} <= copied
    assert os.access(Path(made) / "scripts" / "registry_helper.py", os.R_OK)
    assert cli("init", "--skill", str(tmp_path / "skills")).answer["skill"] == made


def test_a_skill_that_somebody_changed_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    """Half of one version and half of another would teach agents nonsense."""
    made = Path(cli("init", "--skill", str(tmp_path)).answer["skill"])
    (made / "SKILL.md").write_text("mine")
    (made / "SKILL.zh.md").unlink()

    refused = cli("init", "--skill", str(tmp_path))

    assert (refused.status, refused.error["code"]) == (4, "conflict")
    assert ((made / "SKILL.md").read_text(), (made / "SKILL.zh.md").exists()) == ("mine", False)


def test_a_checkout_hands_out_its_own() -> None:
    """A workflow mended in the checkout is the one that is tried."""
    assert (workflows_folder(), skill_folder()) == (ROOT / "workflows", ROOT / "skills" / "opentask")
