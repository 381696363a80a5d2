"""Pipes, links, folders and huge files wherever a registry has a file: nothing hangs, nothing leaves the root."""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.operations.documents import read_resource
from tests.doctor.given import OTHER, RUN, Given, opened
from tests.fuzz.hostile import LONG, no_hang

PLACES = (
    f"runs/{RUN}/events.jsonl", f"runs/{RUN}/state.json", f"runs/{RUN}/refs.json", f"runs/{RUN}/workflow.lock.md",
    f"runs/{RUN}/control.jsonl", f"runs/{RUN}/.run.lock", f"runs/{RUN}/.torn", f"runs/{RUN}/nodes",
    f"runs/{RUN}/nodes/gather", f"runs/{RUN}/nodes/build", f"runs/{RUN}/nodes/gather/report.md",
    f"runs/{RUN}/nodes/build/result.json", f"runs/{RUN}/nodes/build/report.md", f"runs/{RUN}/nodes/build/findings.md",
    f"runs/{RUN}/nodes/build/handoff.md", f"runs/{RUN}", "workflows/demo.task.md", "workflows/new.task.md", "archive",
    "archive/2026-01", f"archive/2026-01/{RUN}", ".locks", ".locks/agent-cc.lock", ".opentask", ".opentask/plans",
    ".opentask/index.sqlite3", f".opentask/plans/{RUN}.json",
)  # fmt: skip


def pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def link_out(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "x")


def link_to_a_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def link_to_itself(path: Path, outside: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "made-by-a-write")


def folder(path: Path, outside: Path) -> None:
    path.mkdir()
    (path / "inner").write_text("x")


def device(path: Path, outside: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path, outside: Path) -> None:
    """A hole of three gigabytes, which takes no room and would take all memory."""
    with path.open("wb") as file:
        file.truncate(3 << 30)


def nonsense(path: Path, outside: Path) -> None:
    path.write_bytes(b'\xff\xfe{"a":' * 1_000)


ODDITIES: tuple[Callable[[Path, Path], None], ...] = (
    pipe, link_out, link_to_a_folder, link_to_itself, link_to_nothing, folder, device, nonsense,
)  # fmt: skip
CALLS: tuple[tuple[str, dict[str, object]], ...] = (
    ("list_runs", {}),
    ("list_workflows", {}),
    ("validate_workflow", {"workflow_path": "demo"}),
    ("get_run", {"run_id": RUN}),
    ("get_run", {"run_id": RUN, "view": "events"}),
    ("get_run", {"run_id": RUN, "node_id": "build"}),
    ("read_artifact", {"run_id": RUN, "path": "nodes/gather/report.md"}),
    ("read_artifact", {"run_id": RUN, "path": "events.jsonl"}),
    ("write_artifact", {"run_id": RUN, "node_id": "build", "path": "findings.md", "content": "# Found"}),
    ("write_handoff", {"run_id": RUN, "node_id": "sum", "goal": "Sum it up."}),
    ("claim_node", {"agent_id": "cc"}),
    ("tick_run", {"run_id": RUN}),
    ("request_control", {"run_id": RUN, "action": "send_message", "message": "a word"}),
    ("list_tasks", {}),
    ("scaffold_run", {"task_text": "Sing.", "run_id": "sung"}),
    ("validate_run", {"run_id": RUN}),
    ("doctor", {}),
)


CASES = [(place, odd) for place in PLACES for odd in ODDITIES]
CHOSEN = CASES if LONG else random.Random(7).sample(CASES, k=54)


@pytest.mark.parametrize(("place", "odd"), CHOSEN, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_whatever_stands_in_a_files_place_is_refused_in_words(
    work: Given, place: str, odd: Callable[[Path, Path], None]
) -> None:
    """A folder that somebody unpacked must not make a server write elsewhere, hang or fall over."""
    path = work.root / place
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    odd(path, work.root.parent / "outside")

    with no_hang(60):
        finish: dict[str, object] = {"run_id": RUN, "node_id": "build", "fence": work.fence, "outcome": "completed"}
        calls: tuple[tuple[str, dict[str, object]], ...] = (
            *CALLS,
            ("finish_node", finish),
            ("repair_run", {"run_id": RUN}),
        )
        for name, arguments in calls:
            try:
                work.ask(name, **arguments)
            except RegistryError as refusal:
                assert refusal.message
        registry = opened(work.root)
        for uri in (f"opentask://runs/{RUN}", f"opentask://runs/{RUN}/state", "opentask:recent"):
            try:
                read_resource(registry, uri)
            except RegistryError as refusal:
                assert refusal.message
    assert work.ask("get_run", run_id=OTHER)["run_id"] == OTHER


@pytest.mark.parametrize("place", [place for place in PLACES if "." in place.rpartition("/")[2]])
def test_a_file_of_gigabytes_takes_no_memory(work: Given, place: str) -> None:
    """A sparse file is made in a moment; reading it whole would end the server."""
    path = work.root / place
    if path.is_dir():
        pytest.skip("a folder")
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    huge(path, work.root)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
            for name in ("get_run", "list_runs", "tick_run"):
                with contextlib.suppress(RegistryError):
                    work.ask(name, run_id=RUN) if name != "list_runs" else work.ask(name)
            status = 0
        except MemoryError:
            status = 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_unpacked_run_of_somebody_else_is_only_data(work: Given, tmp_path: Path) -> None:
    """Ids, paths and texts in a foreign folder are as hostile as any argument."""
    state = json.loads((work.folder / "state.json").read_bytes())
    state["runId"] = "../../outside"
    state["nodes"][0]["id"] = "../../../outside/x"
    strange = work.root / "runs" / "strange"
    strange.mkdir()
    (strange / "state.json").write_text(json.dumps(state))
    (strange / "events.jsonl").write_text('{"event":"node.completed","nodeId":"../../x","payload":{}}\n')

    for name in ("get_run", "tick_run", "repair_run", "validate_run"):
        try:
            work.ask(name, run_id="strange")
        except RegistryError as refusal:
            assert refusal.message
    assert work.ask("list_runs")["runs"]
