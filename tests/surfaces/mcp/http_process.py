"""A server process that serves HTTP, and requests to it as they go over the wire."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.surfaces.mcp.process import START

_SILENCE_S = 120
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def url_of(process: "subprocess.Popen[bytes]") -> str:
    """The address that the process says it serves."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line.decode()
        if found := re.search(r"serving (http://\S+/mcp)", said):
            return found[1]
    raise AssertionError(f"the server ended before it served: {said}")


@dataclass(frozen=True)
class Answer:
    """A response, read whole; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def result(self) -> Any:
        """What a JSON-RPC response answers."""
        return json.loads(self.body)["result"]


@dataclass
class HttpServer:
    """A process, its address, and what it said on stderr after that."""

    process: "subprocess.Popen[bytes]"
    url: str
    said: str = field(default="")

    def post(self, message: Mapping[str, Any] | bytes, **headers: str) -> Answer:
        """The response to a POST; header names are written with underscores."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        return self.request("POST", body, **sent, **headers)

    def request(self, method: str, body: bytes | None = None, **headers: str) -> Answer:
        address = urlsplit(self.url)
        assert address.hostname is not None
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        with closing(HTTPConnection(address.hostname, address.port, timeout=_SILENCE_S)) as connection:
            connection.request(method, address.path, body, sent)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
            )

    def call(self, tool: str, **arguments: Any) -> Answer:
        """A tool called as the clients of 2026-07-28 do."""
        params = {"name": tool, "arguments": arguments, "_meta": MODERN}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return self.post(message, mcp_protocol_version="2026-07-28", mcp_method="tools/call", mcp_name=tool)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask the process to end; the exit status. What it said is kept."""
        self.process.send_signal(with_signal)
        assert self.process.stderr is not None
        self.said = self.process.stderr.read().decode()
        return self.process.wait(_SILENCE_S)


@contextmanager
def http_server(root: Path, *options: str, **environ: str) -> Iterator[HttpServer]:
    """An `opentask-mcp --transport http` on a free port, killed at the end if it is still there."""
    command = [sys.executable, "-c", START, "--root", str(root), "--transport", "http", "--port", "0", *options]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, env={**os.environ, **environ}) as process:
        try:
            yield HttpServer(process, url_of(process))
        finally:
            process.kill()
