"""`opentask-mcp`: the server as a process.

A host starts one for every session, often with hardly any environment and in a folder of its own
choosing, so everything can be said by option or variable and nothing is asked. The SDK is
imported only after the options are known to be sound, and what serves HTTP only for HTTP.
"""

import argparse
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import __version__
from .logs import FORMATS, LEVELS, write_logs

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

    from registry.settings import Settings

    from .listening import Listening
    from .serving import Serving

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
_TRANSPORTS: Final = ("stdio", "http")
_APPROVALS: Final = ("open", "elicit", "operator")
_EPILOG: Final = """\
Each option has a variable: OPENTASK_REGISTRY_ROOT, OPENTASK_TRANSPORT, OPENTASK_HOST,
OPENTASK_PORT, OPENTASK_ALLOW_HOSTS, OPENTASK_READ_ONLY, OPENTASK_TOOLSETS, OPENTASK_TOOLS,
OPENTASK_APPROVALS, OPENTASK_AGENT_ID, OPENTASK_ALLOW_NETWORK_FS, OPENTASK_LOG_FORMAT,
OPENTASK_LOG_LEVEL. An option goes before its variable. OPENTASK_HTTP_TOKEN has no option, because
other people of the machine can see options: with it every HTTP request must bring
`Authorization: Bearer` and the token.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the client closes stdin, or over HTTP until a signal. The value is the exit status."""
    parser = _parser(os.environ)
    options = parser.parse_args(argv)
    try:
        settings, serving = _chosen(options)
        place = _place(options, os.environ)
    except ValueError as fault:
        parser.error(str(fault))
    write_logs(form=options.log_format, level=options.log_level or ("info" if place else "warning"))
    return _serve(parser, settings, serving, place)


def _serve(parser: argparse.ArgumentParser, settings: "Settings", serving: "Serving", place: "Listening | None") -> int:
    from registry.registry import Registry

    from .server import build_server
    from .serving import UnknownTool
    from .tracing import export_spans

    try:
        server = build_server(Registry.open(settings), serving=serving)
    except UnknownTool as unknown:
        parser.error(str(unknown))
    export_spans(os.environ)
    if place is None:
        _serve_stdio(server)
        return 0
    from .http import serve_http
    from .listening import bound

    try:
        listener = bound(place)
    except ValueError as taken:
        parser.error(str(taken))
    with listener:
        serve_http(server, place, listener)
    return 0


def _serve_stdio(server: "Server[None]") -> None:
    import anyio

    from .stdio import serve_stdio

    # Nothing needs tidying up, and a thread that reads stdin would keep an interrupted process alive.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        anyio.run(serve_stdio, server)
    except* (BrokenPipeError, ConnectionResetError):
        logging.getLogger(__name__).warning("the client went away")


def _place(options: argparse.Namespace, environ: Mapping[str, str]) -> "Listening | None":
    """Where to listen; None over stdio.

    Raises:
        ValueError: an address or the token is wrong, or an option of HTTP was given without it.
    """
    if options.transport != "http":
        for option, value in (("--host", options.host), ("--port", options.port), ("--allow-host", options.allow_host)):
            if value is not None:
                raise ValueError(f"{option} goes with --transport http")
        return None
    from .listening import LOOPBACK, PORT, listening

    return listening(
        host=options.host or environ.get("OPENTASK_HOST") or LOOPBACK,
        port=options.port or environ.get("OPENTASK_PORT") or str(PORT),
        names=_names(options.allow_host or environ.get("OPENTASK_ALLOW_HOSTS")) or (),
        token=environ.get("OPENTASK_HTTP_TOKEN") or None,
    )


