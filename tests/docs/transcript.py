"""Runs what a page shows and compares it with what the page says came out.

A page is a session: it begins in an empty folder, and its blocks are run in order.

- `console`: rows that begin with `$ ` are commands, with `> ` they go on; what follows is what the
  terminal showed. A row `...` stands for any rows, `…` at the end of a row for the rest of it.
- `mcp`: rows that begin with `> ` are calls, `tool {arguments}`; with `< ` follows what must be in
  the answer, or the beginning of a refusal.
- any block behind `<!-- file: NAME -->` is a file of the session.
- what is shown in other blocks (`text`, `sh`, `json`) is not run.

Times, ages, fences, ids made of chance and the folder differ from run to run and are compared as
such; a fence that the page uses later is replaced by the one that was given.

`python -m tests.docs.transcript PAGE` writes what came out into the page.
"""

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from opentask_mcp.mcp.failures import failure_text
from registry.core.run import Actor
from registry.errors import RegistryError
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry
from registry.settings import load_settings
from tests.docs.pages import ROOT, Block, Page

HOME: Final = "/home/you"
"""Where a page says that it begins."""
COLUMNS: Final = 100
_FENCE: Final = re.compile(r"\b[1-9]\d*-[a-z2-7]{8}\b")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_VARYING: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?"), "<time>"),
    (re.compile(r"[^\s\"']*/opentask-demo-\w+"), "<demo>"),
    (re.compile(r"\b\d{8}T\d{6}Z\b"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"\b(archive/|\"month\": \")\d{4}-\d\d\b"), r"\1<month>"),
    (re.compile(r"\bunder 1s\b|\b\d+s\b"), "<age>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "<clock>"),
    (re.compile(r"\b(at|until|since) \d\d:\d\d\b"), r"\1 <clock>"),
    (re.compile(r"\b\d+ (?:s|min|h)\b(?: ago)?|\bjust now\b|\bnow\b"), "<age>"),
    (re.compile(r"\b([1-9]\d*)-[a-z2-7]{8}\b"), r"\1-<fence>"),
    (re.compile(r"\b(task|flow)-[0-9a-z]{6,}(?:-[0-9a-z]+)*\b"), r"\1-<made>"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "<hash>"),
    (re.compile(r"\b[a-z2-7]{32}\b"), "<hash>"),
    (re.compile(r"\b\d+\.\d+ s\b"), "<age>"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r"─{2,}|━{2,}"), "──"),
)


@dataclass(frozen=True)
class Step:
    """A command or call with the rows that the page shows behind it. `first` is the row of the command in its block."""

    first: int
    asked: str
    shown: tuple[str, ...]
    shown_from: int


def steps_of(block: Block, *, asks: str, goes_on: str | None, answers: str = "") -> Iterator[Step]:
    """The steps of a block."""
    at = 0
    while at < len(block.rows):
        first = at
        assert block.rows[at].startswith(asks), f"line {block.line + at}: a step begins with {asks!r}"
        lines = [block.rows[at].removeprefix(asks)]
        at += 1
        while goes_on is not None and at < len(block.rows) and block.rows[at].startswith(goes_on):
            lines.append(block.rows[at].removeprefix(goes_on))
            at += 1
        begin = at
        while at < len(block.rows) and not block.rows[at].startswith(asks):
            at += 1
        shown = tuple(row.removeprefix(answers) for row in block.rows[begin:at])
        yield Step(first, "\n".join(lines), shown, begin)


@dataclass
class Session:
    """An empty folder in which a page is followed."""

    folder: Path
    fences: dict[str, str] = field(default_factory=dict)
    """The page's fences and those they stand for now."""
    cwd: Path | None = None

    @property
    def _replaced(self) -> Iterator[tuple[str, str]]:
        yield from self.fences.items()
        yield f"{HOME}/.local/bin", str(Path(sys.executable).parent)
        yield HOME, str(self.folder)

    def real(self, text: str) -> str:
        """A text of the page as it is meant here."""
        for said, given in self._replaced:
            text = text.replace(said, given)
        return text

    def save(self, block: Block) -> None:
        """Write a block to the file it says it is."""
        assert block.path is not None
        path = (self.cwd or self.folder) / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def type(self, command: str) -> list[str]:
        """What the terminal shows for a command."""
        where = self.folder / ".cwd"
        script = f'{self.real(command)}\nstatus=$?; pwd > "{where}"; exit $status'
        shown = _on_terminal(["bash", "-c", script], cwd=self.cwd or self.folder, home=self.folder)
        if where.exists():
            self.cwd = Path(where.read_text(encoding="utf-8").strip())
            where.unlink()
        rows = [row.rstrip() for row in _COLOUR.sub("", shown).replace("\r\n", "\n").splitlines()]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def call(self, call: str) -> dict[str, Any] | str:
        """What a tool answers: its object, or the text of its refusal."""
        name, _, arguments = self.real(call).partition(" ")
        settings = load_settings(None, environ={}, cwd=self.cwd or self.folder)
        registry = Registry.open(settings)
        caller = Caller(
            registry=registry, actor=Actor(kind="agent", id="claude-code", via="mcp"), agent_id="claude-code"
        )
        try:
            operation = OPERATIONS[name]
            answer: dict[str, Any] = operation.run(caller, parse_request(operation, json.loads(arguments))).plain()
        except RegistryError as refusal:
            return failure_text(refusal)
        finally:
            registry.store.close()
        return answer

    def paged(self, rows: list[str]) -> list[str]:
        """Rows as the page would have them: with its own fences, because its later commands have those."""
        text = "\n".join(rows)
        for said, given in self._replaced:
            text = text.replace(given, said)
        return text.splitlines()

    def learn(self, said: str, given: str, *, ahead: Iterable[str] = ()) -> None:
        """Take over which fences of the page stand for which given ones; else the next one `ahead` does."""
        told = dict.fromkeys([*_FENCE.findall(said), *ahead])
        for real in dict.fromkeys(_FENCE.findall(given)):
            attempt = real.partition("-")[0]
            free = (page for page in told if page not in self.fences and page.partition("-")[0] == attempt)
            if real not in self.fences.values() and (page := next(free, None)) is not None:
                self.fences[page] = real


