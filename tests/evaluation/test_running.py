"""Any program that talks MCP over stdio can be tried: it gets a prompt and the address of a server."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main

# What a program does that was written by somebody else: it reads the file, starts the server, and talks JSON lines.
AGENT = """\
import json, os, subprocess, sys

entry = json.load(open(sys.argv[1]))["mcpServers"]["opentask"]
server = subprocess.Popen([entry["command"], *entry["args"]], env={**os.environ, **entry["env"]},
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
asked = 0

def ask(method, params):
    global asked
    asked += 1
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": asked, "method": method, "params": params}) + "\\n")
    server.stdin.flush()
    while True:
        answer = json.loads(server.stdout.readline())
        if answer.get("id") == asked:
            return answer["result"]

def call(tool, **arguments):
    return ask("tools/call", {"name": tool, "arguments": arguments}).get("structuredContent")

me = {"name": "other", "version": "1"}
ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": me})
server.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\\n')
answer = call("list_runs", status="open")
answer = call("get_run", run_id=answer["runs"][0]["run_id"])
call("complete_node")
while claims := [step for step in answer["next"] if step["tool"] == "claim_node"]:
    claim = call("claim_node", **claims[0]["args"])
    finish = claim["next"][0]["args"] | {"summary": "done", "report": "# A report of some length\\n"}
    answer = call("finish_node", **finish)
print("heard:", sys.stdin.read(), sys.argv[2])
server.stdin.close()
sys.exit(server.wait())
"""


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_foreign_program_does_a_job_and_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command a person types to the judgement they read, with the real server between."""
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)

    status = main(
        ["run", "resume", "--folder", str(tmp_path / "tries"), "--json", "--", sys.executable, str(agent),
         "{mcp_config}", "said: {prompt}"]
    )  # fmt: skip

    judged = told(capsys)
    try_ = tmp_path / "tries" / "resume"
    assert (status, judged["passed"], judged["refused"]) == (0, True, {"not_found": 1})
    assert [json.loads(line)["tool"] for line in (try_ / "calls.jsonl").read_text().splitlines()] == [
        "list_runs", "get_run", "complete_node", "claim_node", "finish_node", "claim_node", "finish_node",
    ]  # fmt: skip
    heard = (try_ / "output-1.txt").read_text()
    assert heard.count("We were making a newsletter when the power failed.") == 2
    assert main(["score", str(try_), "--json"]) == 0


def test_a_program_that_fails_is_judged_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it did before counts, and its output says why."""
    status = main(["run", "first-run", "--folder", str(tmp_path), "--", sys.executable, "-c", "print('no'); exit(3)"])

    said = capsys.readouterr()
    assert (status, "FAILED  first-run" in said.out) == (1, True)
    assert "the agent ended with [3]" in said.err
    assert (tmp_path / "first-run" / "output-1.txt").read_text() == "no\n"


def test_a_person_is_told_what_to_say_and_how_to_connect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand it is three commands."""
    folder = str(tmp_path / "try")

    assert main(["prepare", "relay-approval", folder]) == 0
    first = capsys.readouterr().out
    assert main(["turn", folder]) == 0
    second = capsys.readouterr().out
    assert main(["turn", folder]) == 0
    after = capsys.readouterr().out

    assert first.startswith("Turn 1 of 2, in a session that knows nothing of earlier ones. Say:\n\nRelease version 2.4")
    assert '"record"' in first
    assert "Yes, publish it" in second
    assert second.endswith(f"Then: python -m evaluation score {folder}\n")
    assert after == f"that was the last turn; now: python -m evaluation score {folder}\n"


def test_the_page_for_people_lists_the_jobs_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """It is typed from."""
    assert main(["list"]) == 0

    assert capsys.readouterr().out in (Path(__file__).parents[2] / "evaluation" / "README.md").read_text()
