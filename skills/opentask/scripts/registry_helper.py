#!/usr/bin/env python3
"""Drive an OpenTask registry from a shell, where the MCP server's tools are not at hand.

    registry_helper.py [--registry-root R] scaffold --workflow-path P --run-id ID --source-session-key K ...
    registry_helper.py [--registry-root R] bind RUN cron|node-session|child-session|node-run|driver-run --value V ...
    registry_helper.py [--registry-root R] transition-node RUN NODE STATUS [--message M] [--payload-json J]
    registry_helper.py [--registry-root R] progress RUN MESSAGE [--payload-json J]
    registry_helper.py [--registry-root R] validate RUN
    registry_helper.py [--registry-root R] cli WORDS...

It holds no rule of its own: it starts the `opentask` command line, which asks the registry, and says what came
of it as one JSON object with `ok`. The exit status is 0 where `ok` is true and 1 where it is false. `cli` hands
any other command on as it is: `cli node claim RUN`, `cli control approve RUN --node-id NODE --message WORDS`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

Answer = dict[str, Any]

ABOVE = Path(__file__).resolve().parents
CHECKOUT = ABOVE[min(3, len(ABOVE) - 1)]
VERSION_BEGINS = "opentask-mcp"
NEEDS = ("click", "pydantic", "filelock", "yaml")
PYTHON_SINCE = (3, 11)


class Refused(Exception):
    """The command line said no, or could not be started; `answer` is what to print."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.answer: Answer = {"issues": [message], "error": {"code": code, "message": message, "hint": hint}}


class Parser(argparse.ArgumentParser):
    """Tells what is wrong with the words in the form of every other answer."""

    def error(self, message: str) -> NoReturn:
        raise Refused("invalid_request", message, f"{self.prog} --help tells what it takes")


def main(words: list[str] | None = None) -> int:
    try:
        asked = parser().parse_args(words)
        answer = asked.perform(asked)
        ok = answer.pop("ok", True)
    except Refused as refusal:
        ok, answer = False, refusal.answer
    print(json.dumps({"ok": ok, **answer}, ensure_ascii=False, indent=2))
    return 0 if ok else 1


def parser() -> Parser:
    top = Parser(prog="registry_helper.py", allow_abbrev=False, description="Drive an OpenTask registry from a shell.")
    top.add_argument("--registry-root", metavar="R", help="the registry's folder; else the nearest one is found")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("scaffold", help="start a run of a workflow file", allow_abbrev=False)
    one.add_argument("--workflow-path", metavar="P", required=True)
    one.add_argument("--spec-file", metavar="J", help="JSON with the nodes to run instead of the workflow's")
    one.add_argument("--inputs-json", metavar="J", help="values for the workflow's inputs, as an object")
    one.add_argument("--run-id", metavar="ID", required=True)
    one.add_argument("--source-session-key", metavar="K", required=True)
    for name in ("source-agent-id", "delivery-context-json", "root-session-key", "planner-session-key"):
        one.add_argument(f"--{name}")
    one.add_argument("--driver-session-key")
    one.set_defaults(perform=scaffold)

    one = commands.add_parser("bind", help="tie a run or node to a job, session or worker", allow_abbrev=False)
    one.add_argument("run", metavar="RUN")
    one.add_argument("kind", metavar="cron|node-session|child-session|node-run|driver-run")
    for name in ("node-id", "value", "message", "payload-json"):
        one.add_argument(f"--{name}")
    one.set_defaults(perform=bind)

    one = commands.add_parser("transition-node", help="record a step of a node", allow_abbrev=False)
    one.add_argument("run", metavar="RUN")
    one.add_argument("node", metavar="NODE")
    one.add_argument("status", metavar="ready|running|waiting|completed|failed|skipped")
    one.add_argument("--message")
    one.add_argument("--payload-json")
    one.set_defaults(perform=transition)

    one = commands.add_parser("progress", help="record a line of progress", allow_abbrev=False)
    one.add_argument("run", metavar="RUN")
    one.add_argument("message_words", metavar="MESSAGE")
    one.add_argument("--payload-json")
    one.set_defaults(perform=progress)

    one = commands.add_parser("validate", help="prove that a run's files are what its trail says", allow_abbrev=False)
    one.add_argument("run", metavar="RUN")
    one.set_defaults(perform=validate)

    one = commands.add_parser("cli", help="hand any other command on to opentask", allow_abbrev=False)
    one.add_argument("words", metavar="WORDS", nargs=argparse.REMAINDER)
    one.set_defaults(perform=lambda asked: ask(asked, *asked.words))
    return top


def scaffold(asked: argparse.Namespace) -> Answer:
    keys = ("source_session_key", "source_agent_id", "root_session_key", "planner_session_key", "driver_session_key")
    given = options(asked, "workflow_path", "spec_file", "inputs_json", "run_id", *keys, "delivery_context_json")
    answer = ask(asked, "run", "create", *given)
    run_path = Path(answer["runDir"])
    # A run that was there already became nothing; what is ready in it stands among its nodes.
    ready = answer["becameReady"] or [node["nodeId"] for node in answer["nodes"] if node["status"] == "ready"]
    return {
        **answer,
        "runPath": str(run_path),
        "workflowPath": found(asked.workflow_path, run_path.parents[1]),
        "registryRoot": str(run_path.parents[1]),
        "readyNodes": ready,
    }


