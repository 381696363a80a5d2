"""Changing a file that belongs to another program: read whole, changed as text, put back whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from registry.errors import Conflict, InvalidRequest

_BYTES_MAX: Final = 16 << 20
_UNCHANGED: Final = "nothing was changed"

Change = Callable[[str], str]


def change_file(path: Path, change: Change, *, mode: int) -> str:
    """Put a changed text in the place of a file's; `made`, `written` or `unchanged`.

    A reader sees the old file or the new one. Its permissions stay, a link stays a link, and line ends and a
    byte order mark are left to `change`, which gets the text as it is.

    Args:
        change: From the text that is there (empty for none) to the one that shall be.
        mode: The permissions of a file that is made.

    Raises:
        InvalidRequest: it is no UTF-8 text, or may not be read or written.
        Conflict: somebody else changed it meanwhile.
    """
    before = _read(path)
    after = change("" if before is None else _text(path, before)).encode()
    if after == before:
        return "unchanged"
    try:
        real = path.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        kept = mode if before is None else real.stat().st_mode & 0o7777
        if not kept & 0o222:
            # The folder would let it be replaced; that is not what its owner wants.
            raise InvalidRequest(f"{path} is read-only; {_UNCHANGED}", hint=f"chmod u+w {path}, and do this again")
        handle, fresh = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
                os.fchmod(file.fileno(), kept)
                file.flush()
                os.fsync(file.fileno())
            if _read(path) != before:
                raise Conflict(f"{path} was changed by another program just now; {_UNCHANGED}", hint="do it again")
            os.replace(fresh, real)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as fault:
        raise InvalidRequest(f"{path} cannot be written: {fault.strerror}", hint=_UNCHANGED) from None
    return "made" if before is None else "written"


def _read(path: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe would be waited for until somebody writes into it.
            raise InvalidRequest(f"{path} is not a file", hint=_UNCHANGED)
        with path.open("rb") as file:
            raw = file.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise InvalidRequest(f"{path} cannot be read: {fault.strerror}", hint=_UNCHANGED) from None
    if len(raw) > _BYTES_MAX:
        raise InvalidRequest(f"{path} is larger than any configuration", hint=_UNCHANGED)
    return raw


def _text(path: Path, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        raise InvalidRequest(f"{path} is not UTF-8 text (byte {fault.start + 1})", hint=_UNCHANGED) from None
