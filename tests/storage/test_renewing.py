"""Files that every change replaces: names change places, so that nothing is forced to the disk."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage import failpoints
from registry.storage.failpoints import Failpoint
from registry.storage.files import swapping
from registry.storage.files.atomic import renew
from registry.storage.files.store import FileStore
from tests.storage.given import created, given_run, noted


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


@pytest.fixture(params=["swapped", "renamed"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system call and, as elsewhere than on Linux, without it."""
    if request.param == "renamed":
        monkeypatch.setattr(swapping, "_renameat2", lambda: None)
    return str(request.param)


def note(store: FileStore, text: str) -> tuple[str, ...]:
    """Change a run; gives the warnings of it."""
    with store.locked("demo-1", wait_s=5, op="test") as session:
        return session.commit(noted(session.run, text)).warnings


@pytest.mark.usefixtures("ways")
def test_a_reader_has_the_old_text_or_the_new_one(folder: int, tmp_path: Path) -> None:
    """Whoever has the old file open reads it to its end; it is nobody's to be written over."""
    renew(folder, "state.json", b"first")
    with (tmp_path / "state.json").open("rb") as reader:
        renew(folder, "state.json", b"second, and longer")
        renew(folder, "state.json", b"3rd")

        assert reader.read() == b"first"
    assert (tmp_path / "state.json").read_bytes() == b"3rd"
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.usefixtures("ways")
def test_a_folder_in_its_place_stays_with_all_that_is_in_it(folder: int, tmp_path: Path) -> None:
    """A sync client or a person may have put one there; it is not ours to move or to empty."""
    (tmp_path / "state.json").mkdir()
    (tmp_path / "state.json" / "mine.txt").write_text("mine")

    with pytest.raises(IsADirectoryError):
        renew(folder, "state.json", b"text")

    assert (tmp_path / "state.json" / "mine.txt").read_text() == "mine"
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.usefixtures("ways")
def test_a_link_in_its_place_is_replaced_and_not_followed(folder: int, tmp_path: Path) -> None:
    """Else whoever can put a link there has us write wherever it leads."""
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "state.json").symlink_to("elsewhere")

    renew(folder, "state.json", b"text")

    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert not (tmp_path / "state.json").is_symlink()
    assert (tmp_path / "state.json").read_bytes() == b"text"


def test_names_that_are_not_there_do_not_change_places(folder: int, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")

    assert not swapping.swap(folder, "one", "none")
    assert not swapping.swap(folder, "none", "one")
    assert os.listdir(tmp_path) == ["one"]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux lets names change places")
def test_an_error_after_which_nothing_is_known_is_no_refusal(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that did it and failed to say so: a rename behind it would put the old text back."""
    renew(folder, "state.json", b"old")
    real = swapping._renameat2()
    assert real is not None

    def done_and_failed(*names: int | bytes) -> int:
        real[0](*names)  # type: ignore[arg-type]
        return -1

    monkeypatch.setattr(swapping, "_renameat2", lambda: (done_and_failed, lambda: errno.EIO))

    with pytest.raises(OSError, match="Input/output error"):
        renew(folder, "state.json", b"new")

    assert (tmp_path / "state.json").read_bytes() == b"new"


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux lets names change places")
def test_an_old_text_that_cannot_be_taken_away_is_left_over(store: FileStore, tmp_path: Path) -> None:
    """The change stands and its projection is right; what is left is what a kill would leave."""
    store.create(created(given_run()))
    failpoints.arm(Failpoint("replace.drop", "eio"))
    try:
        warnings = note(store, "told")
    finally:
        failpoints.arm(None)

    assert warnings == ()
    assert FileStore(str(tmp_path), now=store._now).read("demo-1").run == store.read("demo-1").run
    left = [name for name in os.listdir(tmp_path / "runs" / "demo-1") if name.endswith(".tmp")]
    assert len(left) == 1
    assert left[0].startswith(".state.json.")


@pytest.mark.parametrize("text", [b"", b"\0" * 3_000])
def test_what_a_loss_of_power_left_empty_costs_nothing(store: FileStore, tmp_path: Path, text: bytes) -> None:
    """A name may reach the disk before the bytes: the trail has them all, and no empty file is kept as an edit."""
    store.create(created(given_run()))
    note(store, "before the power went")
    expected = store.read("demo-1").run
    run = tmp_path / "runs" / "demo-1"
    for name in ("state.json", "refs.json"):
        (run / name).write_bytes(text)
    another = FileStore(str(tmp_path), now=store._now)

    assert {(one.code, one.severity) for one in another.validate("demo-1")} == {("projection_missing", "warning")}
    assert another.read("demo-1").run == expected
    assert note(another, "after it") == ()
    assert [name for name in os.listdir(run) if "edited" in name] == []
    assert [one.code for one in another.validate("demo-1")] == []
    another.close()
