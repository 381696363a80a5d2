"""Where an HTTP server listens and who may speak to it; no SDK here, so that a wrong option is told at once.

A page in somebody's browser can reach a server on their own machine, under any name that its owner
lets point there. So a request must name the server as it is known (`Host`) and come from no other
page (`Origin`). Off this machine names protect nothing: there every request carries a token.
"""

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Final

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 8000
PATH: Final = "/mcp"
_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_TOKEN_LENGTH_MIN: Final = 16


@dataclass(frozen=True, kw_only=True)
class Listening:
    """An address that was found sound.

    Attributes:
        address: What is bound: an IP address.
        names: What clients may call the server in `Host` and `Origin`, without a port.
        token: What every request must bring; None where none is asked for.
    """

    address: str
    port: int
    names: tuple[str, ...]
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The endpoint, for people."""
        return f"http://{_bracketed(self.address)}:{self.port}{PATH}"


def listening(*, host: str, port: str, names: tuple[str, ...] = (), token: str | None = None) -> Listening:
    """Where to listen.

    Args:
        host: An address of this machine, or a name of one.
        names: Further names that clients call the server by.

    Raises:
        ValueError: a value is wrong, or the address can be reached from elsewhere and there is no token.
    """
    address = _address(host)
    own = tuple(name for name in (_bracketed(host), _bracketed(address)) if name not in _LOOPBACK_NAMES)
    if not ipaddress.ip_address(address).is_loopback:
        own = (*own, socket.gethostname())
        if token is None:
            raise ValueError(
                f"--host {host} can be reached from other machines; set OPENTASK_HTTP_TOKEN to a secret that every "
                "request must bring (Authorization: Bearer ...), or leave --host out to serve this machine alone"
            )
    _check_token(token)
    known = (*_LOOPBACK_NAMES, *own, *(_bracketed(name) for name in names))
    return Listening(address=address, port=_port(port), names=tuple(dict.fromkeys(known)), token=token)


def bound(place: Listening) -> socket.socket:
    """A socket bound there; its port is the one the system gave where port 0 was asked for.

    Raises:
        ValueError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    try:
        return socket.create_server((place.address, place.port), family=family, backlog=128)
    except OSError as fault:
        raise ValueError(
            f"cannot listen on {place.address} port {place.port}: {fault.strerror}; choose another port with --port"
        ) from fault


def _address(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise ValueError(f"--host is {host!r}, which is no address of this machine") from fault
    # A name may stand for several addresses: an address of IPv4 is what most clients try first.
    chosen = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(chosen[4][0])


def _port(port: str) -> int:
    if not (port.isascii() and port.isdigit() and int(port) < 2**16):
        raise ValueError(f"--port is {port!r}; it must be a number from 0 (any free port) to 65535")
    return int(port)


def _check_token(token: str | None) -> None:
    if token is None:
        return
    # What is wrong with it is told, the token is not.
    if not (token.isascii() and token.isprintable()) or " " in token or len(token) < _TOKEN_LENGTH_MIN:
        raise ValueError(
            f"OPENTASK_HTTP_TOKEN must be at least {_TOKEN_LENGTH_MIN} printable ASCII characters without a space; "
            "`openssl rand -hex 32` makes one"
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
