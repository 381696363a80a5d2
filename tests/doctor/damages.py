"""What hands, editors, copies and disks do to a run's folder, and what doctor must say to each.

A damage is a function of the run's folder. `says` are the codes of all that doctor finds; `stops`
tells that changes are refused until somebody asks for a repair.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Damage:
    """One thing that somebody does to a run.

    Attributes:
        hides: The next change goes by it, since looking at everything would cost too much; doctor sees it.
        loses: What was acknowledged is known to no file any more, and the repair says so.
    """

    name: str
    do: Callable[[Path], object]
    says: frozenset[str]
    stops: bool = False
    loses: bool = False
    hides: bool = False


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "events.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(folder: Path, lines: list[bytes]) -> None:
    (folder / "events.jsonl").write_bytes(b"".join(lines))


def state_status(folder: Path) -> None:
    document = json.loads((folder / "state.json").read_bytes())
    document["status"] = "completed"
    (folder / "state.json").write_text(json.dumps(document, indent=1))


def state_node(folder: Path) -> None:
    document = json.loads((folder / "state.json").read_bytes())
    del document["nodes"][0]
    (folder / "state.json").write_text(json.dumps(document, indent=2))


def state_comma(folder: Path) -> None:
    text = (folder / "state.json").read_bytes()
    (folder / "state.json").write_bytes(text.replace(b",", b"", 1))


def state_indent(folder: Path) -> None:
    document = json.loads((folder / "state.json").read_bytes())
    (folder / "state.json").write_text(json.dumps(document, indent=4, ensure_ascii=False))


def before(path: str, text: bytes) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        (folder / path).write_bytes(text + (folder / path).read_bytes())

    return do


def replaced(path: str, old: bytes, new: bytes, count: int = -1) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        text = (folder / path).read_bytes()
        assert old in text
        (folder / path).write_bytes(text.replace(old, new, count))

    return do


def written(path: str, text: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_bytes(text)


def appended(path: str, text: bytes) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        with (folder / path).open("ab") as file:
            file.write(text)

    return do


def gone(path: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        if (folder / path).is_dir():
            shutil.rmtree(folder / path)
        else:
            (folder / path).unlink()

    return do


def both(*damages: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [do(folder) for do in damages]


def as_folder(path: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        (folder / path).rename(folder / f"{path}.mine")
        (folder / path).mkdir()
        (folder / path / "note").write_text("mine")

    return do


def as_link(path: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        (folder / path).rename(folder.parent.parent / "elsewhere")
        (folder / path).symlink_to(folder.parent.parent / "elsewhere")

    return do


def as_pipe(path: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        (folder / path).unlink()
        os.mkfifo(folder / path)

    return do


def cut_line(index: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        lines = lines_of(folder)
        del lines[index]
        write_lines(folder, lines)

    return do


def last_line_halved(folder: Path) -> None:
    lines = lines_of(folder)
    write_lines(folder, [*lines[:-1], lines[-1][: len(lines[-1]) // 2]])


def half_line_added(folder: Path) -> None:
    appended("events.jsonl", lines_of(folder)[-1][:150])(folder)


def glued(folder: Path) -> None:
    lines = lines_of(folder)
    write_lines(folder, [*lines[:2], lines[2][:-1] + lines[3], *lines[4:]])


def last_doubled(folder: Path) -> None:
    appended("events.jsonl", lines_of(folder)[-1])(folder)


def swapped(folder: Path) -> None:
    lines = lines_of(folder)
    lines[-1], lines[-2] = lines[-2], lines[-1]
    write_lines(folder, lines)


def crc_changed(index: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        lines = lines_of(folder)
        lines[index] = lines[index][:-6] + b'zz"}\n' if index else lines[index][:-5] + b'z"}\n'
        write_lines(folder, lines)

    return do


def rotten(index: int, *, shorter: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        lines = lines_of(folder)
        lines[index] = b"\0" * (len(lines[index]) - shorter) + b"\n"
        write_lines(folder, lines)

    return do


def in_the_future(folder: Path) -> None:
    lines = [line.replace(b'"timestamp":"20', b'"timestamp":"29', 1) for line in lines_of(folder)]
    write_lines(folder, lines)


def node_folders_closed(folder: Path) -> None:
    (folder / "state.json").chmod(0)
    (folder / "nodes").chmod(0)


SAID_BY_STATE = frozenset({"state_edited"})
DAMAGES = [
    Damage("a status edited in state.json", state_status, SAID_BY_STATE),
    Damage("a node deleted in state.json", state_node, SAID_BY_STATE),
    Damage("a comma removed in state.json", state_comma, SAID_BY_STATE),
    Damage("state.json emptied", written("state.json", b""), frozenset({"projection_missing"})),
    Damage("refs.json all zeros", written("refs.json", bytes(300)), frozenset({"projection_missing"})),
    Damage("state.json saved with a BOM", before("state.json", b"\xef\xbb\xbf"), SAID_BY_STATE),
    Damage("state.json saved with CRLF", replaced("state.json", b"\n", b"\r\n"), frozenset()),
    Damage("state.json re-indented", state_indent, frozenset()),
    Damage("state.json is not UTF-8 any more", replaced("state.json", b"A demo", b"\xff\xfe", 1), SAID_BY_STATE),
    Damage("state.json deleted", gone("state.json"), frozenset({"projection_missing"})),
    Damage("state.json is a folder", as_folder("state.json"), frozenset({"odd_file", "projection_missing"})),
    Damage("state.json is a link", as_link("state.json"), frozenset({"odd_file", "projection_missing"})),
    Damage("state.json is a pipe", as_pipe("state.json"), frozenset({"odd_file", "projection_missing"})),
    Damage("refs.json deleted", gone("refs.json"), frozenset({"projection_missing"})),
    Damage(
        "refs.json edited", replaced("refs.json", b'"cronJobId":""', b'"cronJobId":"x"'), frozenset({"refs_edited"})
    ),
    Damage("the lock file of the plan deleted", gone("workflow.lock.md"), frozenset({"projection_missing"})),
    Damage(
        "a title edited in the plan", replaced("workflow.lock.md", b"Sum up", b"Sum it up"), frozenset({"plan_edited"})
    ),
    Damage(
        "an id edited in the plan", replaced("workflow.lock.md", b"id: sum", b"id: total"), frozenset({"plan_edited"})
    ),
    Damage("the plan is no YAML any more", written("workflow.lock.md", b"---\n{[\n"), frozenset({"plan_edited"})),
    Damage("the plan is a folder", as_folder("workflow.lock.md"), frozenset({"odd_file", "projection_missing"})),
    Damage("the plan is a link", as_link("workflow.lock.md"), frozenset({"odd_file", "projection_missing"})),
    Damage("the plan is a pipe", as_pipe("workflow.lock.md"), frozenset({"odd_file", "projection_missing"})),
    Damage("garbage behind the trail", appended("events.jsonl", b"what is this\n"), frozenset({"not_adopted"})),
    Damage("half a line behind the trail", half_line_added, frozenset({"torn_tail"})),
    Damage("binary behind the trail", appended("events.jsonl", b"\0\xff\x01" * 40), frozenset({"torn_tail"})),
    Damage("the last line cut in half", last_line_halved, frozenset({"torn_tail", "log_shorter"})),
    Damage("two lines of the trail glued together", glued, frozenset()),
    Damage("the last line of the trail doubled", last_doubled, frozenset({"not_adopted"})),
    Damage("the trail saved with CRLF", replaced("events.jsonl", b"\n", b"\r\n"), frozenset()),
    Damage("the trail saved with a BOM", before("events.jsonl", b"\xef\xbb\xbf"), frozenset()),
    Damage("two lines of the trail swapped", swapped, frozenset({"log_corrupt"}), stops=True),
    Damage("a line in the middle deleted", cut_line(3), frozenset({"log_corrupt"}), stops=True),
    Damage("a line in the middle overwritten", rotten(3, shorter=5), frozenset({"log_corrupt"}), stops=True),
    Damage("a line rotten where it lies", rotten(3, shorter=1), frozenset({"log_corrupt"}), hides=True),
    Damage("a checksum changed", crc_changed(4), frozenset({"log_corrupt"}), stops=True),
    Damage("the first line deleted", cut_line(0), frozenset({"log_corrupt"}), stops=True),
    Damage("every time in the trail edited", in_the_future, frozenset({"log_corrupt"}), stops=True),
    Damage("the trail emptied", written("events.jsonl", b""), frozenset({"log_shorter"})),
    Damage("the trail deleted", gone("events.jsonl"), frozenset({"log_shorter"})),
    Damage("the trail is a folder", as_folder("events.jsonl"), frozenset({"odd_file"}), stops=True),
    Damage("the trail is a link", as_link("events.jsonl"), frozenset({"odd_file"}), stops=True),
    Damage("the trail is a pipe", as_pipe("events.jsonl"), frozenset({"odd_file"}), stops=True),
    Damage("garbage in the inbox", appended("control.jsonl", b"now\n{}\n"), frozenset({"unapplied_control"})),
    Damage("the inbox is a folder", as_folder("control.jsonl"), frozenset({"odd_file"})),
    Damage("the inbox deleted", gone("control.jsonl"), frozenset()),
    Damage("the run's lock deleted", gone(".run.lock"), frozenset()),
    Damage("the run's lock is a folder", as_folder(".run.lock"), frozenset({"odd_file"}), stops=True),
    Damage("the run's lock is a link", as_link(".run.lock"), frozenset({"odd_file"}), stops=True),
    Damage("nodes/ deleted", gone("nodes"), frozenset({"folder_missing", "missing_output", "projection_missing"})),
    Damage("nodes/ is a link", as_link("nodes"), frozenset({"odd_file", "missing_output", "projection_missing"})),
    Damage("a node's folder is a file", both(gone("nodes/sum"), written("nodes/sum", b"x")), frozenset({"odd_file"})),
    Damage("a report deleted", gone("nodes/gather/report.md"), frozenset({"missing_output"})),
    Damage("a result deleted", gone("nodes/gather/result.json"), frozenset({"projection_missing"})),
    Damage("a result emptied", written("nodes/gather/result.json", bytes(80)), frozenset({"projection_missing"})),
    Damage("a result torn", written("nodes/gather/result.json", b'{"runId":"de'), frozenset({"projection_stale"})),
    Damage("a result is a folder", as_folder("nodes/gather/result.json"), frozenset({"projection_missing"})),
    Damage("a result is a link", as_link("nodes/gather/result.json"), frozenset({"projection_missing"})),
    Damage("a result edited", replaced("nodes/gather/result.json", b"gather", b"glean"), frozenset()),
    Damage("permissions taken", node_folders_closed, frozenset({"permissions"})),
    Damage(
        "a line in the middle and the state lost",
        both(cut_line(3), gone("state.json")),
        frozenset({"log_corrupt", "projection_missing"}),
        stops=True,
        loses=True,
    ),
    Damage(
        "a checksum changed and the state lost",
        both(crc_changed(4), gone("state.json")),
        frozenset({"log_corrupt", "projection_missing"}),
        stops=True,
        loses=True,
    ),
    Damage(
        "the last line and the state's own word lost",
        both(state_status, cut_line(-1)),
        frozenset({"log_corrupt", "state_edited"}),
        stops=True,
    ),
    Damage(
        "nothing left but a state that was edited",
        both(replaced("state.json", b"A demo", b"My demo", 1), gone("events.jsonl"), gone("refs.json")),
        frozenset({"log_corrupt"}),
        stops=True,
    ),
    Damage(
        "the last line and every copy of the plan lost",
        both(cut_line(-1), gone("workflow.lock.md"), gone("../../.opentask")),
        frozenset({"log_shorter", "projection_missing"}),
    ),
    Damage(
        "everything lost but the trail",
        both(gone("state.json"), gone("refs.json"), gone("workflow.lock.md"), gone("control.jsonl"), gone("nodes")),
        frozenset({"projection_missing", "folder_missing", "missing_output"}),
    ),
    Damage(
        "everything lost but the state",
        both(gone("events.jsonl"), gone("refs.json"), gone("workflow.lock.md")),
        frozenset({"log_shorter", "projection_missing"}),
    ),
]
