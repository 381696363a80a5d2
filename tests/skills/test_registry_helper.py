"""The helper's command line: a page of golden cases on a real registry, and how it starts the CLI."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = Path(__file__).parents[2] / "skills" / "opentask" / "scripts" / "registry_helper.py"
CASES = Path(__file__).with_name("registry_helper_cases.txt")

WORKFLOW = """\
---
workflowId: short
title: Short work
defaults: {timeoutMs: 60000}
nodes:
  - id: gather
    title: Gather
    kind: session_turn
    prompt: Gather what there is.
    outputs: {mode: report}
    timeoutMs: 90000
  - id: gate
    title: May it go out?
    kind: approval
    needs: [gather]
---
# Short work
"""
SPEC = {
    "title": "Short work, in two steps",
    "nodes": [
        {"id": "gather", "title": "Gather all of it", "kind": "session_turn"},
        {"id": "send", "title": "Send it", "kind": "session_turn", "needs": ["gather"], "prompt": "Send it."},
    ],
}
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"), "<time>"),
    (re.compile(r'"owner": "[^"]+"'), '"owner": "<agent>"'),
    (re.compile(r"\b(\d+)-[a-z2-7]{8}\b"), r"\1-<fence>"),
    (re.compile(r"control-[0-9a-v]{15}"), "control-<id>"),
)


def run_helper(
    line: str, *, helper: Path = HELPER, cwd: Path, env: dict[str, str] | None = None
) -> tuple[int, dict[str, object]]:
    """Exit status and answer; whatever happens it is one JSON object and nothing on stderr."""
    environment = {**os.environ, **(env or {}), "OPENTASK_AGENT_ID": "root"}
    environment.pop("OPENTASK_REGISTRY_ROOT", None)
    done = subprocess.run(
        [sys.executable, str(helper), *shlex.split(line)],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert next(iter(answer)) == "ok"
    return done.returncode, answer


def lines_of(page: str) -> list[str]:
    return [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "workflows").mkdir(parents=True)
    (root / "workflows" / "short.task.md").write_text(WORKFLOW, encoding="utf-8")
    (root / "spec.json").write_text(json.dumps(SPEC), encoding="utf-8")
    # A workspace's own folder of this name must not stand in front of ours.
    (root / "registry").mkdir()
    (root / "registry" / "__init__.py").write_text("raise RuntimeError('not ours')\n", encoding="utf-8")
    return root


def test_the_page_of_golden_cases_holds(root: Path) -> None:
    """Scripts were written against this command line; each line of the page is one of theirs.

    `UPDATE_GOLDEN=1` writes the page anew from its command lines.
    """
    page = CASES.read_text(encoding="utf-8")
    parts = [page[: page.index("$ ")]]
    for line in lines_of(page):
        if line.startswith("! "):
            (root / "runs" / "b" / "state.json").write_text("{}", encoding="utf-8")
            parts.append(f"$ {line}\n\n")
            continue
        status, answer = run_helper(line, cwd=root)
        text = json.dumps(answer, ensure_ascii=False, indent=2).replace(str(root.resolve()), "<root>")
        for pattern, name in _VARYING:
            text = pattern.sub(name, text)
        parts.append(f"$ {line}\n{text}\nexit {status}\n\n")
    told = "".join(parts).rstrip("\n") + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        CASES.write_text(told, encoding="utf-8")
    assert told == CASES.read_text(encoding="utf-8"), f"{CASES.name} differs; UPDATE_GOLDEN=1 keeps the new text"


def test_nodes_of_a_spec_take_over_what_they_leave_out(root: Path) -> None:
    """Planners write short specs and leave the prompts to the workflow."""
    status, _ = run_helper(
        "--registry-root . scaffold --workflow-path short --spec-file spec.json --run-id s --source-session-key k",
        cwd=root,
    )
    state = json.loads((root / "runs" / "s" / "state.json").read_text(encoding="utf-8"))
    plan = (root / "runs" / "s" / "workflow.lock.md").read_text(encoding="utf-8")

    assert (status, state["title"]) == (0, "Short work, in two steps")
    assert [node["id"] for node in state["nodes"]] == ["gather", "send", "summary"]
    assert "Gather what there is." in plan and "timeoutMs: 90000" in plan and "mode: report" in plan
    assert "Gather all of it" in plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "spec.json is not a spec: it must be an object with nodes, a list of objects"),
        ('{"nodes": ["gather"]}', "spec.json is not a spec: it must be an object with nodes, a list of objects"),
        ('{"nodes": [}', "--spec-file is not JSON: Expecting value at character 12"),
    ],
)
def test_a_spec_that_is_none_is_refused_with_its_name(root: Path, text: str, said: str) -> None:
    """A planner must learn that its file is wrong, not the workflow."""
    (root / "spec.json").write_text(text, encoding="utf-8")

    status, answer = run_helper(
        "--registry-root . scaffold --workflow-path short --spec-file spec.json --run-id s --source-session-key k",
        cwd=root,
    )

    assert (status, answer["issues"]) == (1, [said])
    assert not (root / "runs").exists()


def test_an_agent_with_a_shell_alone_sees_a_run_to_its_end(root: Path) -> None:
    """Where the server is missing the same must work: claim, brief, hand in, approve, sum up, prove."""

    def say(line: str) -> dict[str, object]:
        status, answer = run_helper(f"--registry-root . {line}", cwd=root)
        assert (status, answer["ok"]) == (0, True), answer
        return answer

    def finish(node: str) -> dict[str, object]:
        fence = say(f"cli node claim r {node}")["fence"]
        return say(f"cli node finish r {node} completed --fence {fence} --summary done --report '# Done'")

    say("scaffold --workflow-path short --run-id r --source-session-key agent:main:chat:1")
    told = say("cli node handoff r gather --goal 'Find all of it.' --context 'It is in ./web.'")
    (root / "runs" / "r" / "nodes" / "gather").joinpath("notes.md").write_text("mine\n", encoding="utf-8")
    gathered = finish("gather")
    approved = say("cli control approve r --node-id gate --message 'yes, send it'")
    ended = finish("summary")

    assert "claim_node" in str(told["childPrompt"])
    assert (gathered["runStatus"], approved["becameReady"], ended["runStatus"]) == ("running", ["summary"], "completed")
    assert say("validate r")["issues"] == []
    assert say("cli run list --status open")["runs"] == []


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The skill as a host installs it: copied, with no checkout around it."""
    folder = tmp_path / "skills" / "opentask" / "scripts"
    folder.mkdir(parents=True)
    return Path(shutil.copy(HELPER, folder))


