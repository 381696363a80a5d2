"""list_workflows, validate_workflow and scaffold_run."""

from pathlib import Path

import pytest

from registry.core.record import Json
from registry.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from registry.operations.parse import parse_request
from registry.operations.scaffold import SCAFFOLD_RUN
from registry.registry import Registry
from tests.operations.reading.asking import AUDIT_TEXT, Answer, Asker, start


@pytest.fixture
def ask(registry: Registry) -> Asker:
    return Asker(registry)


@pytest.fixture
def workflows(registry: Registry) -> Path:
    folder = registry.root / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audit.task.md").write_text(AUDIT_TEXT)
    return folder


def rows(value: Json) -> list[Answer]:
    assert isinstance(value, list)
    return [row for row in value if isinstance(row, dict)]


def test_a_run_starts_with_all_that_is_needed_to_go_on(ask: Asker) -> None:
    """One call: where the files are, what is ready, how to be woken, what to call."""
    answer = start(ask)

    assert (answer["created"], answer["status"], answer["became_ready"]) == (True, "running", ["gather"])
    assert answer["title"] == "Audit of ./web"
    assert answer["counts"] == {"ready": 1, "pending": 3}
    assert answer["nodes"] == [
        {"node_id": "gather", "kind": "session_turn", "status": "ready"},
        {"node_id": "security", "kind": "subagent", "status": "pending", "needs": ["gather"]},
        {"node_id": "gate", "kind": "approval", "status": "pending", "needs": ["security"], "title": "May it be sent?"},
        {"node_id": "summary", "kind": "summary", "status": "pending", "needs": ["gate"], "added": True},
    ]
    assert answer["driver"] == {
        "cron": "*/2 * * * *",
        "declaration_key": "opentask:run:audit-1",
        "message": 'OpenTask: wake run audit-1. Call tick_run {"run_id": "audit-1"} once and do what `next` says; '
        "if `next` is empty, end your turn.",
    }
    assert [call["tool"] for call in rows(answer["next"])] == ["claim_node", "host", "bind_session"]
    assert str(answer["run_dir"]).endswith("audit-1")


def test_one_sentence_is_a_run_of_one_node(ask: Asker) -> None:
    """An errand needs no workflow; it is as durable as any other run."""
    answer = ask("scaffold_run", task_text="Water the plants.\nAll of them.", request_id="r")

    assert answer["title"] == "Water the plants."
    assert str(answer["run_id"]).startswith("task-")
    assert answer["nodes"] == [{"node_id": "work", "kind": "session_turn", "status": "ready"}]
    assert "driver" not in answer


def test_the_same_call_again_gives_the_same_run(ask: Asker) -> None:
    """A host that timed out sends the call again; there must not be two runs."""
    first = start(ask)
    again = start(ask)
    assert (first["created"], again["created"], again["run_id"]) == (True, False, "audit-1")

    one = ask("scaffold_run", task_text="Water the plants", request_id="req 1")
    two = ask("scaffold_run", task_text="Water the plants", request_id="req 1")
    assert (two["run_id"], two["created"], two["repeated"]) == (one["run_id"], False, True)


def test_a_known_id_with_other_inputs_is_a_conflict(ask: Asker) -> None:
    """Else an agent would go on with somebody else's run, believing it its own."""
    start(ask)
    with pytest.raises(Conflict, match="run 'audit-1' exists already, of another workflow or with other inputs"):
        ask("scaffold_run", workflow_text=AUDIT_TEXT, run_id="audit-1", inputs={"repo": "./api"})


def test_ids_made_for_the_caller_do_not_collide(ask: Asker) -> None:
    """Two agents that start the same workflow at once get a run each."""
    ids = {str(ask("scaffold_run", task_text="x")["run_id"]) for _ in range(20)}

    assert len(ids) == 20


def test_a_workflow_is_named_by_path_by_file_or_by_id(ask: Asker, workflows: Path) -> None:
    """`audit` is what models send; it means the one file of that name."""
    for number, path in enumerate(("workflows/audit.task.md", "audit.task.md", "audit", "./workflows/audit.task.md")):
        answer = ask("scaffold_run", workflow_path=path, run_id=f"r{number}", inputs={"repo": "x"})
        assert answer["created"] is True


def test_an_unknown_workflow_is_answered_with_the_nearest(ask: Asker, workflows: Path) -> None:
    """The path that is meant, ready to send."""
    with pytest.raises(NotFound) as refused:
        ask("scaffold_run", workflow_path="workflows/adit.task.md")

    assert refused.value.message == "no workflow 'workflows/adit.task.md'; did you mean 'workflows/audit.task.md'?"
    assert refused.value.next[0].args == {"workflow_path": "workflows/audit.task.md"}


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "workflows/../../x.task.md", "", "a\0b"])
def test_no_path_leads_out_of_the_workflows_folder(ask: Asker, workflows: Path, path: str) -> None:
    """A prompt injection must not read the machine's files through a workflow path."""
    for tool in ("scaffold_run", "validate_workflow"):
        with pytest.raises((NotFound, InvalidRequest)):
            ask(tool, workflow_path=path)


def test_exactly_one_source_is_asked_for(ask: Asker) -> None:
    """Two of them leave open which is meant; none of them nothing to do."""
    with pytest.raises(InvalidRequest) as two:
        ask("scaffold_run", workflow_path="audit", workflow_text="x")
    assert two.value.message == "give exactly one of workflow_path, workflow_text, task_text; you gave two"

    with pytest.raises(InvalidRequest) as none:
        ask("scaffold_run")
    assert none.value.message == "give exactly one of workflow_path, workflow_text, task_text; you gave none"

    with pytest.raises(InvalidRequest, match="give exactly one of workflow_path, workflow_text; you gave none"):
        ask("validate_workflow")


