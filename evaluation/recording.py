"""Every tool call written down, as it passes between an agent and the server."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from .stage import Stage

SERVER: Final = "import sys; from opentask_mcp.__main__ import opentask_mcp; sys.exit(opentask_mcp())"


@dataclass(frozen=True, kw_only=True)
class Called:
    """One call of a tool.

    Attributes:
        turn: The turn it was made in, from 1.
        refused: The code of the refusal; None where it was taken. `protocol` is a JSON-RPC error, which no
            model ever reads.
        sent: Bytes of the arguments, as compact JSON.
        received: Bytes of what the model is given: the structured answer, else the text.
    """

    turn: int
    tool: str
    args: dict[str, Any]
    refused: str | None
    sent: int
    received: int


def called(turn: int, params: Mapping[str, Any], response: Mapping[str, Any]) -> Called:
    """The record of a `tools/call` and its response."""
    args = dict(params.get("arguments") or {})
    sent = len(json.dumps(args, ensure_ascii=False, separators=(",", ":")).encode())
    refused: str | None = None
    if "error" in response:
        refused, shown = "protocol", json.dumps(response["error"])
    else:
        result = response["result"]
        shown = "".join(block.get("text", "") for block in result.get("content", ()))
        if result.get("isError"):
            refused = shown.partition(":")[0]
        elif (structured := result.get("structuredContent")) is not None:
            shown = json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return Called(
        turn=turn, tool=str(params["name"]), args=args, refused=refused, sent=sent, received=len(shown.encode())
    )


def keep(path: Path, one: Called) -> None:
    """Add a call to the record."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")


def kept(path: Path) -> list[Called]:
    """The record, in the order in which answers came."""
    return [Called(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def record(stage: Stage, options: list[str]) -> int:
    """Be the server of a try: start the real one, pass every line on, and write down the calls."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, "--root", str(stage.root), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None and server.stdout is not None
    asked: dict[Any, Mapping[str, Any]] = {}
    threading.Thread(target=_to_server, args=(server.stdin, asked), daemon=True).start()
    for line in server.stdout:
        message = _message(line)
        if (params := asked.pop(message.get("id"), None)) is not None and "method" not in message:
            keep(stage.calls, called(stage.turn, params, message))
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    return server.wait()


def _to_server(stdin: IO[bytes], asked: dict[Any, Mapping[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        message = _message(line)
        if message.get("method") == "tools/call":
            asked[message.get("id")] = message.get("params") or {"name": "?"}
        stdin.write(line)
        stdin.flush()
    stdin.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
