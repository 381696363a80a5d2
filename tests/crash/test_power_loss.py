"""Whatever a page cache leaves of a change when the power goes, the run is at a whole mutation."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.formats import trail
from registry.formats.event_line import read_object
from registry.storage.files import appending

from .conftest import LONG, Figures
from .disk import FATES, Fate, Recording, after, described, images, lay_out, tree_of
from .given import CASES, Case, copied, opened, prepared, removed
from .judging import History, faults, history_of

SHOWN = 5
DISKS = 300 if LONG else 24
"""Disks looked at for each change; of more than that some are drawn by lot, always the same ones."""
TWICE, DISKS_TWICE = (6, 60) if LONG else (2, 24)
"""After how many losses of power another one is tried, and how many disks of it."""
NOTHING_LOST = Fate("nothing lost", frozenset(), {})


def recorded(case: Case, root: Path) -> Recording:
    """The change, written down call by call."""
    recording = Recording(root)
    with opened(root, on_told=recording.told) as registry, recording:
        case.act(registry)
    return recording


def what_fails(
    case: Case, history: History, recording: Recording, scratch: Path, *, seeds: int, most: int = DISKS
) -> Iterator[str]:
    """One sentence for every disk that is not as it must be, an empty one for every disk that is."""
    disks = list(images(recording, seeds=seeds))
    for tree, told, how in disks if len(disks) < most else random.Random(1).sample(disks, k=most):
        root = lay_out(tree, scratch / "image")
        found = faults(case, history, root, at_least=told or history.first_rev, may_miss_results=True)
        removed(root)
        yield f"{how}, told of {told}: {'; '.join(found)}" if found else ""


pytestmark = pytest.mark.usefixtures("still_clock")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_loss_of_power_leaves_whole_mutations_and_all_that_was_acknowledged(
    case: Case, scratch: Path, figures: Figures, seeds: int
) -> None:
    """Syncs are the only thing between a week of work and a power cut; one that is missing shows only then."""
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    recording = recorded(case, root)
    # A record that misses a change would prove nothing.
    end = after(recording, len(recording.steps), NOTHING_LOST, random.Random(0))
    assert _without_notes(end) == _without_notes(tree_of(root))

    results = list(what_fails(case, history, recording, scratch, seeds=seeds))

    figures.add("disk images after a loss of power", len(results))
    failed = [result for result in results if result]
    assert failed == [], "\n".join([f"{len(failed)} of {len(results)} disks:", *failed[:SHOWN], *described(recording)])


def _without_notes(tree: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """A tree without what is disposable: who held a lock, and the index, which SQLite writes past us."""
    return {path: text for path, text in tree.items() if ".run.lock" not in path and "index.sqlite" not in path}


@pytest.mark.parametrize("name", ["notes", "bind", "inbox"])
def test_power_may_go_again_while_the_first_loss_is_mended(name: str, scratch: Path, figures: Figures) -> None:
    """Machines that lose power once often lose it again within the minute."""
    case = next(case for case in CASES if case.name == name)
    root = prepared(case, scratch / "before")
    first = recorded(case, root)
    chance = random.Random(7)
    disks = [disk for disk in images(first, seeds=2) if disk[1]]
    for tree, told, how in chance.sample(disks, k=min(len(disks), TWICE)):
        image = lay_out(tree, scratch / "once")
        again = Case(f"{case.name}, {how}", lambda registry: registry.tick(case.run_id))
        with opened(copied(image, scratch / "seen"), durability="process") as registry:
            before = registry.store.read(case.run_id).run
        removed(scratch / "seen")
        assert before.log.rev >= told
        second_history = history_of(again, image, scratch / "history")
        second = recorded(again, image)
        results = list(what_fails(again, second_history, second, scratch, seeds=0, most=DISKS_TWICE))
        failed = [result for result in results if result]
        figures.add("disk images after a second loss of power", len(results))
        assert failed == [], "\n".join([how, *failed[:SHOWN], *described(second)])
        removed(image)


@pytest.mark.parametrize(
    ("missing", "case_name"),
    [("fdatasync of the trail", "note"), ("sync of folders", "create"), ("checksums", "note"), ("the count", "bind")],
)
def test_the_proof_fails_without_what_it_proves(
    missing: str, case_name: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof that cannot fail proves nothing: with one promise taken out of the code, a disk shows it."""
    case = next(case for case in CASES if case.name == case_name)
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    if missing == "fdatasync of the trail":
        monkeypatch.setattr(appending, "sync_bytes", lambda descriptor, step: None)
    elif missing == "sync of folders":
        monkeypatch.setattr("registry.storage.files.creating.sync", lambda descriptor, **_: None)
    recording = recorded(case, root)
    monkeypatch.undo()
    if missing == "checksums":
        monkeypatch.setattr("registry.formats.event_line.crc32", lambda text: 0)
        monkeypatch.setattr(trail, "read_sealed", read_object)
    elif missing == "the count":
        monkeypatch.setattr(trail, "place_in_mutation", lambda sealed: (1, 1))

    assert any(what_fails(case, history, recording, scratch, seeds=30, most=100_000))


def test_every_fate_of_bytes_is_one_that_a_disk_can_give(scratch: Path) -> None:
    """What no disk can do would send people after faults that do not exist."""
    root = scratch / "root"
    root.mkdir()
    (root / "old").write_bytes(b"a" * 700)
    recording = Recording(root)
    with recording:
        descriptor = os.open(root / "old", os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, b"b" * 1000)
        os.close(descriptor)
        made = os.open(root / "new", os.O_WRONLY | os.O_CREAT)
        os.write(made, b"c" * 600)
        os.fsync(made)
        os.close(made)

    def left(how: str, *, lost: frozenset[int] = frozenset()) -> dict[str, bytes | None]:
        return after(recording, len(recording.steps), Fate(how, lost, {1: how, 2: how}), random.Random(3))

    assert left("keep") == {"old": b"a" * 700 + b"b" * 1000, "new": b"c" * 600}
    assert left("drop") == {"old": b"a" * 700, "new": b"c" * 600}
    assert left("drop", lost=frozenset({1})) == {"old": b"a" * 700}
    assert left("zero")["old"] == b"a" * 700 + bytes(1000)
    for how in FATES:
        text = left(how)["old"]
        assert text is not None
        assert text.startswith(b"a" * 700)
        assert 700 <= len(text) <= 1700