def _on_terminal(command: list[str], *, cwd: Path, home: Path) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OPENTASK_", "COV_", "CLAUDE"))}
    env |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "NO_COLOR": "1", "HOME": str(home), "USER": "you"}
    env |= {"LOGNAME": "you", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}", "LANG": "C.UTF-8"}
    terminal, other_side = pty.openpty()
    process = subprocess.Popen(
        command, stdin=other_side, stdout=other_side, stderr=other_side, env=env, cwd=cwd, start_new_session=True
    )
    os.close(other_side)
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO when the other side is gone
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    process.wait(120)
    return shown.decode()


def alike(text: str) -> str:
    """A row without what differs from run to run."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text.rstrip()


def rows_match(said: list[str], given: list[str]) -> list[tuple[int, int]] | None:
    """Which rows of a page match which given ones; None where the page is wrong."""
    if not said:
        return [] if not given else None
    if said[0] == "...":
        for skipped in range(len(given) + 1):
            rest = rows_match(said[1:], given[skipped:])
            if rest is not None:
                return [(a + 1, b + skipped) for a, b in rest]
        return None
    if not given or not _row_matches(said[0], given[0]):
        return None
    rest = rows_match(said[1:], given[1:])
    return None if rest is None else [(0, 0), *((a + 1, b + 1) for a, b in rest)]


def _row_matches(said: str, given: str) -> bool:
    if said.endswith("…") and alike(given).startswith(alike(said[:-1])):
        return True
    return alike(said) == alike(given)


def holds(said: Any, given: Any) -> bool:
    """Whether an answer has what a page says; objects may have more keys, and `…` ends a text early."""
    if isinstance(said, dict):
        return isinstance(given, dict) and all(key in given and holds(said[key], given[key]) for key in said)
    if isinstance(said, list):
        return isinstance(given, list) and len(said) == len(given) and all(map(holds, said, given))
    if isinstance(said, str) and isinstance(given, str):
        return all(map(_row_matches, said.splitlines()[:1], given.replace("\n", " ").splitlines()[:1]))
    return bool(said == given)


@dataclass(frozen=True)
class Difference:
    """A step whose page says something else than what came out."""

    block: Block
    step: Step
    given: list[str]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"line {self.block.line + self.step.first}: {self.step.asked}",
                "the page says:",
                *self.step.shown,
                "what came out:",
                *self.given,
            ]
        )


def follow(page: Page, folder: Path) -> Iterator[Difference]:
    """Do what a page shows, in a folder."""
    session = Session(folder)
    ahead = list(dict.fromkeys(_FENCE.findall(page.text)))
    for block in page.blocks():
        if block.path is not None:
            session.save(block)
        elif block.language == "console":
            for step in steps_of(block, asks="$ ", goes_on="> "):
                given = session.type(step.asked)
                pairs = rows_match(list(step.shown), session.paged(given))
                if pairs is None:
                    session.learn("\n".join(step.shown), "\n".join(given), ahead=ahead)
                    yield Difference(block, step, session.paged(given))
                for said_at, given_at in pairs or []:
                    session.learn(step.shown[said_at], given[given_at])
        elif block.language == "mcp":
            for step in steps_of(block, asks="> ", goes_on=None, answers="< "):
                yield from _call(session, block, step)


def _call(session: Session, block: Block, step: Step) -> Iterator[Difference]:
    answer = session.call(step.asked)
    said = "\n".join(step.shown)
    if isinstance(answer, str):
        rows = session.paged(answer.splitlines())
        if rows_match(list(step.shown), rows) is None:
            yield Difference(block, step, rows)
        return
    shown: Any = json.loads(said) if said.startswith("{") else None
    if isinstance(shown, dict) and isinstance(shown.get("fence"), str):
        session.learn(shown["fence"], answer["fence"])
    paged = session.paged(json.dumps(answer, indent=2, ensure_ascii=False).splitlines())
    if shown is None or not holds(shown, json.loads("\n".join(paged))):
        yield Difference(block, step, paged)


def write_again(page: Page) -> None:
    """Put what comes out into a page, where it says something else."""
    with short_folder() as folder:
        differences = list(follow(page, folder))
    rows = page.text.splitlines()
    for difference in reversed(differences):
        if difference.block.language == "mcp" or "..." in difference.step.shown:
            print(difference, end="\n\n")
            continue
        if any(row.startswith("internal_error") for row in difference.given):
            print(difference, end="\n\n")
            continue
        begin = difference.block.line - 1 + difference.step.shown_from
        rows[begin : begin + len(difference.step.shown)] = difference.given
    page.path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@contextmanager
def short_folder() -> Iterator[Path]:
    """An empty folder with a short path, since a terminal wraps long ones."""
    with tempfile.TemporaryDirectory(prefix="", dir="/tmp") as folder:
        yield Path(folder).resolve()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_again(Page((ROOT / name).resolve()))
