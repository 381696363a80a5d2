"""Spans for OpenTelemetry, where the environment asks for them.

The SDK makes a span for every message through the OpenTelemetry API, which does nothing until
spans are exported. Here the span of a call is told which operation and run it is about, and the
standard variables (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, ...) are
obeyed where the packages that export are installed. Nothing that a caller wrote goes into a span of ours.
"""

import logging
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry import trace

from .logs import OperationLine

_log: Final = logging.getLogger(__name__)
_ASKING: Final = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def mark_span(line: OperationLine) -> None:
    """Tell the span of this call what it is about."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(
            {"opentask.code": line.code, **{f"opentask.{name}": id_ for name, id_ in line.ids().items()}}
        )


def export_spans(environ: Mapping[str, str]) -> None:
    """Export spans as the variables of OpenTelemetry say; nothing where they say nothing."""
    asked = [variable for variable in _ASKING if environ.get(variable)]
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if not asked or exporter == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return  # `opentelemetry-instrument` was here before
    found = list(entry_points(group="opentelemetry_traces_exporter", name=exporter))
    try:
        sdk, export = (import_module(f"opentelemetry.sdk.{part}") for part in ("trace", "trace.export"))
        # Stdout is the protocol's: spans for people to read go where the log goes.
        chosen: Any = export.ConsoleSpanExporter(out=sys.stderr) if exporter == "console" else found[0].load()()
    except (ImportError, IndexError):
        _log.warning(
            "%s asks for spans, but nothing here exports them to %r; "
            "install opentelemetry-sdk and opentelemetry-exporter-otlp beside opentask-mcp",
            asked[0],
            exporter,
        )
        return
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(chosen))
    trace.set_tracer_provider(provider)
