"""Whether a folder lies on a network file system, where locks and syncs do not hold what they promise."""

import os
from typing import Final

_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afpfs", "webdav", "fuse.sshfs", "9p"})
_MOUNTS: Final = "/proc/self/mountinfo"


def network_kind(path: str) -> str | None:
    """The kind of network file system a folder lies on; None where it is local or cannot be told."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return None
    return kind_in(lines, os.path.realpath(path))


def kind_in(mountinfo: list[str], path: str) -> str | None:
    """The network kind of the innermost mount above a path, from lines of `/proc/self/mountinfo`."""
    best, kind = "", ""
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5 or not rest[0]:
            continue
        point = _unescaped(fields[4])
        covers = path == point or path.startswith(point.rstrip("/") + "/")
        # A later mount on the same point hides the earlier one.
        if covers and len(point) >= len(best):
            best, kind = point, rest[0]
    return kind if kind in _NETWORK else None


def _unescaped(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