def stand_in(folder: Path, name: str, *, version: str, says: str = "") -> None:
    """A program that tells its version and otherwise what it was asked."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"asked = sys.argv[1:]\nif asked == ['--version']: print({version!r}); sys.exit()\n"
        f"print({says!r} or json.dumps({{'program': {name!r}, 'asked': asked}}))\n",
        encoding="utf-8",
    )
    program.chmod(0o755)


def test_an_installed_command_line_is_used_when_it_is_ours(alone: Path, tmp_path: Path) -> None:
    """Outside of a checkout the helper finds what the user installed."""
    stand_in(tmp_path / "bin", "opentask", version="opentask-mcp 1.2.3")

    status, answer = run_helper(
        "--registry-root /r bind run-1 node-session --node-id a --value=-x --message 'so it is' --payload-json '{}'",
        helper=alone, cwd=tmp_path, env={"PATH": str(tmp_path / "bin")},
    )  # fmt: skip

    assert (status, answer) == (0, {
        "ok": True,
        "program": "opentask",
        "asked": [
            "--root", "/r", "--json", "run", "bind", "--node-id=a", "--value=-x", "--message=so it is",
            "--payload-json={}", "--", "run-1", "node-session",
        ],
    })  # fmt: skip


def test_a_foreign_program_of_the_same_name_is_passed_by(alone: Path, tmp_path: Path) -> None:
    """The earlier package has scripts of the same names, with other words."""
    stand_in(tmp_path / "bin", "opentask", version="opentask 0.3.0")
    stand_in(tmp_path / "bin", "uvx", version="uvx 1")

    _, answer = run_helper("validate run-1", helper=alone, cwd=tmp_path, env={"PATH": str(tmp_path / "bin")})

    asked = ["--from", "opentask-mcp", "opentask", "--json", "run", "validate", "--", "run-1"]
    assert (answer["program"], answer["asked"]) == ("uvx", asked)


def test_without_any_command_line_it_says_how_to_get_one(alone: Path, tmp_path: Path) -> None:
    """An agent must be able to tell its user what is missing."""
    (tmp_path / "empty").mkdir()

    status, answer = run_helper("validate run-1", helper=alone, cwd=tmp_path, env={"PATH": str(tmp_path / "empty")})

    assert (status, answer["ok"]) == (1, False)
    assert "no opentask to start" in str(answer["issues"]) and "pipx install opentask-mcp" in str(answer["error"])


def test_words_that_are_no_answer_are_told_as_they_are(alone: Path, tmp_path: Path) -> None:
    """A broken installation must not look like an answer."""
    stand_in(tmp_path / "bin", "opentask", version="opentask-mcp 1.2.3", says="what?")

    status, answer = run_helper("validate run-1", helper=alone, cwd=tmp_path, env={"PATH": str(tmp_path / "bin")})

    assert (status, answer["ok"]) == (1, False)
    assert "ended with status 0" in str(answer["issues"])


def test_the_helper_imports_nothing_that_must_be_installed() -> None:
    """It is run by whatever Python a machine has."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(HELPER)!r}, run_name='looked at')"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
