"""What the machine may run out of: a clear error, nothing half done, and work goes on when the cause is gone."""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from registry import clock
from registry.errors import LockTimeout, RegistryError
from registry.registry import Registry

from .children import Say, done, started
from .conftest import LONG, Figures
from .given import CASES, NOW, RUN, Case, bind, claim, copied, create, finish, note, opened, prepared, removed
from .judging import faults, history_of

NOBODY = 65_534
KINDS = ("note", "claim", "finish with artifacts", "bind", "control", "add a node", "create", "inbox")


def the(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def limited(limit: int, value: int) -> None:
    resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_may_grow_no_more_is_said_and_leaves_nothing(name: str, scratch: Path, figures: Figures) -> None:
    """A quota or a full disk stops at any byte: of an artifact, of the trail, of a projection."""
    case = the(name)
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    trail = root / "runs" / RUN / "events.jsonl"
    size = trail.stat().st_size if trail.exists() else 0
    rooms = range(0, 6_000, 150 if LONG else 1_500)
    for room in rooms:
        tree = copied(root, scratch / "tried")

        def work(say: Say, tree: Path = tree, room: int = room) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            with opened(tree, on_told=lambda rev: say(told=rev)) as registry:
                limited(resource.RLIMIT_FSIZE, size + room)
                try:
                    case.act(registry)
                except RegistryError as error:
                    say(refused=error.code, message=error.message)
                limited(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)

        ended = done(work)
        assert ended.get("bug") is None, ended.get("bug")
        if ended.get("refused"):
            assert (ended.get("refused"), ended.get("told")) == ("storage_full", None)
            assert "nothing was changed" in ended.get("message")
            found = faults(
                case, history, tree, at_least=history.first_rev, at_most=max(history.first_rev, history.last_rev - 1)
            )
        else:
            found = faults(case, history, tree, at_least=history.last_rev)
        assert found == [], f"{room} bytes left: {found}"
        removed(tree)
        figures.add("full disks")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB, where this machine lets us mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,nr_inodes=400", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up_refuses_and_goes_on_when_there_is_room(small_disk: Path, figures: Figures) -> None:
    """The disk of a build machine fills up over night; in the morning nothing may be half done."""
    root = small_disk / "root"
    root.mkdir()
    codes: list[str] = []
    told: list[int] = []
    with opened(root) as registry:
        create(registry)
        for number in range(400):
            try:
                told.append(note(registry, f"note {number}", fill=3_000))
            except RegistryError as error:
                codes.append(error.code)
                assert "nothing was changed" in error.message
                if len(codes) == 20:
                    break
        before = registry.read(RUN).run
        assert told == list(range(2, len(told) + 2))
        assert before.log.rev == told[-1]
        with pytest.raises(RegistryError) as refused:
            create(registry, "other-1")
        assert refused.value.code == "storage_full"
        ballast = next(path for path in (root / "runs").rglob("*") if path.name == "workflow.lock.md")
        ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    with opened(root) as registry:
        assert registry.read(RUN).run == before
        assert note(registry) == before.log.rev + 1
        create(registry, "other-1")
        assert [problem for problem in registry.store.validate(RUN) if problem.severity == "error"] == []
    assert set(codes) == {"storage_full"}
    assert sorted(os.listdir(root / "runs")) == [RUN, "other-1"]
    figures.add("full disks")


def as_nobody() -> None:
    """Root may do everything; be somebody who may not."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def given_to_all(root: Path) -> None:
    """A tree that nobody owns, below folders that nobody may enter."""
    for path in [root, *root.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    for parent in root.parents:
        if os.geteuid() == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


@pytest.fixture
def shared(scratch: Path) -> Path:
    """A registry with a run, which somebody without rights may use."""
    root = scratch / "root"
    root.mkdir()
    with opened(root) as registry:
        create(registry)
    given_to_all(root)
    return root


READ_ONLY = {"the run's folder": f"runs/{RUN}", "the trail": f"runs/{RUN}/events.jsonl", "runs": "runs"}


@pytest.mark.parametrize("what", READ_ONLY)
def test_what_may_not_be_written_is_said_and_is_written_when_it_may(what: str, shared: Path) -> None:
    """A folder restored by another user, a mount gone read-only: reading goes on, writing says why not."""
    path = shared / READ_ONLY[what]
    mode = path.stat().st_mode

    def work(say: Say) -> None:
        as_nobody()
        path.chmod(mode & ~0o222)
        with opened(shared) as registry:
            before = registry.read(RUN).run
            try:
                create(registry, "other-1") if what == "runs" else note(registry)
                say(told=registry.read(RUN).run.log.rev)
            except RegistryError as error:
                say(refused=error.code, message=error.message, same=registry.read(RUN).run == before)
            path.chmod(mode)
            create(registry, "other-1") if what == "runs" else note(registry)
            say(went_on=registry.store.validate(RUN) == [])

    ended = done(work)

    assert ended.get("bug") is None, ended.get("bug")
    if what == "the run's folder":
        # The trail can be appended to; only the projections cannot be replaced, which is a warning.
        assert ended.get("told") == 2
    else:
        assert (ended.get("refused"), ended.get("same")) == ("storage_full", True)
        assert "Permission denied" in ended.get("message")
    assert ended.get("went_on") is True


def test_a_run_that_may_not_be_read_is_said(shared: Path) -> None:
    """Without a traceback a person sees at once whose files they are."""
    (shared / "runs" / RUN).chmod(0)

    def work(say: Say) -> None:
        as_nobody()
        with opened(shared) as registry:
            for look in (lambda: registry.read(RUN), lambda: note(registry)):
                try:
                    look()
                except RegistryError as error:
                    say(refused=error.code, message=error.message)
        say(done=True)

    ended = done(work)

    assert ended.get("bug") is None, ended.get("bug")
    assert [words["refused"] for words in ended.said if "refused" in words] == ["storage_full"] * 2
    assert "Permission denied" in ended.get("message")


def only_spare(spare: int) -> None:
    """Leave this process so many descriptors."""
    limited(resource.RLIMIT_NOFILE, 256)
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for descriptor in taken[:spare]:
            os.close(descriptor)


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("name", KINDS)
def test_too_many_open_files_are_said_and_leave_nothing(name: str, scratch: Path, figures: Figures) -> None:
    """A server that leaks descriptors elsewhere must not write half a change here."""
    case = the(name)
    root = prepared(case, scratch / "before")
    history = history_of(case, root, scratch / "history")
    refusals = 0
    for spare in range(0, 12, 1 if LONG else 3):
        tree = copied(root, scratch / "tried")

        def work(say: Say, tree: Path = tree, spare: int = spare) -> None:
            with opened(tree, on_told=lambda rev: say(told=rev)) as registry:
                if case.prepare:
                    registry.read(case.run_id)
                only_spare(spare)
                try:
                    case.act(registry)
                except RegistryError as error:
                    say(refused=error.code, message=error.message)

        ended = done(work)
        assert ended.get("bug") is None, ended.get("bug")
        refusals += ended.get("refused") is not None
        if ended.get("refused"):
            assert ended.get("refused") == "storage_full"
            assert "Too many open files" in ended.get("message")
        told = ended.get("told") or history.first_rev
        assert faults(case, history, tree, at_least=told) == [], spare
        removed(tree)
        figures.add("shortages of open files")
    assert refusals


def test_a_holder_that_hangs_is_named(tmp_path: Path) -> None:
    """Somebody must be told which process to look at; one that is killed holds nothing."""
    with opened(tmp_path) as registry:
        create(registry)
    reads, writes = os.pipe()

    def hang(say: Say) -> None:
        with opened(tmp_path) as registry, registry.store.locked(RUN, wait_s=5, op="claim_node"):
            os.write(writes, b"held")
            signal.pause()

    holder = started(hang)
    assert os.read(reads, 4) == b"held"
    with opened(tmp_path) as registry:
        with pytest.raises(LockTimeout) as refused, registry.store.locked(RUN, wait_s=0.05, op="finish_node"):
            pass
        assert f"process {holder.pid} (claim_node since 20" in refused.value.message
        assert registry.read(RUN).run.log.rev == 1
        os.kill(holder.pid, signal.SIGKILL)
        assert holder.end().was_killed
        assert note(registry) == 2
    os.close(reads)
    os.close(writes)


def times_of(registry: Registry) -> list[str]:
    return [logged.event.timestamp for logged in registry.store.events(RUN, limit=1_000)]


@pytest.mark.parametrize(
    ("hands", "is_ordered"),
    [
        ((0, -3600, -7200, 5), True),
        ((0, -86_400 * 400, -86_400 * 400 + 1), False),
        ((0, 86_400 * 365 * 73, 86_400 * 365 * 73 + 1, 2, 3), False),
    ],
    ids=["an hour back", "a year back", "2099 and back"],
)
def test_a_clock_that_jumps_breaks_nothing(
    hands: tuple[int, ...], is_ordered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines wake up in 2099 or an hour ago; the work must stand, and small steps back must not show."""
    with opened(tmp_path) as registry:
        for seconds in hands:
            monkeypatch.setattr(clock, "now", lambda seconds=seconds: NOW + timedelta(seconds=seconds))
            create(registry) if not seconds else note(registry, f"at {seconds}")
        claim(registry)
        finish(registry)
        bind(registry)
        run = registry.read(RUN).run
        assert run.state.nodes["gather"].status == "completed"
        assert [problem for problem in registry.store.validate(RUN) if problem.severity == "error"] == []
        times = times_of(registry)
        assert (times == sorted(times)) is is_ordered
        # A time that is absurdly far ahead is not clung to: what comes after is dated right again.
        assert abs(datetime.fromisoformat(times[-1]) - clock.now()) <= timedelta(days=1)
    with opened(tmp_path) as another:
        assert another.read(RUN).run == run


def test_a_root_that_disappears_is_said_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    """A removable disk is pulled out, a folder is renamed for a moment."""
    root, away = tmp_path / "root", tmp_path / "away"
    root.mkdir()
    with opened(root) as registry:
        create(registry)
        assert note(registry) == 2
        root.rename(away)
        for look in (lambda: registry.read(RUN), lambda: note(registry), lambda: create(registry, "other-1")):
            with pytest.raises(RegistryError, match="was there and is gone"):
                look()
        assert [path.name for path in tmp_path.iterdir()] == ["away"]
        away.rename(root)
        assert note(registry) == 3

        shutil.copytree(root, away)
        assert note(registry) == 4
        root.rename(tmp_path / "spoilt")
        away.rename(root)
        # A restored backup is what counts, not the folder that this process has open.
        assert registry.read(RUN).run.log.rev == 3
        assert note(registry) == 4
        assert [problem for problem in registry.store.validate(RUN) if problem.severity == "error"] == []
        spoilt = (tmp_path / "spoilt" / "runs" / RUN / "events.jsonl").read_bytes()
        assert spoilt != (root / "runs" / RUN / "events.jsonl").read_bytes()
