"""What a server writes to stderr, and what never stands there."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span
from opentelemetry.util.types import AttributeValue

from opentask_mcp.mcp.logs import JsonLines, TextLines, operation_line
from opentask_mcp.mcp.tracing import mark_span
from tests.surfaces.mcp.http_process import http_server
from tests.surfaces.mcp.process import START, process, server

SECRET = "a secret that the caller sent"


def lines_of(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def operations_of(said: str) -> list[dict[str, Any]]:
    return [line for line in lines_of(said) if line["logger"] == "opentask_mcp.operations"]


def stderr_of(root: Path, *options: str) -> str:
    """What a stdio server says while it makes a run, claims its node, is refused and is asked nonsense."""
    with server(root, *options) as spoken:
        spoken.hello()
        spoken.call("scaffold_run", task_text=SECRET, run_id="r1", title=SECRET)
        ready = spoken.call("get_run", run_id="r1")["nodes"][0]["node_id"]
        spoken.call("claim_node", run_id="r1", node_id=ready)
        spoken.call("append_event", run_id="r1", event="note.x", node_id=ready, message=SECRET)
        for tool, arguments in (
            ("get_run", {"run_id": "nowhere"}),
            ("get_run", {"run_id": SECRET}),
            ("append_event", {"run_id": "r1", SECRET: SECRET}),
            (SECRET, {}),
        ):
            assert spoken.result("tools/call", {"name": tool, "arguments": arguments})["isError"] is True
        assert spoken.leave() == 0
        assert spoken.process.stderr is not None
        return spoken.process.stderr.read().decode()


def test_each_operation_leaves_one_line_with_its_ids_code_and_duration(tmp_path: Path) -> None:
    """Who looks for a slow or refused call begins here."""
    told = operations_of(stderr_of(tmp_path, "--log-level", "info", "--log-format", "json"))

    assert [(line["operation"], line["code"], line.get("run_id")) for line in told] == [
        ("scaffold_run", "ok", "r1"),
        ("get_run", "ok", "r1"),
        ("claim_node", "ok", "r1"),
        ("append_event", "ok", "r1"),
        ("get_run", "not_found", "nowhere"),
        ("get_run", "invalid_request", None),
        ("append_event", "invalid_request", None),
        ("unknown_tool", "not_found", None),
    ]
    assert all(line["duration_ms"] >= 0 and line["level"] == "info" for line in told)
    assert len({line["operation_id"] for line in told}) == len(told)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_quotes_what_a_caller_sent(form: str, tmp_path: Path) -> None:
    """Logs are kept longer and read by more people than a registry."""
    said = stderr_of(tmp_path, "--log-level", "info", "--log-format", form)

    assert "scaffold_run ok" in said
    assert SECRET not in said
    assert "fence" not in said


def test_over_stdio_nothing_is_written_as_long_as_nothing_is_wrong(tmp_path: Path) -> None:
    """Many hosts give stderr a pipe that nobody reads; a full one would stop the server."""
    assert stderr_of(tmp_path) == ""


def test_over_http_operations_are_told_unasked(tmp_path: Path) -> None:
    """There a person started the server and looks at it."""
    with http_server(tmp_path) as served:
        served.call("scaffold_run", task_text=SECRET, run_id="r1")
        served.stop()

    (line,) = (line for line in served.said.splitlines() if "scaffold_run" in line)
    assert " info scaffold_run ok " in line
    assert line.endswith(" run=r1")


FAULT = """
import sys
from opentask_mcp.mcp.logs import write_logs
from opentask_mcp.mcp.stdio import serve_stdio
from tests.surfaces.mcp import fixture
import anyio

def fall(caller, request):
    raise KeyError("a secret that the caller sent")

stage = fixture.Stage()
stage._block = fall
write_logs(form="json", level=sys.argv[1])
anyio.run(serve_stdio, fixture.server(stage))
"""


@pytest.mark.parametrize("level", ["warning", "debug"])
def test_a_fault_is_told_by_its_type_and_place_and_by_its_words_only_for_debugging(level: str) -> None:
    """The words of an exception are often what was sent."""
    with process(sys.executable, "-c", FAULT, level, cwd=Path.cwd()) as spoken:
        spoken.hello()
        spoken.result("tools/call", {"name": "block", "arguments": {}})
        spoken.leave()
        assert spoken.process.stderr is not None
        said = spoken.process.stderr.read().decode()

    (line,) = (line for line in lines_of(said) if "fault" in line)
    (fault,) = line["fault"]
    assert (line["level"], line["message"], fault["type"]) == ("error", "block failed unexpectedly", "KeyError")
    assert fault["at"][-1] == "<string>:9 fall"
    assert line["operation_id"].startswith("op-")
    assert (SECRET in said) == (level == "debug")


def test_a_line_stays_one_line() -> None:
    """What a client calls itself must not look like a line of ours."""
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "a\nb\x1b[31m", "created": 0.0})

    assert TextLines(with_words=False).format(record) == "1970-01-01T00:00:00.000Z info x: a\\nb\\u001b[31m"
    assert json.loads(JsonLines(with_words=False).format(record))["message"] == "a\nb\x1b[31m"


class _Span(NonRecordingSpan):
    """A span that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(SpanContext(trace_id=1, span_id=1, is_remote=False))
        self.told: dict[str, Any] = {}

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: Any) -> None:
        self.told.update(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.told[key] = value


def test_a_span_is_told_which_operation_and_run_it_is_about() -> None:
    """A trace and a log line of one call are found by each other."""
    span = _Span()
    with use_span(span), operation_line("finish_node") as line:
        line.concerns({"run_id": "r1", "node_id": "build", "fence": 3, "task_id": "not an id!"})
        line.code = "ok"
        mark_span(line)

    assert span.told == {
        "opentask.code": "ok",
        "opentask.operation_id": line.operation_id,
        "opentask.run_id": "r1",
        "opentask.node_id": "build",
    }


def test_asking_for_spans_without_what_exports_them_is_said_and_serves(tmp_path: Path) -> None:
    """A variable of the whole machine must not keep a server from starting."""
    command = [sys.executable, "-c", START, "--root", str(tmp_path)]
    environ = {"OTEL_TRACES_EXPORTER": "nowhere"}
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, env=environ)

    assert "OTEL_TRACES_EXPORTER asks for spans, but nothing here exports them to 'nowhere'; install" in told.stderr
    assert told.stdout == ""


def test_spans_are_exported_where_the_environment_asks(tmp_path: Path) -> None:
    """The console exporter writes to stdout by itself, which is the protocol's."""
    environ = {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "opentask"}
    with http_server(tmp_path, **environ) as served:
        served.call("scaffold_run", task_text=SECRET, run_id="r1")
        served.stop()

    assert '"name": "tools/call scaffold_run"' in served.said
    assert '"opentask.run_id": "r1"' in served.said
    assert SECRET not in served.said
