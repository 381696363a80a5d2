"""list_runs, get_run and tick_run: to go on from nothing, and to stop when there is nothing."""

import json

import pytest

from registry.core.record import Json
from registry.errors import InvalidRequest, NotFound
from registry.registry import Registry
from tests.operations.reading.asking import Answer, Asker, start, work


@pytest.fixture
def ask(registry: Registry) -> Asker:
    return Asker(registry)


def rows(value: Json) -> list[Answer]:
    assert isinstance(value, list)
    return [row for row in value if isinstance(row, dict)]


def test_a_restarted_agent_finds_the_run_and_what_to_do(ask: Asker) -> None:
    """list_runs, get_run and its first next call are all that a session needs to go on."""
    start(ask)
    work(ask, "gather")

    listed = ask("list_runs", status="open")
    (row,) = rows(listed["runs"])
    assert (row["run_id"], row["attention"]) == ("audit-1", "ready to be claimed: security")
    assert rows(listed["next"])[0]["args"] == {"run_id": "audit-1"}

    seen = ask("get_run", run_id="audit-1")
    assert seen["purpose"] == "Finds what is wrong with a repository."
    assert seen["inputs"] == [{"name": "repo", "value": "./web"}]
    assert seen["counts"] == {"ready": 1, "pending": 2, "completed": 1}
    assert [node["node_id"] for node in rows(seen["nodes"])] == ["security", "gate", "summary", "gather"]
    assert rows(seen["next"])[0]["tool"] == "write_handoff"
    assert "idle_because" not in seen


def test_lists_carry_no_prompt_and_no_report(ask: Asker) -> None:
    """Twenty rows with their texts would fill a context."""
    start(ask)
    work(ask, "gather")

    for answer in (ask("list_runs"), ask("get_run", run_id="audit-1")):
        assert "Look at ./web" not in json.dumps(answer)
        assert "# Found nothing" not in json.dumps(answer)


def test_detailed_adds_the_beginning_of_prompts_and_the_bindings(ask: Asker) -> None:
    """An orchestrator that lost its context sees what each node is about."""
    start(ask)
    seen = ask("get_run", run_id="audit-1", view="detailed")

    assert rows(seen["nodes"])[0]["prompt"] == "Look at ./web."
    assert isinstance(seen["bindings"], dict)
    assert seen["bindings"]["source_session_key"] == "agent:opentask:opentask:audit-1"


def test_one_node_is_shown_with_all_it_left(ask: Asker) -> None:
    """A worker that goes on after another reads one answer and no file."""
    start(ask)
    work(ask, "gather")
    seen = ask("get_run", run_id="audit-1", node_id="gather")

    assert isinstance(seen["node"], dict)
    assert (seen["node"]["status"], seen["node"]["summary"]) == ("completed", "done")
    assert seen["prompt"] == "Look at ./web."
    assert str(seen["report_text"]).strip() == "# Found nothing"
    assert {"path": "nodes/gather/report.md"}.items() <= rows(seen["files"])[0].items() or "nodes/gather/report.md" in [
        file["path"] for file in rows(seen["files"])
    ]


def test_events_are_newest_first_and_lead_back_to_the_beginning(ask: Asker) -> None:
    """What happened last is what is asked for; the rest is one cursor away."""
    start(ask)
    for number in range(45):
        ask("append_event", run_id="audit-1", event="note.count", message=str(number))

    page = ask("get_run", run_id="audit-1", view="events")
    seen = [event["seq"] for event in rows(page["events"])]
    assert rows(page["events"])[0]["message"] == "44"
    while "next_cursor" in page:
        page = ask("get_run", run_id="audit-1", view="events", cursor=page["next_cursor"])
        seen += [event["seq"] for event in rows(page["events"])]

    assert seen == sorted(seen, key=lambda seq: -int(str(seq)))
    assert seen[-1] == 1


@pytest.mark.parametrize("view", ["concise", "detailed", "events", "refs"])
def test_no_view_shows_a_fence(ask: Asker, view: str) -> None:
    """Whoever reads a run must not be able to finish somebody else's work by mistake."""
    start(ask)
    fence = str(ask("claim_node", run_id="audit-1", node_id="gather", request_id="r1")["fence"])

    assert fence not in json.dumps(ask("get_run", run_id="audit-1", view=view))
    assert fence not in json.dumps(ask("get_run", run_id="audit-1", node_id="gather"))


def test_polling_gets_a_short_answer_that_ends_the_turn(ask: Asker) -> None:
    """A loop of get_run costs tokens and moves nothing."""
    started = start(ask)
    Asker(ask.registry, "other")("claim_node", run_id="audit-1", node_id="gather")
    rev = ask("get_run", run_id="audit-1")["rev"]
    seen = ask("get_run", run_id="audit-1", since_rev=rev)

    assert seen["idle_because"] == "others are at work on 'gather'; end your turn"
    assert (seen["nodes"], seen["next"]) == ([], [])
    assert "title" not in seen and "purpose" not in seen
    assert [node["node_id"] for node in rows(ask("get_run", run_id="audit-1", since_rev=started["rev"])["nodes"])] == [
        "gather"
    ]


