"""`mcp config`: what to tell an MCP client so that it starts the server for this registry."""

import json
import os
import shlex
import tomllib
from pathlib import Path

import click
from pydantic import JsonValue

from registry.errors import Conflict, InvalidRequest

from ..building import Words, shared_options
from ..clients import CLIENTS, Client, Server, changes, configuration, entry, file_of, server_command, toml_table
from ..json5_text import NotReadable, parts_of
from ..json_member import with_member
from ..placing import change_file
from ..session import Session


def _config(client: str | None, write: bool) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    if client is not None and client not in CLIENTS:
        raise click.UsageError(f"CLIENT is {client!r}; it must be {', '.join(CLIENTS)}")
    if write and client is None:
        raise click.UsageError(f"--write needs a client: {', '.join(CLIENTS)}")
    root = session.registry.root.resolve()
    names = [client] if client is not None else list(CLIENTS)
    servers = {
        name: entry(CLIENTS[name], command=server_command(CLIENTS[name]), root=root, agent=session.agent)
        for name in names
    }
    if write:
        assert client is not None
        return _written(session, client, servers[client])
    if session.json or (client is None and not session.is_for_people):
        rows = [_row(name, server) for name, server in servers.items()]
        session.write(rows[0] if client is not None else {"clients": [*rows]})
        return 0
    for name, server in servers.items():
        _print(session, name, server)
    return 0


def _row(name: str, server: Server) -> dict[str, JsonValue]:
    client = CLIENTS[name]
    text = configuration(client, server)
    row: dict[str, JsonValue] = {"client": name, "file": _shown_file(name), "text": text, "server": dict(server)}
    return row | ({"command": _by_command(client, server)} if client.writer else {})


def _print(session: Session, name: str, server: Server) -> None:
    """The text alone on stdout, so that it can go into a file; what to do with it beside it, for people."""
    client = CLIENTS[name]
    if session.is_for_people:
        click.secho(f"# {client.title}: {_shown_file(name)}", fg="cyan", err=True)
        click.echo(f"# put this there, or: opentask mcp config {name} --write", err=True)
        if client.writer:
            click.echo(f"# or: {_by_command(client, server)}", err=True)
    click.echo(configuration(client, server))


def _shown_file(name: str) -> str:
    """The file as people write it, or where the client's own variables put it."""
    path, usual = file_of(name, os.environ), CLIENTS[name].file
    return usual if path == file_of(name, {}) else str(path)


def _by_command(client: Client, server: Server) -> str:
    return f"{' '.join(client.writer)} {shlex.quote(json.dumps(server, ensure_ascii=False))}"


def _written(session: Session, name: str, server: Server) -> int:
    client = CLIENTS[name]
    path = file_of(name, os.environ)
    what = change_file(
        path, lambda text: _merged(client, path, text, server), mode=0o600 if client.is_private else 0o644
    )
    if session.is_for_people:
        said = {"made": "made", "written": "wrote", "unchanged": "nothing to change in"}[what]
        click.echo(f"{said} {path}; {client.then or f'restart {client.title} to load it'}")
    else:
        session.write({"client": name, "file": str(path), "change": what})
    return 0


def _merged(client: Client, path: Path, text: str, server: Server) -> str:
    if client.form == "toml":
        return _with_table(client, path, text, server)
    try:
        known: JsonValue = parts_of(text).value if text.strip("\ufeff \t\r\n") else {}
        for name in client.path:
            known = known.get(name) if isinstance(known, dict) else None
        for way, value in changes(server, known):
            text = with_member(text, (*client.path, *way), value)
        if client.is_strict:
            _check_strict(client, text)
        return text
    except NotReadable as fault:
        own = f"; or: {_by_command(client, server)}" if client.writer else ""
        by_hand = f"{'.'.join(client.path[:-1])}: {json.dumps({client.path[-1]: server}, ensure_ascii=False)}"
        raise InvalidRequest(
            f"{path} is no JSON that can be added to ({fault}); nothing was changed",
            hint=f"mend that line and do this again, or put this there by hand: {by_hand}{own}",
        ) from None


def _check_strict(client: Client, text: str) -> None:
    try:
        json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise NotReadable(f"{client.title} reads no comments and no comma at the end; {where}") from None


def _with_table(client: Client, path: Path, text: str, server: Server) -> str:
    """The text with the server's table behind it. A table that is there is not replaced: it may have comments."""
    newline = "\r\n" if "\r\n" in text else "\n"
    table = toml_table(client.path, server)
    by_hand = f"add this by hand:\n{table}"
    try:
        known = tomllib.loads(text.removeprefix("\ufeff"))
        for name in client.path:
            known = known.get(name, {})
        if known == server:
            return text
        if known:
            raise Conflict(f"{path} has [{'.'.join(client.path)}] already; nothing was changed", hint=by_hand)
        gap = "" if not text or text.endswith(newline * 2) else newline if text.endswith(newline) else newline * 2
        after = text + gap + table.replace("\n", newline)
        tomllib.loads(after.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, AttributeError) as fault:
        raise InvalidRequest(f"{path} cannot be added to ({fault}); nothing was changed", hint=by_hand) from None
    return after


config = click.Command(
    "config",
    params=[
        click.Argument(["client"], required=False, type=Words(tuple(CLIENTS)), metavar="[" + "|".join(CLIENTS) + "]"),
        click.Option(["--write"], is_flag=True, help="Write it into the client's file, keeping all that is there."),
        *shared_options(),
    ],
    callback=_config,
    help="Print what to put into an MCP client's configuration so that it starts the server for this registry.\n\n"
    "With --write it is put there: every byte of the file that is not OpenTask's entry stays as it is, comments "
    "and line ends too, and in that entry whatever else you put.",
)
