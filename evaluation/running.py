"""Letting a program do a job: one process a turn, so that it remembers nothing but what the registry does."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from .stage import Stage, begin

CHECKOUT: Final = Path(__file__).resolve().parents[1]


def server_entry(stage: Stage, options: Sequence[str] = ()) -> dict[str, Any]:
    """How a client starts the server of a try; every call through it is recorded."""
    return {
        "command": sys.executable,
        "args": ["-P", "-m", "evaluation", "record", str(stage.folder), *(["--", *options] if options else [])],
        "env": {"PYTHONPATH": str(CHECKOUT)},
    }


def write_client_file(stage: Stage, options: Sequence[str] = ()) -> Path:
    """The configuration that most clients read, beside the registry; its path."""
    path = stage.folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"opentask": server_entry(stage, options)}}, indent=2) + "\n")
    return path


def run(stage: Stage, command: Sequence[str], *, turn_s_max: float, options: Sequence[str] = ()) -> list[int | None]:
    """Have a program do every turn of a job; the exit status of each, None where the time was over.

    Args:
        command: Started once a turn. In its words `{prompt}`, `{prompt_file}`, `{mcp_config}` and `{folder}` are
            filled in; the prompt is on its stdin too.
        options: Given to the server.
    """
    client_file = write_client_file(stage, options)
    statuses: list[int | None] = []
    for number in range(1, len(stage.job.turns) + 1):
        prompt = begin(stage, number).say
        prompt_file = stage.folder / f"prompt-{number}.txt"
        prompt_file.write_text(prompt + "\n")
        words = {
            "{prompt}": prompt,
            "{prompt_file}": str(prompt_file),
            "{mcp_config}": str(client_file),
            "{folder}": str(stage.folder),
        }
        statuses.append(_turn(stage, number, [_filled(word, words) for word in command], prompt, turn_s_max))
    return statuses


def _filled(word: str, words: dict[str, str]) -> str:
    # One pass: a prompt may itself have words in braces.
    for name, value in words.items():
        if name in word:
            before, _, after = word.partition(name)
            return before + value + _filled(after, words)
    return word


def _turn(stage: Stage, number: int, command: list[str], prompt: str, s_max: float) -> int | None:
    workplace = stage.folder / "workplace"
    workplace.mkdir(exist_ok=True)
    with (stage.folder / f"output-{number}.txt").open("wb") as output:
        try:
            ended = subprocess.run(
                command,
                cwd=workplace,
                env={**os.environ, "OPENTASK_EVALUATION": str(stage.folder)},
                input=prompt.encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=s_max,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return ended.returncode
