"""kill -9 at any moment, again and again, of several writers: what was acknowledged is there once."""

import json
import os
import random
import signal
from collections import Counter, defaultdict
from pathlib import Path

from registry.core.commands import AppendEvent, Control
from registry.errors import LockTimeout
from registry.registry import Registry, RequestKey

from .children import Child, Say, started
from .conftest import LONG, Figures
from .given import AGENT, create, opened

WRITERS = 4
RUNS = ("one-1", "two-2", "three-3")
KILLS = 200 if LONG else 10
CHANGES_MAX = 100_000


def change(registry: Registry, name: str, number: int, chance: random.Random) -> tuple[str, bool]:
    """One change of a kind drawn by lot; gives the run it was made in and whether there was anything to change."""
    run_id = chance.choice(RUNS)
    text = f"{name}.{number}"
    if chance.random() < 0.2:
        action = "pause" if number % 2 else "resume"
        command = Control(actor=AGENT, action=action, control_id=text, message=text)  # type: ignore[arg-type]
        outcome = registry.transact(run_id, command, request=RequestKey(text, text))
    else:
        fill = "x" * chance.choice((0, 100, 5_000, 60_000))
        note = AppendEvent(actor=AGENT, event="note.step", message=text, payload={"fill": fill})
        outcome = registry.transact(run_id, note, request=RequestKey(text, text))
    return run_id, bool(outcome.events)


def writer(root: Path, name: str) -> Child:
    def work(say: Say) -> None:
        chance = random.Random(name)
        with opened(root) as registry:
            for number in range(CHANGES_MAX):
                try:
                    run_id, is_change = change(registry, name, number, chance)
                except LockTimeout:
                    continue
                say(run=run_id, text=f"{name}.{number}" if is_change else "")

    return started(work)


def said_so_far(child: Child, changes: int) -> bytes:
    """Read what a child says until it told of so many changes."""
    text = b""
    while text.count(b"\n") < changes:
        part = os.read(child.hears, 1 << 16)
        if not part:
            break
        text += part
    return text


def test_writers_killed_at_any_moment_lose_nothing_they_acknowledged(tmp_path: Path, figures: Figures) -> None:
    """Agents are killed by people, by schedulers and by the system when memory runs out."""
    with opened(tmp_path) as registry:
        for run_id in RUNS:
            create(registry, run_id)
    chance = random.Random(17)
    told: dict[str, list[str]] = defaultdict(list)
    running = {number: writer(tmp_path, f"w{number}") for number in range(WRITERS)}
    born = WRITERS
    for _ in range(KILLS):
        place = chance.randrange(WRITERS)
        child = running[place]
        text = said_so_far(child, chance.randrange(0, 12))
        os.kill(child.pid, signal.SIGKILL)
        ended = child.end()
        assert ended.was_killed
        assert ended.get("bug") is None, ended.get("bug")
        for words in [*map(json.loads, text.splitlines()), *ended.said]:
            told[words["run"]].append(words["text"])
        running[place] = writer(tmp_path, f"w{born}")
        born += 1
    for child in running.values():
        os.kill(child.pid, signal.SIGKILL)
        for words in child.end().said:
            told[words["run"]].append(words["text"])

    for texts in told.values():
        texts[:] = [text for text in texts if text]
    figures.add("kills", KILLS + WRITERS)
    figures.add("kills of writers", KILLS + WRITERS)
    figures.add("changes acknowledged by writers that were killed", sum(map(len, told.values())))
    with opened(tmp_path) as registry:
        for run_id in RUNS:
            registry.tick(run_id)
            logged = registry.store.events(run_id, limit=1_000_000)
            assert [event.seq for event in logged] == list(range(1, len(logged) + 1))
            times = Counter(
                event.event.message for event in logged if event.event.name in ("note.step", "control.applied")
            )
            assert {text: times[text] for text in told[run_id]} == dict.fromkeys(told[run_id], 1)
            assert max(times.values()) == 1
            assert [problem for problem in registry.store.validate(run_id) if problem.severity == "error"] == []
    assert sum(map(len, told.values())) > KILLS