def test_a_long_run_is_paged_by_nodes(ask: Asker) -> None:
    """A run of hundreds of nodes must not be cut in the middle by the host."""
    nodes = "".join(f"  - {{id: n{n}, title: N, kind: session_turn, prompt: p}}\n" for n in range(50))
    text = f"---\nworkflowId: many\ntitle: Many\nnodes:\n{nodes}---\n"
    ask("scaffold_run", workflow_text=text, run_id="many-1")

    page = ask("get_run", run_id="many-1")
    assert (len(rows(page["nodes"])), page["more_nodes"]) == (20, 31)
    seen = [node["node_id"] for node in rows(page["nodes"])]
    while "next_cursor" in page:
        page = ask("get_run", run_id="many-1", cursor=page["next_cursor"])
        seen += [node["node_id"] for node in rows(page["nodes"])]
    assert seen == [*(f"n{n}" for n in range(50)), "summary"]


def test_an_invented_run_is_answered_with_what_there_is(ask: Asker) -> None:
    """Agents make up `run-001` after a restart; the refusal is where they find the true one."""
    for number in range(5):
        start(ask, f"audit-{number}")
    with pytest.raises(NotFound) as refused:
        ask("get_run", run_id="run-001")
    assert refused.value.message == "no run 'run-001'; newest open: 'audit-4', 'audit-3', 'audit-2'"

    with pytest.raises(NotFound) as near:
        ask("tick_run", run_id="audit3")
    assert near.value.message.startswith("no run 'audit3'; nearest: 'audit-3' (running)")
    assert near.value.next[0].args == {"run_id": "audit-3"}
    assert near.value.hint == "list_runs shows all"


def test_a_misspelt_node_is_answered_with_the_nearest(ask: Asker) -> None:
    """A typing mistake should cost one call, not a read of the run."""
    start(ask)
    with pytest.raises(NotFound, match="run 'audit-1' has no node 'secuirty'; did you mean 'security'"):
        ask("get_run", run_id="audit-1", node_id="secuirty")


def test_runs_are_found_by_what_people_remember(ask: Asker) -> None:
    """A title, an agent, a session, a workflow: whatever the user said."""
    start(ask)
    ask("scaffold_run", task_text="Water the plants", run_id="plants", source_session_key="agent:bo:main")

    def found(**filters: object) -> list[Json]:
        return [row["run_id"] for row in rows(ask("list_runs", filters)["runs"])]

    assert found(text="PLANTS") == ["plants"]
    assert found(workflow_id="audit") == ["audit-1"]
    assert found(session_key="agent:bo:main") == ["plants"]
    assert found(agent_id="bo") == ["plants"]
    assert found(status=["failed", "completed"]) == []
    assert sorted(map(str, found(status="open"))) == ["audit-1", "plants"]


def test_changed_since_shows_what_changed_after_the_last_answer(ask: Asker) -> None:
    """A monitor asks again with `as_of` and misses nothing."""
    start(ask)
    as_of = ask("list_runs")["as_of"]
    start(ask, "audit-2")

    assert rows(ask("list_runs", changed_since=as_of)["runs"])[0]["run_id"] == "audit-2"
    assert ask("list_runs", changed_since="2999-01-01T00:00:00+01:00")["runs"] == []


def test_a_wrong_status_names_the_right_ones(ask: Asker) -> None:
    """`done` is what models guess."""
    with pytest.raises(InvalidRequest, match="it must be open, all, draft, running"):
        ask("list_runs", status="done")


def test_a_wake_for_nothing_ends_the_turn(ask: Asker) -> None:
    """A cron job wakes the agent every two minutes; a person must not be asked each time."""
    start(ask)
    work(ask, "gather")
    work(ask, "security")
    seen = ask("tick_run", run_id="audit-1")

    assert (seen["advanced"], seen["next"]) == ([], [])
    assert seen["idle_because"] == "a person must decide about 'gate'; end your turn"


def test_an_effect_nobody_asked_for_is_named(ask: Asker) -> None:
    """A mistyped effect id would otherwise be carried out for ever."""
    start(ask)
    seen = ask("tick_run", run_id="audit-1", effects_done=["effect-9-9"])

    assert seen["warnings"] == ["no effect or message 'effect-9-9' is pending"]


def test_a_message_from_a_person_is_read_once(ask: Asker) -> None:
    """It stays in every answer until somebody says it was read, and then in none."""
    start(ask)
    Asker(ask.registry, person=True)("request_control", run_id="audit-1", action="send_message", message="Be brief")
    (message,) = rows(ask("get_run", run_id="audit-1")["messages"])
    assert (message["message"], message["by"]) == ("Be brief", "maria")

    ask("tick_run", run_id="audit-1", effects_done=[message["id"]])
    assert ask("get_run", run_id="audit-1")["messages"] == []