def found(path: str, root: Path) -> str:
    """A workflow's path as an absolute one, wherever it was found; as given where it is an id."""
    places = (Path(path).expanduser(), root / path, root / "workflows" / path, root / "workflows" / f"{path}.task.md")
    return next((str(place.resolve()) for place in places if place.is_file()), path)


def bind(asked: argparse.Namespace) -> Answer:
    said = options(asked, "node_id", "value", "message", "payload_json")
    return ask(asked, "run", "bind", *said, "--", asked.run, asked.kind)


def transition(asked: argparse.Namespace) -> Answer:
    said = options(asked, "message", "payload_json")
    try:
        answer = ask(asked, "node", "transition", *said, "--", asked.run, asked.node, asked.status)
    except Refused:
        # Scripts say the same again after a restart: what is so already is no failure.
        if not has_status(asked):
            raise
        return {"noop": True, "runId": asked.run, "nodeId": asked.node, "status": asked.status}
    return answer if answer.get("kind") == "transition" else {"noop": True, **answer}


def has_status(asked: argparse.Namespace) -> bool:
    try:
        shown = ask(asked, "node", "show", "--", asked.run, asked.node)
    except Refused:
        return False
    return bool(shown["node"]["status"] == asked.status)


def progress(asked: argparse.Namespace) -> Answer:
    return ask(asked, "run", "progress", *options(asked, "payload_json"), "--", asked.run, asked.message_words)


def validate(asked: argparse.Namespace) -> Answer:
    answer = ask(asked, "run", "validate", "--", asked.run)
    problems = answer.pop("problems", [])
    return {
        **answer,
        "issues": [problem["message"] for problem in problems if problem["severity"] == "error"],
        "warnings": [problem["message"] for problem in problems if problem["severity"] != "error"],
    }


def options(asked: argparse.Namespace, *names: str) -> list[str]:
    """The options that were given, each in one word, so that a value may begin with a dash."""
    given = ((name, getattr(asked, name)) for name in names)
    return [f"--{name.replace('_', '-')}={value}" for name, value in given if value is not None]


def ask(asked: argparse.Namespace, *words: str) -> Answer:
    """What the command line answers, without `next`: its calls are for those who have the server's tools."""
    root = ["--root", asked.registry_root] if asked.registry_root is not None else []
    start, environment = command_line()
    try:
        done = subprocess.run(
            [*start, *root, "--json", *words], env=environment, capture_output=True, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except OSError as fault:
        raise Refused("internal_error", f"{start[0]} could not be started: {fault.strerror}") from None
    answer = as_object(done.stdout)
    if answer is not None:
        answer.pop("next", None)
        return answer
    failure = as_object(done.stderr)
    if failure is None or not isinstance(failure.get("error"), dict):
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise Refused("internal_error", f"opentask ended with status {done.returncode} and said: {last}")
    refusal = Refused("", str(failure["error"].get("message")))
    refusal.answer["error"] = failure["error"]
    raise refusal


def as_object(text: str) -> Answer | None:
    """The JSON object that a text is, or that it ends with; notices of others may stand before it."""
    begin = 0 if text.startswith("{") else text.find("\n{") + 1
    try:
        value = json.loads(text[begin:])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def command_line() -> tuple[list[str], dict[str, str]]:
    """How to start the command line, and in which environment.

    This checkout's comes first; then one that is installed, if it is ours, because other packages have a
    script of this name; then the published one.
    """
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    if (CHECKOUT / "opentask_mcp" / "__main__.py").is_file():
        own = [CHECKOUT / ".venv" / "bin" / "python", CHECKOUT / ".venv" / "Scripts" / "python.exe"]
        python = next((str(path) for path in own if path.is_file()), None)
        if python is None and sys.version_info >= PYTHON_SINCE and all(find_spec(name) for name in NEEDS):
            python = sys.executable
        if python is not None:
            # -P: a folder of the workspace that is called `registry` must not stand in front of ours.
            path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
            return [python, "-P", "-m", "opentask_mcp"], {**environment, "PYTHONPATH": path}
    installed = shutil.which("opentask")
    if installed is not None and is_ours(installed):
        return [installed], environment
    uvx = shutil.which("uvx")
    if uvx is not None:
        return [uvx, "--from", "opentask-mcp", "opentask"], environment
    raise Refused(
        "internal_error",
        "there is no opentask to start: none in this checkout, none on PATH that is opentask-mcp's, and no uvx",
        "install it: pipx install opentask-mcp, or uv tool install opentask-mcp",
    )


def is_ours(program: str) -> bool:
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.startswith(VERSION_BEGINS)


if __name__ == "__main__":
    sys.exit(main())
