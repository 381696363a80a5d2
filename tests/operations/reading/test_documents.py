"""The registry read by address."""

import json
from pathlib import Path

import pytest

from registry.errors import NotFound, RegistryError
from registry.operations.documents import complete, read_resource, recent_resources
from registry.registry import Registry
from tests.operations.reading.asking import AUDIT_TEXT, Asker, start, work


@pytest.fixture
def ask(registry: Registry) -> Asker:
    asker = Asker(registry)
    start(asker)
    return asker


_EVERY_ADDRESS = ("", "/refs", "/events", "/control", "/workflow", "/graph", "/nodes/gather", "/nodes/gather/report.md")


def test_every_address_of_a_run_can_be_read(ask: Asker) -> None:
    """A host that lists addresses must be able to open each."""
    work(ask, "gather")
    found = {end: read_resource(ask.registry, f"opentask://runs/audit-1{end}") for end in _EVERY_ADDRESS}

    assert json.loads(found[""].text)["nodes"][0]["status"] == "completed"
    assert json.loads(found["/refs"].text)["rootSessionKey"] == "agent:opentask:opentask:audit-1"
    assert json.loads(found["/events"].text.splitlines()[0])["event"] == "run.created"
    assert (found["/control"].text, found["/control"].note) == ("", "nobody has asked anything of this run yet")
    assert "workflowId: audit" in found["/workflow"].text
    assert found["/graph"].text.startswith("flowchart TD\n")
    documents = json.loads(found["/nodes/gather"].text)["documents"]
    assert "report.md" in [document["name"] for document in documents]
    assert (found["/nodes/gather/report.md"].mime, found["/nodes/gather/report.md"].text.strip()) == (
        "text/markdown",
        "# Found nothing",
    )


def test_no_document_shows_a_fence(ask: Asker) -> None:
    """state.json keeps it on disk; what is handed out must not."""
    fence = str(ask("claim_node", run_id="audit-1", node_id="gather", request_id="r1")["fence"])
    ask("heartbeat_node", run_id="audit-1", fence=fence, message="half")

    for end in (*_EVERY_ADDRESS, "/nodes/gather/result.json"):
        assert fence not in read_resource(ask.registry, f"opentask://runs/audit-1{end}").text


def test_a_result_that_its_writer_did_not_live_to_write_is_read_all_the_same(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is completed, and whoever waits for it must not be told that nothing is there."""
    work(ask, "gather")
    address = "opentask://runs/audit-1/nodes/gather/result.json"
    written = read_resource(ask.registry, address).text
    monkeypatch.setattr(ask.registry.store, "read_file", lambda *_, **__: (b"", 0))

    document = read_resource(ask.registry, address)
    answer = ask("read_artifact", run_id="audit-1", path="nodes/gather/result.json", limit=20)

    assert (document.text, document.note) == (written, None)
    assert (answer["content"], answer["next_offset"], answer["bytes"]) == (written[:20], 20, len(written))


def test_a_document_not_yet_written_is_empty_with_a_note(ask: Asker) -> None:
    """An error would read as a fault of the node, which only has not got so far."""
    document = read_resource(ask.registry, "opentask://runs/audit-1/nodes/gate/report.md")

    assert (document.text, document.note) == ("", "nodes/gate/report.md is not written yet")


@pytest.mark.parametrize(
    "uri",
    [
        "opentask://runs/none",
        "opentask://runs/audit-1/nodes/none",
        "opentask://runs/audit-1/nodes/none/report.md",
        "opentask://workflows/none",
        "opentask://runs",
        "opentask://runs/",
        "opentask://other/x",
        "opentask://runs/audit-1/secret",
        "opentask://runs/audit-1?x=1",
        "opentask://runs/..%2F..%2Fetc/refs",
        "opentask://runs/audit-1/nodes/gather/..%2F..%2Frefs.json",
        "opentask://runs/audit-1/nodes/gather/../../refs.json",
        "opentask://runs/audit-1/nodes/gather//x",
        "opentask://runs/audit-1/nodes/gather/%00",
        "file:///etc/passwd",
        "",
        "opentask://[",
    ],
)
def test_an_address_of_nothing_is_not_found(ask: Asker, uri: str) -> None:
    """Addresses come from outside; none may reach a file that is not a document of the run."""
    with pytest.raises(NotFound):
        read_resource(ask.registry, uri)


def test_events_are_read_on_from_where_one_stopped(ask: Asker) -> None:
    """A follower asks with the last number it saw."""
    for number in range(5):
        ask("append_event", run_id="audit-1", event="note.count", message=str(number))
    whole = read_resource(ask.registry, "opentask://runs/audit-1/events").text.splitlines()
    part = read_resource(ask.registry, "opentask://runs/audit-1/events?since_seq=1&limit=2")

    assert part.text.splitlines() == whole[1:3]
    assert part.note == "events after 3 are left: since_seq=3"
    with pytest.raises(RegistryError, match="events takes since_seq and limit"):
        read_resource(ask.registry, "opentask://runs/audit-1/events?since_seq=x")


def test_recent_runs_and_their_reports_are_listed(ask: Asker) -> None:
    """What a person picks from in a host's menu."""
    work(ask, "gather")
    rows, after = recent_resources(ask.registry, None)

    assert [(row.uri, row.name, row.mime) for row in rows] == [
        ("opentask://runs/audit-1", "audit-1", "application/json"),
        ("opentask://runs/audit-1/nodes/gather/report.md", "audit-1/nodes/gather/report.md", "text/markdown"),
    ]
    assert after is None


def test_the_list_is_paged(ask: Asker) -> None:
    """Hosts that read all pages must come to an end, and see each run once."""
    for number in range(30):
        ask("scaffold_run", task_text="x", run_id=f"t{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        rows, cursor = recent_resources(ask.registry, cursor)
        seen += [row.name for row in rows]
        if cursor is None:
            break
    assert sorted(seen) == sorted(["audit-1", *(f"t{number}" for number in range(30))])


def test_ids_are_completed(ask: Asker) -> None:
    """A person types three letters and is offered what there is."""
    folder = ask.registry.root / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    Path(folder / "audit.task.md").write_text(AUDIT_TEXT)
    work(ask, "gather")

    assert complete(ask.registry, "run_id", "au", {}) == ["audit-1"]
    assert complete(ask.registry, "node_id", "g", {"run_id": "audit-1"}) == ["gather", "gate"]
    assert complete(ask.registry, "node_id", "", {}) == []
    assert complete(ask.registry, "node_id", "", {"run_id": "none"}) == []
    assert complete(ask.registry, "workflow_id", "", {}) == ["audit"]
    assert complete(ask.registry, "agent_id", "c", {}) in (["cc"], [])
    assert complete(ask.registry, "name", "re", {"run_id": "audit-1", "node_id": "gather"}) == [
        "report.md",
        "result.json",
    ]
    assert complete(ask.registry, "goal", "x", {}) == []
