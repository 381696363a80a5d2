"""The command line as a caller has it: words in, status, stdout and stderr out."""

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opentask_mcp.cli.main import main

AUDIT = """\
---
workflowId: audit
title: Audit of {{ inputs.project }}
inputs:
  project: {type: string, default: lighthouse, description: What is audited.}
  depth: {type: integer, default: 1, description: How deep.}
nodes:
  - id: gather
    title: Gather
    kind: session_turn
    prompt: Look at {{ inputs.project }}, {{ inputs.depth }} deep.
    outputs: {mode: report}
  - id: review
    title: Review
    kind: subagent
    needs: [gather]
    prompt: Review it.
  - id: gate
    title: May it go out?
    kind: approval
    needs: [review]
  - id: wrap
    title: Wrap up
    kind: summary
    needs: [gate]
---

# Audit

Looks at a project.
"""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The answer of a command that was done; stderr must be empty then."""
        assert (self.status, self.err) == (0, ""), self
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error of a command that was refused; stdout must be empty then."""
        assert self.out == "", self
        return json.loads(self.err)["error"]


class Cli:
    """Runs commands on one registry, in this process and with no terminal."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capture = capture

    def __call__(self, *words: str) -> Ran:
        self._capture.readouterr()
        status = main(["--root", str(self.root), *words])
        said = self._capture.readouterr()
        return Ran(status, said.out, said.err)

    def audit(self, run_id: str = "a-1") -> str:
        """A run of the audit workflow."""
        path = self.root / "workflows" / "audit.task.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(AUDIT, encoding="utf-8")
        done = self("run", "create", "--workflow-path", str(path), "--run-id", run_id)
        assert done.status == 0, done
        return run_id

    def finish(self, run_id: str, node_id: str, *more: str) -> Any:
        """Claim a node and complete it."""
        claim = self("node", "claim", run_id, node_id).answer
        words = ("--fence", claim["fence"], "--summary", "fine", *more)
        return self("node", "finish", run_id, node_id, "completed", *words).answer

    def at_gate(self, run_id: str = "a-1") -> str:
        """A run whose approval waits for a person."""
        self.audit(run_id)
        self.finish(run_id, "gather", "--report", "# Gathered")
        self.finish(run_id, "review")
        return run_id


def as_process(root: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, without a terminal."""
    command = [sys.executable, "-m", "opentask_mcp", "--root", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


def on_terminal(root: Path, *words: str, types: str = "", columns: int = 120) -> tuple[int, str]:
    """A command as a person runs it: status, and what the terminal shows.

    Args:
        types: What the person types ahead.
    """
    command = [sys.executable, "-m", "opentask_mcp", "--root", str(root), *words]
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", "NO_COLOR": "1"}
    terminal, other_side = pty.openpty()
    process = subprocess.Popen(
        command, stdin=other_side, stdout=other_side, stderr=other_side, env=env, start_new_session=True
    )
    os.close(other_side)
    if types:
        os.write(terminal, types.encode())
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO when the other side is gone
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return process.wait(60), shown.decode().replace("\r\n", "\n")
