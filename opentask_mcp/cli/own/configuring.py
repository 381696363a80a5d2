"""`mcp config`: what to tell an MCP client so that it starts the server for this registry."""

import json
import os
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from registry.errors import Conflict, InvalidRequest, NotFound

from ..building import Words, shared_options
from ..clients import CLIENTS, Client, configuration, entry, server_command, toml_table
from ..json_member import NotPlainJson, with_member
from ..session import Session

_WRITER_S_MAX: Final = 60


def _config(client: str | None, write: bool) -> int:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    if client is not None and client not in CLIENTS:
        raise click.UsageError(f"CLIENT is {client!r}; it must be {', '.join(CLIENTS)}")
    if write and client is None:
        raise click.UsageError(f"--write needs a client: {', '.join(CLIENTS)}")
    root = session.registry.root.resolve()
    command = server_command()
    names = [client] if client is not None else list(CLIENTS)
    servers = {name: entry(CLIENTS[name], command=command, root=root, agent=session.agent) for name in names}
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


def _row(name: str, server: dict[str, Any]) -> dict[str, Any]:
    client = CLIENTS[name]
    row = {"client": name, "file": client.file, "text": configuration(client, server), "server": server}
    return row | ({"command": _by_command(client, server)} if client.writer else {})


def _print(session: Session, name: str, server: dict[str, Any]) -> None:
    """The text alone on stdout, so that it can go into a file; what to do with it beside it, for people."""
    client = CLIENTS[name]
    if session.is_for_people:
        click.secho(f"# {client.title}: {client.file}", fg="cyan", err=True)
        how = _by_command(client, server) if client.writer else f"opentask mcp config {name} --write"
        click.echo(f"# put this there, or: {how}", err=True)
    click.echo(configuration(client, server))


def _by_command(client: Client, server: dict[str, Any]) -> str:
    return f"{' '.join(client.writer)} {shlex.quote(json.dumps(server, ensure_ascii=False))}"


def _written(session: Session, name: str, server: dict[str, Any]) -> int:
    client = CLIENTS[name]
    if client.writer:
        _by_its_own(client, server)
        return _told(session, name, Path(client.file).expanduser(), "written")
    path = Path(client.file).expanduser().absolute()
    before = _text(path)
    after = _merged(client, path, before or "", server)
    if after == before:
        return _told(session, name, path, "unchanged")
    _replace(path, after)
    return _told(session, name, path, "made" if before is None else "written")


def _told(session: Session, name: str, path: Path, what: str) -> int:
    if session.is_for_people:
        said = {"made": "made", "written": "wrote", "unchanged": "nothing to change in"}[what]
        click.echo(f"{said} {path}; restart {CLIENTS[name].title} to load it")
    else:
        session.write({"client": name, "file": str(path), "change": what})
    return 0


def _by_its_own(client: Client, server: dict[str, Any]) -> None:
    """Let the client's own command write: it knows the file's comments and checks, and may have it open."""
    program = shutil.which(client.writer[0])
    if program is None:
        raise NotFound(
            f"{client.writer[0]} is not on PATH, and only it writes its configuration safely",
            hint=f"where it is installed: {_by_command(client, server)}",
        )
    done = subprocess.run(
        [program, *client.writer[1:], json.dumps(server, ensure_ascii=False)],
        capture_output=True,
        text=True,
        timeout=_WRITER_S_MAX,
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:400]
        raise Conflict(f"{' '.join(client.writer)} refused: {said}", hint=_by_command(client, server))


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidRequest(f"{path} cannot be read: {fault}", hint="nothing was changed") from None


def _merged(client: Client, path: Path, text: str, server: dict[str, Any]) -> str:
    if client.form == "toml":
        return _with_table(client, path, text, server)
    try:
        return with_member(text, client.path, server)
    except NotPlainJson as fault:
        raise InvalidRequest(
            f"{path} is not plain JSON ({fault}); nothing was changed",
            hint=f"add this by hand: {json.dumps({client.path[-1]: server}, ensure_ascii=False)}",
        ) from None


def _with_table(client: Client, path: Path, text: str, server: dict[str, Any]) -> str:
    """The text with the server's table behind it. A table that is there is not replaced: it may have comments."""
    table = toml_table(client.path, server)
    by_hand = f"add this by hand:\n{table}"
    try:
        known: Any = tomllib.loads(text)
        for name in client.path:
            known = known.get(name, {})
        if known == server:
            return text
        if known:
            raise Conflict(f"{path} has [{'.'.join(client.path)}] already; nothing was changed", hint=by_hand)
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        after = text + gap + table
        tomllib.loads(after)
    except (tomllib.TOMLDecodeError, AttributeError) as fault:
        raise InvalidRequest(f"{path} cannot be added to ({fault}); nothing was changed", hint=by_hand) from None
    return after


def _replace(path: Path, text: str) -> None:
    """Put a whole file in place at once, with the mode it had; a link stays a link."""
    real = path.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o644
    fresh = real.with_name(f".{real.name}.{os.getpid()}.new")
    try:
        fresh.write_bytes(text.encode())
        fresh.chmod(mode)
        fresh.replace(real)
    except OSError as fault:
        fresh.unlink(missing_ok=True)
        raise InvalidRequest(f"{path} cannot be written: {fault.strerror}", hint="nothing was changed") from None


config = click.Command(
    "config",
    params=[
        click.Argument(["client"], required=False, type=Words(tuple(CLIENTS)), metavar="[" + "|".join(CLIENTS) + "]"),
        click.Option(["--write"], is_flag=True, help="Write it into the client's file, keeping all that is there."),
        *shared_options(),
    ],
    callback=_config,
    help="Print what to put into an MCP client's configuration so that it starts the server for this registry.\n\n"
    "With --write it is put there: every byte of the file that is not OpenTask's entry stays as it is.",
)
