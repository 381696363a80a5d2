"""Run-relative paths as authors write them: judged as text, before anything is opened."""

import re
from typing import Final

PATH_CHARS_MAX: Final = 1_024
PATH_PARTS_MAX: Final = 8
NAME_BYTES_MAX: Final = 200

_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]?")


def path_fault(path: str) -> str | None:
    """What is wrong with a run-relative path in a definition, as the end of a sentence; None when nothing is.

    This is the first door only: whoever opens a path still goes component by component. What passes
    is what `write_artifact` takes too, so that no node waits for a file that nobody may write.
    """
    parts = path.split("/")
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return "it must be relative to the run's folder, and stay in it"
    if ".." in parts:
        return "it may not lead upwards (..)"
    if "\\" in path:
        return "folders are separated by /"
    if not path.isprintable():
        return "it holds a character that cannot be printed"
    if path.strip() != path or not path:
        return "it is empty or has spaces around it"
    if "" in parts or "." in parts:
        return "it has an empty part or a '.'"
    if len(path) > PATH_CHARS_MAX or len(parts) > PATH_PARTS_MAX:
        return f"it is too long: at most {PATH_CHARS_MAX:,} characters and {PATH_PARTS_MAX} parts"
    if any(len(part.encode()) > NAME_BYTES_MAX for part in parts):
        return f"a name in it is longer than {NAME_BYTES_MAX} bytes"
    if any(part.startswith(".") for part in parts):
        return "names that begin with a dot are the registry's own"
    return None
