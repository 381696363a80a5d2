"""Many servers, command lines and programs on one registry at once: nothing lost, nobody starved, nobody misled."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.core.commands import AppendEvent, Bind
from registry.errors import LockTimeout, RevisionConflict
from tests.surfaces.mcp.process import server

from .children import Child, Ended, Say, started
from .conftest import LONG, Figures
from .given import AGENT, create, opened

ROOT = Path(__file__).parents[2]
CHANGES = 500 if LONG else 20
KINDS = {"library": 4 if LONG else 2, "MCP": 4 if LONG else 1}
COMMANDS = 25 if LONG else 2
"""Each is a process of its own, which costs more than a hundred changes."""
COMMAND = "from opentask_mcp.__main__ import opentask; import sys; sys.exit(opentask())"
LOOKS_MAX = 10_000_000
WAIT_S = 60
"""So long that nobody is refused on a slow machine; how long they did wait is told."""

Writer = Callable[[Path, str, list[str], Say], None]


def timed(say: Say, text: str, run_id: str, change: Callable[[], object]) -> None:
    """Make a change and say how long it took, in ms; a stale revision is an honest answer and is said."""
    began = time.perf_counter()
    try:
        change()
    except RevisionConflict:
        say(conflict=text)
    else:
        say(run=run_id, text=text, ms=1000 * (time.perf_counter() - began))


def by_library(root: Path, name: str, runs: list[str], say: Say) -> None:
    chance = random.Random(name)
    with opened(root, lock_wait_s=WAIT_S) as registry:
        for number in range(CHANGES):
            run_id, text = chance.choice(runs), f"{name}.{number}"
            # Every now and then somebody insists on what was seen, and meanwhile others may bind.
            expected = registry.read(run_id).run.log.state_rev if number % 5 == 0 else None
            note = AppendEvent(actor=AGENT, event="note.step", message=text)
            timed(
                say,
                text,
                run_id,
                lambda run_id=run_id, note=note, expected=expected: registry.transact(  # type: ignore[misc]
                    run_id, note, expected_rev=expected
                ),
            )
            if number % 25 == 0 and run_id == "run-0":
                bind_again(root, f"job-{name}-{number}")


def bind_again(root: Path, job: str) -> None:
    with opened(root, lock_wait_s=WAIT_S) as registry:
        registry.transact("run-0", Bind(actor=AGENT, cron_job_id=job))


def by_server(root: Path, name: str, runs: list[str], say: Say) -> None:
    chance = random.Random(name)
    with server(root, "--agent", name) as spoken:
        spoken.hello()
        for number in range(CHANGES):
            run_id, text = chance.choice(runs), f"{name}.{number}"
            timed(
                say,
                text,
                run_id,
                lambda run_id=run_id, text=text: spoken.call(  # type: ignore[misc]
                    "append_event", run_id=run_id, event="note.step", message=text
                ),
            )
        spoken.leave()


def by_commands(root: Path, name: str, runs: list[str], say: Say) -> None:
    chance = random.Random(name)
    for number in range(COMMANDS):
        run_id, text = chance.choice(runs), f"{name}.{number}"
        arguments = ["--root", str(root), "event", "append", run_id, "note.step", "--message", text]
        timed(
            say,
            text,
            run_id,
            lambda arguments=arguments: subprocess.run(  # type: ignore[misc]
                [sys.executable, "-c", COMMAND, *arguments], cwd=ROOT, check=True, capture_output=True
            ),
        )


def writer(how: Writer, root: Path, name: str, runs: list[str]) -> Child:
    return started(lambda say: how(root, name, runs, say))


def looker(root: Path, runs: list[str]) -> Child:
    """Somebody who reads state.json as it lies, as dashboards and `jq` do, until there is no more to see."""

    def look(say: Say) -> None:
        revs = dict.fromkeys(runs, 0)
        looks = 0
        end = root / "all is written"
        while looks < LOOKS_MAX and not end.exists():
            for run_id in runs:
                document = json.loads((root / "runs" / run_id / "state.json").read_bytes())
                rev = document["log"]["rev"]
                assert rev >= revs[run_id], f"{run_id} went from {revs[run_id]} back to {rev}"
                assert document["runId"] == run_id
                revs[run_id] = rev
                looks += 1
            # Two busy cores belong to the writers.
            time.sleep(0.001)
        say(looks=looks, revs=revs)

    return started(look)


@pytest.mark.parametrize("count", [1, 8], ids=["one run", "eight runs"])
def test_many_writers_of_every_kind_lose_nothing(count: int, tmp_path: Path, figures: Figures) -> None:
    """Ten servers on one folder are the normal case, beside a person at a terminal and a script."""
    (tmp_path / "opentask.toml").write_text(f"lock_wait_s = {WAIT_S}\n")
    runs = [f"run-{number}" for number in range(count)]
    with opened(tmp_path) as registry:
        for run_id in runs:
            create(registry, run_id)
    readers = [looker(tmp_path, runs) for _ in range(2 if LONG else 1)]
    writers = {
        f"library-{number}": writer(by_library, tmp_path, f"library-{number}", runs)
        for number in range(KINDS["library"])
    }
    writers |= {f"MCP-{number}": writer(by_server, tmp_path, f"MCP-{number}", runs) for number in range(KINDS["MCP"])}
    writers["CLI"] = writer(by_commands, tmp_path, "CLI", runs)
    ended: dict[str, Ended] = {name: child.end() for name, child in writers.items()}
    (tmp_path / "all is written").touch()
    seen = [reader.end() for reader in readers]

    for one in [*ended.values(), *seen]:
        assert one.get("bug") is None, one.get("bug")
    made = {name: [words for words in one.said if "text" in words] for name, one in ended.items()}
    refused = {words["conflict"] for one in ended.values() for words in one.said if "conflict" in words}
    assert sum(map(len, made.values())) + len(refused) == CHANGES * sum(KINDS.values()) + COMMANDS
    with opened(tmp_path) as registry:
        for run_id in runs:
            notes = Counter(
                logged.event.message
                for logged in registry.store.events(run_id, limit=1_000_000)
                if logged.event.name == "note.step"
            )
            assert notes == Counter(
                words["text"] for all_made in made.values() for words in all_made if words["run"] == run_id
            )
            assert registry.store.validate(run_id) == []
            last = registry.read(run_id).run.log.rev
            assert all(reader.get("revs")[run_id] <= last for reader in seen)
    tell(figures, count, made, conflicts=len(refused), looks=sum(reader.get("looks") for reader in seen))


def tell(figures: Figures, runs: int, made: dict[str, list[dict[str, object]]], *, conflicts: int, looks: int) -> None:
    """Waits and fairness are told, not judged: they depend on the machine."""
    waits = {name: [float(str(words["ms"])) for words in all_made] for name, all_made in made.items()}
    means = {name: sum(times) / len(times) for name, times in waits.items()}
    for kind in (*KINDS, "CLI"):
        own = {name: mean for name, mean in means.items() if name.startswith(kind)}
        waited = sorted(wait for name in own for wait in waits[name])
        figures.say(
            f"{runs} run{'s' * (runs > 1)}, {len(own)} writer{'s' * (len(own) > 1)} by {kind}: "
            f"mean {min(own.values()):.1f} to {max(own.values()):.1f} ms a change"
            f"{', starting Python included' * (kind == 'CLI')}, "
            f"99 of 100 within {waited[len(waited) * 99 // 100]:.0f} ms, the longest {waited[-1]:.0f} ms, "
            f"fairness {fairness(list(own.values())):.3f}"
        )
    changes = sum(map(len, made.values()))
    figures.say(f"{changes:,} changes beside {looks:,} looks at state.json, {conflicts} honest conflicts")


def fairness(shares: list[float]) -> float:
    """1 when all have the same, 1/n when one has it all.

    Jain, Chiu and Hawe, A Quantitative Measure of Fairness and Discrimination, DEC-TR-301, 1984.
    """
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def test_a_writer_that_stops_in_the_middle_keeps_nobody_for_ever(tmp_path: Path) -> None:
    """A laptop lid closes on a server that holds the lock; the others must hear of it, and go on when it wakes."""
    with opened(tmp_path) as registry:
        create(registry, "run-0")
        reads, writes = os.pipe()
        waits, wakes = os.pipe()

        def hold(say: Say) -> None:
            with opened(tmp_path) as mine, mine.store.locked("run-0", wait_s=5, op="claim_node"):
                os.write(writes, b"held")
                os.read(waits, 1)

        sleeper = started(hold)
        assert os.read(reads, 4) == b"held"
        os.kill(sleeper.pid, signal.SIGSTOP)
        store = registry.store
        with pytest.raises(LockTimeout, match=f"process {sleeper.pid}"), store.locked("run-0", wait_s=0.05, op="x"):
            pass
        os.write(wakes, b"g")
        os.kill(sleeper.pid, signal.SIGCONT)
        assert sleeper.end().get("bug") is None
        registry.transact("run-0", AppendEvent(actor=AGENT, event="note.step", message="on"))
        assert registry.store.validate("run-0") == []
        for descriptor in (reads, writes, waits, wakes):
            os.close(descriptor)
