"""A server process spoken to line by line, as a host's transport does; every line of stdout is kept."""

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SILENCE_S = 120
"""After so long without a line the server is taken for stuck; no test passes or fails by being slower."""

_CHECKOUT = Path(__file__).parents[3]
START = f"import sys; sys.path.insert(0, {str(_CHECKOUT)!r}); " + (
    "from opentask_mcp.__main__ import opentask_mcp; sys.exit(opentask_mcp())"
)
"""What the console script does, wherever it is started."""


class Spoken:
    """The two ends of a server process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._answers: dict[Any, dict[str, Any]] = {}
        self._rest = b""
        self._asked = 0

    def say(self, line: str) -> None:
        """Send a line as it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request and come back at once with its id."""
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params or {}}
        self.say(json.dumps(request))
        return self._asked

    def answer(self, asked: Any) -> dict[str, Any]:
        """The whole response to a request."""
        while asked not in self._answers:
            message = json.loads(self._line())
            assert message["jsonrpc"] == "2.0"
            if "id" in message:
                self._answers[message["id"]] = message
        return self._answers.pop(asked)

    def has_answered(self, asked: Any) -> bool:
        """Whether a response is among the lines read so far."""
        return asked in self._answers

    def result(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The result of a request."""
        return self.answer(self.ask(method, params))["result"]

    def call(self, tool: str, **arguments: Any) -> Any:
        """The structured answer of a tool that must work."""
        result = self.result("tools/call", {"name": tool, "arguments": arguments})
        assert result["isError"] is False, result
        return result["structuredContent"]

    def hello(self, version: str = "2025-11-25") -> Any:
        """The handshake; gives what the server says of itself."""
        client = {"name": "test", "version": "1"}
        said = self.result("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": client})
        self.say('{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        return said

    def leave(self) -> int:
        """Close stdin and wait for the end; the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(_SILENCE_S)

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            # poll and not select: a long test session has more than 1,024 files open.
            waiting = select.poll()
            waiting.register(self.process.stdout, select.POLLIN | select.POLLHUP)
            ready = waiting.poll(_SILENCE_S * 1_000)
            assert ready, "the server says nothing"
            chunk = self.process.stdout.read1(1 << 16)  # type: ignore[attr-defined]  # a buffered reader
            assert chunk, "the server is gone"
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        self.lines.append(line)
        return line


@contextmanager
def process(*command: str, cwd: Path) -> Iterator[Spoken]:
    """A process, killed at the end if it is still there."""
    started = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with started:
        try:
            yield Spoken(started)
        finally:
            started.kill()


@contextmanager
def server(root: Path, *options: str) -> Iterator[Spoken]:
    """An `opentask-mcp` on a registry."""
    with process(sys.executable, "-c", START, "--root", str(root), *options, cwd=root) as spoken:
        yield spoken
