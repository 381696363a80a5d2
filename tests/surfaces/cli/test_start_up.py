"""What a command loads, completes and costs before it does anything."""

import json
import os
import subprocess
import sys

import pytest

from tests.surfaces.cli.fixture import Cli, as_process

_LOADED = (
    "import json, sys; from opentask_mcp.cli.main import main; main(sys.argv[1:]); print(json.dumps(list(sys.modules)))"
)


def _modules(*words: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", _LOADED, *words], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return set(loaded)


def test_showing_a_run_loads_no_more_than_it_needs(cli: Cli) -> None:
    """A prompt, a hook or a status line runs it every few seconds."""
    run_id = cli.audit()

    loaded = _modules("--root", str(cli.root), "run", "show", run_id, "--json")

    heavy = {"mcp", "mcp_types", "rich", "yaml", "anyio", "sqlite3", "asyncio", "psycopg", "subprocess"}
    assert loaded & heavy == set()
    assert loaded & {f"registry.operations.{name}" for name in ("scaffold", "claims", "controls", "plans")} == set()
    others = ("opentask_mcp.mcp", "opentask_mcp.demo", "opentask_mcp.cli.show", "opentask_mcp.cli.own.")
    assert not {name for name in loaded if name.startswith(others)}


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("--version",)])
def test_help_loads_no_operation(words: tuple[str, ...]) -> None:
    """Help must answer at once, and also where an installation is broken."""
    assert not {name for name in _modules(*words) if name.startswith(("registry.", "pydantic"))}


def test_the_command_line_runs_as_a_module_and_ends_with_its_status(cli: Cli) -> None:
    """Hooks and the skill start it by `python -m`."""
    ran = as_process(cli.root, "run", "show", "nope")

    assert (ran.returncode, ran.stdout, json.loads(ran.stderr)["error"]["code"]) == (3, "", "not_found")


def test_a_pipe_that_closes_early_is_no_fault(cli: Cli) -> None:
    """`opentask run events x | head -1` is how people look."""
    run_id = cli.audit()
    words = f"{sys.executable} -m opentask_mcp --root {cli.root} run events {run_id} | head -c 1"

    ran = subprocess.run(words, shell=True, capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout == "{"
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("opentask ru", ["run"]),
        ("opentask run sh", ["show"]),
        ("opentask run show a", ["a-1"]),
        ("opentask node show a-1 g", ["gather", "gate"]),
        ("opentask node finish a-1 gather c", ["completed"]),
        ("opentask control approve a-1 --node-id re", ["review"]),
        ("opentask run create --workflow-path aud", ["audit"]),
        ("opentask mcp config cl", ["claude", "claude-desktop"]),
        ("opentask run show --vi", ["--view"]),
    ],
)
def test_the_shell_completes_commands_options_and_ids(cli: Cli, line: str, found: list[str]) -> None:
    """Run ids are long; nobody wants to type one."""
    cli.audit("a-1")
    words = line.split()
    asked = {"_OPENTASK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}

    ran = subprocess.run(
        [sys.executable, "-m", "opentask_mcp"],
        env={**os.environ, **asked, "OPENTASK_REGISTRY_ROOT": str(cli.root)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert sorted(row.partition(",")[2] for row in ran.stdout.split()) == sorted(found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(cli: Cli, shell: str) -> None:
    """One line in a profile."""
    assert "_OPENTASK_COMPLETE" in cli("completion", shell).out


def test_the_root_is_found_from_inside_a_registry(cli: Cli) -> None:
    """Who stands in a registry need not name it."""
    cli("init")
    cli.audit()

    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    words = [sys.executable, "-m", "opentask_mcp", "run", "list"]
    ran = subprocess.run(words, cwd=cli.root / "runs", env=env, capture_output=True, text=True, check=True, timeout=60)

    assert [row["runId"] for row in json.loads(ran.stdout)["runs"]] == ["a-1"]
