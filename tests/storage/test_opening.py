"""Paths come from models and people: nothing leads out of a run, nothing blocks."""

import os
import threading
from pathlib import Path

import pytest

from registry.core.events import FileWrite
from registry.errors import Forbidden, InvalidRequest, NotFound, RegistryError
from registry.storage.files.store import FileStore
from tests.storage.given import created, given_run, noted

REPORT = "nodes/n0/report.md"


@pytest.fixture
def folder(store: FileStore, tmp_path: Path) -> Path:
    store.create(created(given_run(), FileWrite(REPORT, b"a report")))
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "runs" / "demo-1"


def write(store: FileStore, path: str) -> None:
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(noted(session.run, files=(FileWrite(path, b"new"),)))


@pytest.mark.parametrize(
    "path", ["../../secret", "nodes/../../../secret", "/etc/passwd", "", ".", "nodes/", "a\0b", "nodes\\n0"]
)
def test_a_path_that_leads_out_is_refused_before_anything_is_opened(store: FileStore, folder: Path, path: str) -> None:
    """A model that was talked into it must not read another's files."""
    with pytest.raises(InvalidRequest):
        store.read_file("demo-1", path, offset=0, limit=10)
    with pytest.raises(InvalidRequest):
        write(store, path)
    assert store.read("demo-1").run.log.rev == 1


def test_links_pipes_devices_and_folders_are_refused(store: FileStore, folder: Path) -> None:
    """A link could point anywhere, a pipe would block the lock for ever."""
    node = folder / "nodes" / "n0"
    (node / "link.md").symlink_to(folder.parent.parent / "secret")
    (node / "away").symlink_to(folder.parent.parent)
    os.mkfifo(node / "pipe.md")
    (node / "folder.md").mkdir()

    for name in ("link.md", "away/secret", "pipe.md", "folder.md"):
        path = f"nodes/n0/{name}"
        with pytest.raises(Forbidden):
            store.read_file("demo-1", path, offset=0, limit=10)
        with pytest.raises(Forbidden):
            write(store, path)
        with store.locked("demo-1", wait_s=5, op="test") as session:
            assert session.sizes([path]) == {}
    assert (folder.parent.parent / "secret").read_text() == "secret"
    assert store.files("demo-1", "n0") == [(REPORT, 8)]
    assert [name for name in os.listdir(node) if name.startswith(".")] == []


def test_a_device_is_refused(store: FileStore, folder: Path) -> None:
    """/dev/zero never ends."""
    try:
        os.mknod(folder / "nodes" / "n0" / "zero", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")

    with pytest.raises((Forbidden, RegistryError)):
        store.read_file("demo-1", "nodes/n0/zero", offset=0, limit=10)


def test_a_run_that_is_a_link_is_no_run(store: FileStore, folder: Path) -> None:
    """Two names of one folder would have two locks."""
    (folder.parent / "other").symlink_to(folder)

    with pytest.raises((Forbidden, NotFound)):
        store.read("other")
    assert list(store.run_ids()) == ["demo-1"]


def test_a_file_swapped_for_a_link_under_our_hands_is_never_followed(store: FileStore, folder: Path) -> None:
    """A check before the opening would be too early: the swap may come between."""
    place, stop = folder / "nodes" / "n0" / "swap.md", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.unlink(missing_ok=True)
            place.symlink_to(folder.parent.parent / "secret")
            place.unlink()
            place.write_text("plain")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(500):
            try:
                seen.add(store.read_file("demo-1", "nodes/n0/swap.md", offset=0, limit=10)[0])
            except Forbidden:
                seen.add(b"refused")
    finally:
        stop.set()
        thread.join()

    assert seen <= {b"", b"plain", b"refused"}


@pytest.mark.parametrize(
    "path", ["state.json", "events.jsonl", "workflow.lock.md", ".run.lock", ".torn/x", "./refs.json"]
)
def test_an_artifact_cannot_take_the_place_of_the_registrys_own_files(
    store: FileStore, folder: Path, path: str
) -> None:
    """Writing the trail through an artifact would be forging it."""
    with pytest.raises(Forbidden):
        write(store, path)
    assert store.validate("demo-1") == []


def test_an_artifact_may_lie_deeper_and_outside_the_nodes(store: FileStore, folder: Path) -> None:
    """Workflows name files such as reports/final.md; folders are made on the way."""
    write(store, "reports/2026/final.md")

    assert store.read_file("demo-1", "reports/2026/final.md", offset=0, limit=10) == (b"new", 3)
