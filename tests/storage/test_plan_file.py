"""`workflow.lock.md` of a run: titles and prompts may be edited, the rest is refused with the mend."""

from pathlib import Path

import pytest

from registry.core.events import Decision
from registry.core.run import Run
from registry.storage.files.store import FileStore
from registry.storage.port import PlanEdit
from tests.storage.given import created, given_run, noted


@pytest.fixture
def lock_file(store: FileStore, tmp_path: Path) -> Path:
    store.create(created(given_run()))
    return tmp_path / "runs" / "demo-1" / "workflow.lock.md"


def edit(lock_file: Path, old: str, new: str) -> str:
    text = lock_file.read_text()
    assert old in text
    lock_file.write_text(text.replace(old, new, 1))
    return lock_file.read_text()


def told(store: FileStore) -> PlanEdit | None:
    with store.locked("demo-1", wait_s=5, op="test") as session:
        return session.plan_edit()


def retitled(run: Run, title: str) -> Decision:
    decision = noted(run)
    plan = run.plan.model_copy(update={"title": title})
    return Decision(run=decision.run.model_copy(update={"plan": plan}), events=decision.events)


def test_a_plan_nobody_edited_tells_nothing(store: FileStore, again: FileStore, lock_file: Path) -> None:
    """Every mutation looks; a false alarm would write an event each time."""
    assert (told(store), told(again)) == (None, None)
    lock_file.touch()
    assert (told(store), told(again)) == (None, None)


def test_edited_titles_and_prompts_are_told_once(store: FileStore, again: FileStore, lock_file: Path) -> None:
    """A person corrects a prompt with an editor; the next change takes it over."""
    edit(lock_file, "title: A demo", "title: A better demo")
    edit(lock_file, "title: Node n1", "title: The second")
    edit(lock_file, "do it (n2)", "do it twice")

    expected = PlanEdit(title="A better demo", titles={"n1": "The second"}, prompts={"n2": "do it twice"})
    assert [told(store), told(store), told(again)] == [expected, None, expected]


def test_a_plan_edit_that_was_committed_is_kept_and_written_anew(
    store: FileStore, again: FileStore, lock_file: Path
) -> None:
    """The editor's own file, comments and all, is not thrown away."""
    text = edit(lock_file, "title: A demo", "title: A better demo # mine")
    with store.locked("demo-1", wait_s=5, op="test") as session:
        heard = session.plan_edit()
        assert heard is not None and heard.title == "A better demo"
        run = session.commit(retitled(session.run, heard.title)).run

    (kept,) = lock_file.parent.glob(".workflow.lock.md.edited-*")
    assert kept.read_text() == text
    assert ("# mine" not in lock_file.read_text(), "A better demo" in lock_file.read_text()) == (True, True)
    assert (told(again), again.read("demo-1").run, again.validate("demo-1")) == (None, run, [])


def test_other_edits_are_refused_with_the_call_that_makes_them(store: FileStore, lock_file: Path) -> None:
    """Ids, needs and kinds cannot change under a run that goes; the tool for it can be named."""
    edit(lock_file, "id: n2", "id: n3")
    edit(lock_file, "kind: session_turn", "kind: subagent")

    heard = told(store)

    assert heard is not None
    assert (heard.titles, heard.prompts) == ({}, {})
    assert heard.refused == (
        "in workflow.lock.md the kind of node 'n0' was changed; that is not taken from the file. "
        "Use change_plan run_id='demo-1' action='add_node' node_id='n0'",
        "in workflow.lock.md node 'n2' was taken out; that is not taken from the file. "
        "Use change_plan run_id='demo-1' action='remove_node' node_id='n2'",
        "in workflow.lock.md node 'n3' was added; that is not taken from the file. "
        "Use change_plan run_id='demo-1' action='add_node' node_id='n3'",
    )
    assert [problem.code for problem in store.validate("demo-1")] == ["plan_edited"] * 3


def test_a_broken_plan_file_is_told_kept_and_written_anew_with_the_next_change(
    store: FileStore, lock_file: Path
) -> None:
    """A typing mistake in YAML must not stop the run."""
    good = lock_file.read_text()
    text = edit(lock_file, "nodes:", "nodes: [")
    with store.locked("demo-1", wait_s=5, op="test") as session:
        heard = session.plan_edit()
        assert heard is not None
        assert heard.refused[0].startswith("workflow.lock.md cannot be read as a workflow (")
        session.commit(noted(session.run))

    (kept,) = lock_file.parent.glob(".workflow.lock.md.edited-*")
    assert (kept.read_text(), lock_file.read_text()) == (text, good)


def test_a_plan_changed_by_another_process_is_no_edit(store: FileStore, again: FileStore, lock_file: Path) -> None:
    """Two servers must not take each other's lock file for a person's words."""
    assert told(store) is None
    with again.locked("demo-1", wait_s=5, op="test") as session:
        run = session.commit(retitled(session.run, "Another title")).run

    with store.locked("demo-1", wait_s=5, op="test") as session:
        assert (session.run, session.plan_edit()) == (run, None)
        session.commit(noted(session.run))
    assert list(lock_file.parent.glob(".workflow.lock.md.edited-*")) == []


def test_a_kill_before_the_plan_file_was_written_is_no_edit_either(
    store: FileStore, again: FileStore, lock_file: Path
) -> None:
    """The file still says the old titles; taking them over would undo what was committed."""
    old = lock_file.read_bytes()
    state = lock_file.with_name("state.json").read_bytes()
    with store.locked("demo-1", wait_s=5, op="test") as session:
        session.commit(retitled(session.run, "Another title"))
    lock_file.write_bytes(old)
    lock_file.with_name("state.json").write_bytes(state)

    with again.locked("demo-1", wait_s=5, op="test") as session:
        assert (session.run.plan.title, session.plan_edit()) == ("Another title", None)
        session.commit(noted(session.run))
    assert "Another title" in lock_file.read_text()
    assert again.validate("demo-1") == []


@pytest.mark.parametrize("left", [b"", bytes(900)])
def test_a_name_that_a_loss_of_power_left_without_its_bytes_is_no_edit(
    again: FileStore, lock_file: Path, left: bytes
) -> None:
    """The file is not synced, and a person must not be told of an edit that nobody made."""
    lock_file.write_bytes(left)

    assert told(again) is None
    assert [problem.code for problem in again.validate("demo-1")] == ["projection_missing"]