def _chosen(options: argparse.Namespace) -> tuple["Settings", "Serving"]:
    """What the options mean.

    Raises:
        ValueError: a value is wrong; the message is for the person who starts the server.
    """
    from registry.core.names import ID_RULE, is_id, shown
    from registry.errors import RegistryError
    from registry.settings import load_settings

    from .serving import Serving

    if options.agent is not None and not is_id(options.agent):
        raise ValueError(f"--agent is {shown(options.agent)!r}; an id is {ID_RULE}")
    serving = Serving(
        toolsets=_names(options.toolsets),
        tools=_names(options.tools) or (),
        read_only=options.read_only,
        approvals=options.approvals or "open",
        agent=options.agent,
    )
    try:
        settings = load_settings(
            options.root, environ=os.environ, cwd=Path.cwd(), allow_network_fs=options.allow_network_fs
        )
    except RegistryError as failure:
        raise ValueError(f"{failure.message}; {failure.hint}" if failure.hint else failure.message) from failure
    # A server that changes nothing leaves the files beside the runs alone too.
    return replace(settings, keeps_index=not options.read_only), serving


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opentask-mcp",
        description="Serve a registry of long agent jobs over the Model Context Protocol.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--root", metavar="DIR", help="the registry (default: the nearest one above the working directory)")
    add(
        "--transport",
        choices=_TRANSPORTS,
        default=environ.get("OPENTASK_TRANSPORT") or "stdio",
        help="how clients reach the server: one over stdin and stdout, or many at /mcp (default: stdio)",
    )
    _add_http(parser)
    add(
        "--read-only",
        action="store_true",
        default=_flag(parser, environ, "OPENTASK_READ_ONLY"),
        help="offer nothing that changes a run; goes before everything else",
    )
    add(
        "--toolsets",
        metavar="A,B",
        default=environ.get("OPENTASK_TOOLSETS"),
        help="of core, tasks, flows, admin; or min (eight tools for small models), or all (default: core)",
    )
    add(
        "--tools",
        metavar="A,B",
        default=environ.get("OPENTASK_TOOLS"),
        help="single tools, besides the toolsets that are named",
    )
    add(
        "--approvals",
        choices=_APPROVALS,
        default=environ.get("OPENTASK_APPROVALS") or None,
        help="how a person's decision comes in; can only be stricter than the registry's own setting",
    )
    add(
        "--agent",
        metavar="ID",
        default=environ.get("OPENTASK_AGENT_ID") or None,
        help="who calls, where a call does not say (default: the client's name)",
    )
    add(
        "--allow-network-fs",
        action="store_true",
        default=_flag(parser, environ, "OPENTASK_ALLOW_NETWORK_FS"),
        help="write to a network disk that no other machine writes to",
    )
    _add_logs(parser, environ)
    add("--version", action="version", version=f"opentask-mcp {__version__}")
    _check_words(parser, environ)
    return parser


def _add_http(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="ADDRESS", help="where HTTP listens (default: 127.0.0.1; anywhere else needs a token)")
    add("--port", metavar="N", help="the port of HTTP (default: 8000; 0 takes a free one)")
    add("--allow-host", metavar="A,B", help="names that HTTP clients call this server by, besides the address")


def _add_logs(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    add = parser.add_argument
    add(
        "--log-format",
        choices=FORMATS,
        default=environ.get("OPENTASK_LOG_FORMAT") or "text",
        help="how stderr is written: a line for people, or an object of JSON a line (default: text)",
    )
    add(
        "--log-level",
        choices=LEVELS,
        default=environ.get("OPENTASK_LOG_LEVEL") or None,
        help="what is written; info has a line for each operation, and only debug may quote what callers sent "
        "(default: warning over stdio, info over HTTP)",
    )


def _check_words(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Defaults are not checked by argparse, and a misspelt variable must not loosen anything."""
    for variable, words in (
        ("OPENTASK_TRANSPORT", _TRANSPORTS),
        ("OPENTASK_APPROVALS", _APPROVALS),
        ("OPENTASK_LOG_FORMAT", FORMATS),
        ("OPENTASK_LOG_LEVEL", LEVELS),
    ):
        value = environ.get(variable)
        if value and value not in words:
            parser.error(f"{variable} is {value!r}; it must be one of {', '.join(words)}")


def _flag(parser: argparse.ArgumentParser, environ: Mapping[str, str], variable: str) -> bool:
    value = environ.get(variable, "").strip().lower()
    if value not in _TRUE | _FALSE:
        parser.error(f"{variable} is {value!r}; it must be 1 or 0")
    return value in _TRUE


def _names(listed: str | None) -> tuple[str, ...] | None:
    """The names of a comma-separated list; None where nothing is said."""
    names = tuple(name.strip() for name in (listed or "").split(",") if name.strip())
    return names or None
