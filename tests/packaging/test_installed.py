"""The wheel in an empty environment, started in a project that has a package of our name."""

import json
from pathlib import Path

from tests.packaging.conftest import Installed


def test_the_programs_say_their_version(installed: Installed) -> None:
    """The first thing an installer asks."""
    for program in ("opentask", "opentask-mcp"):
        said = installed.run(program, "--version")

        assert (said.returncode, said.stdout, said.stderr) == (0, "opentask-mcp 0.1.0\n", "")


def test_the_demonstration_runs_as_it_was_installed(installed: Installed) -> None:
    """It starts servers of its own, which must not find the project's package either."""
    shown = installed.run("opentask", "demo", "--fast")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "is completed" in shown.stdout


def test_what_comes_with_the_program_is_put_where_it_is_used(installed: Installed) -> None:
    """Who installed a wheel has no checkout to copy workflows and the skill from."""
    made = installed.run("opentask", "init", "jobs", "--examples", "--skill", ".claude/skills")
    listed = installed.run("opentask", "--root", "jobs", "workflow", "list")
    helped = installed.run(
        "python", "-P", str(installed.project / ".claude/skills/opentask/scripts/registry_helper.py"),
        "--registry-root", "jobs", "scaffold", "--workflow-path", "repository-audit", "--inputs-json",
        '{"repository": "./app"}', "--run-id", "audit-1", "--source-session-key", "agent:main:main",
        env={"PATH": f"{installed.bin}:/usr/bin:/bin"},
    )  # fmt: skip

    answer = json.loads(made.stdout)
    assert answer["skill"] == str(installed.project / ".claude/skills/opentask")
    workflows = [name for name in answer["made"] if name.endswith(".task.md")]
    assert len(workflows) == 8
    assert len(json.loads(listed.stdout)["workflows"]) == 8
    assert (helped.returncode, json.loads(helped.stdout)["readyNodes"]) == (0, ["gather"]), helped


def test_a_shadowed_registry_is_said_in_a_sentence(installed: Installed) -> None:
    """PYTHONPATH and `python -m` search the project first; nothing of it may run."""
    through_path = installed.run("opentask", "--version", env={"PYTHONPATH": str(installed.project)})
    as_module = installed.run("python", "-m", "opentask_mcp", "--version")
    serving = installed.run("opentask-mcp", "--version", env={"PYTHONPATH": str(installed.project)})

    (own,) = (installed.bin.parent / "lib").glob("python*/site-packages/registry/__init__.py")
    project = installed.project
    told = (
        f"the package `registry` would come from {project}/registry/__init__.py; OpenTask MCP's own is {own}\n"
        f"Python searches {project} first: take it out of PYTHONPATH, and start `opentask` or "
        "`opentask-mcp` there instead of `python -m opentask_mcp`\n"
    )
    for ended, program in ((through_path, "opentask"), (as_module, "opentask"), (serving, "opentask-mcp")):
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{program}: {told}")


def test_nothing_of_the_checkout_is_used(installed: Installed) -> None:
    """Otherwise the tests above would pass with an empty wheel."""
    said = installed.run(
        "python", "-P", "-c", "import opentask_mcp, registry; print(opentask_mcp.__file__, registry.__file__)"
    )

    for path in said.stdout.split():
        assert Path(path).is_relative_to(installed.bin.parent)