def test_the_guess_workflow_is_told_its_true_name(ask: Asker, workflows: Path) -> None:
    """The first thing that models send; the next call in the refusal works as it stands."""
    with pytest.raises(InvalidRequest) as refused:
        parse_request(SCAFFOLD_RUN, {"workflow": "audit", "inputs": {"repo": "x"}})
    assert refused.value.message == "scaffold_run has no argument 'workflow'; did you mean 'workflow_path'?"

    assert refused.value.next[0].args["workflow_path"] == "audit"
    assert ask("scaffold_run", {**refused.value.next[0].args, "inputs": {"repo": "x"}})["created"] is True


def test_missing_inputs_are_all_named(ask: Asker) -> None:
    """One refusal, not one a value."""
    with pytest.raises(InvalidRequest, match=r"input 'repo' is required; give text"):
        ask("scaffold_run", workflow_text=AUDIT_TEXT)


def test_an_empty_or_endless_task_is_refused(ask: Asker) -> None:
    """A run of nothing never ends; a prompt of a megabyte fits no model."""
    with pytest.raises(InvalidRequest, match="task_text is empty"):
        ask("scaffold_run", task_text=" \n ")
    with pytest.raises(LimitExceeded, match="the limit is 32,768"):
        ask("scaffold_run", task_text="x" * 40_000)


def test_a_workflow_with_faults_starts_nothing(ask: Asker) -> None:
    """Every fault with its place, and no half-made run."""
    broken = AUDIT_TEXT.replace("needs: [gather]", "needs: [gathr]")
    with pytest.raises(InvalidRequest, match="workflow_text:"):
        ask("scaffold_run", workflow_text=broken, run_id="audit-1", inputs={"repo": "x"})
    with pytest.raises(NotFound):
        ask("get_run", run_id="audit-1")


def test_every_fault_is_placed_and_mended(ask: Asker, workflows: Path) -> None:
    """An author mends them all in one go."""
    broken = AUDIT_TEXT.replace("needs: [gather]", "needs: [gathr]").replace("kind: approval", "kind: aproval")
    (workflows / "broken.task.md").write_text(broken)
    answer = ask("validate_workflow", workflow_path="broken")

    assert answer["ok"] is False
    assert [row["where"] for row in rows(answer["faults"])] == [
        "workflows/broken.task.md:14:13",
        "workflows/broken.task.md:19:11",
    ]
    assert all("mend" in row or "did you mean" in str(row["message"]) for row in rows(answer["faults"]))
    assert answer["next"] == []


def test_a_sound_workflow_leads_to_its_run(ask: Asker, workflows: Path) -> None:
    """The next call is complete but for what only the caller knows."""
    answer = ask("validate_workflow", workflow_path="audit")

    assert (answer["ok"], answer["workflow_id"], answer["node_count"], answer["faults"]) == (True, "audit", 3, [])
    assert rows(answer["next"])[0]["args"] == {
        "workflow_path": "workflows/audit.task.md",
        "inputs": {"repo": "<repo>"},
    }


def test_definitions_are_listed_with_what_they_ask_for(ask: Asker, workflows: Path) -> None:
    """Choosing a template must not cost a read of each."""
    (workflows / "broken.task.md").write_text("no front matter")
    answer = ask("list_workflows")

    assert answer["workflows"] == [
        {
            "path": "workflows/audit.task.md",
            "workflow_id": "audit",
            "title": "Audit of {{ inputs.repo }}",
            "node_count": 3,
            "inputs": [{"name": "repo", "type": "string", "required": True, "description": "What to look at"}],
        },
        {"path": "workflows/broken.task.md", "faults": 1},
    ]
    assert [call["tool"] for call in rows(answer["next"])] == ["scaffold_run", "validate_workflow"]


def test_definitions_are_searched_and_paged(ask: Asker, workflows: Path) -> None:
    """A team may have hundreds of them."""
    for number in range(30):
        text = AUDIT_TEXT.replace("workflowId: audit", f"workflowId: w{number:02}")
        (workflows / f"w{number:02}.task.md").write_text(text)
    first = ask("list_workflows", text="w0", limit=6)
    second = ask("list_workflows", text="w0", limit=6, cursor=first["next_cursor"])

    assert [row["workflow_id"] for row in [*rows(first["workflows"]), *rows(second["workflows"])]] == [
        f"w{number:02}" for number in range(10)
    ]
    assert "next_cursor" not in second
    with pytest.raises(InvalidRequest, match="cursor is not one that this list gave"):
        ask("list_workflows", text="other", cursor=first["next_cursor"])


def test_only_the_command_line_may_name_a_file_elsewhere(registry: Registry, tmp_path: Path) -> None:
    """A person's shell can read the file anyway; a model's call must not be a way to it."""
    elsewhere = tmp_path / "elsewhere.task.md"
    elsewhere.write_text(AUDIT_TEXT)

    assert Asker(registry, person=True)("validate_workflow", workflow_path=str(elsewhere))["ok"] is True
    with pytest.raises((NotFound, InvalidRequest)):
        Asker(registry)("validate_workflow", workflow_path=str(elsewhere))
