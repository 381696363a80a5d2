"""Files of nodes, written and read through the registry."""

import hashlib

import pytest

from registry.core.workflow import Outputs
from registry.operations.artifacts import ReadArtifactResult
from registry.operations.caller import Caller
from registry.operations.fit import ANSWER_CHARS_MAX, chars
from registry.registry import Registry
from tests.operations.changing.asking import ask, claimed, errand, finished, given_run, refusal

HERE = {"run_id": "audit-1", "node_id": "gather"}


def _read(caller: Caller, path: str, **more: object) -> dict[str, object]:
    return ask(caller, "read_artifact", run_id="audit-1", path=path, **more)


@pytest.mark.parametrize(
    "path", ["findings.md", "./findings.md", "nodes/gather/findings.md", "{run_dir}/nodes/gather/findings.md"]
)
def test_a_file_is_meant_by_its_name_its_run_path_or_its_place(caller: Caller, path: str) -> None:
    """Agents know one of the three; all lead to one file."""
    given_run(caller)
    path = path.format(run_dir=caller.registry.store.run_dir("audit-1"))

    answer = ask(caller, "write_artifact", **HERE, path=path, content="# F\n")

    assert (answer["path"], answer["bytes"]) == ("nodes/gather/findings.md", 4)
    assert _read(caller, path, node_id="gather")["content"] == "# F\n"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("../speed/report.md", "path is '../speed/report.md'; it may not lead upwards (..)"),
        ("a/../../b.md", "path is 'a/../../b.md'; it may not lead upwards (..)"),
        ("/etc/passwd", "path is '/etc/passwd'; it must be relative to the run's folder, and stay in it"),
        ("~/x", "path is '~/x'; it must be relative to the run's folder, and stay in it"),
        ("C:\\x", "path is 'C:\\\\x'; it must be relative to the run's folder, and stay in it"),
        ("a\\b", "path is 'a\\\\b'; folders are separated by /"),
        (".hidden", "path is '.hidden'; names that begin with a dot are the registry's own"),
        ("a\0b", "path is 'a b'; it holds a character that cannot be printed"),
        ("", "path is empty"),
        ("data/", "path 'data/' names a folder, not a file"),
        ("nodes/gather", "path is 'nodes/gather'; it names no file of a node"),
        ("nodes/speed/x.md", "path is in the folder of node 'speed', but node_id is 'gather'"),
        ("handoff.md", "handoff.md has its own tool: write_handoff writes it, with the head that a worker needs"),
        ("result.json", "result.json has its own tool: finish_node writes it from summary and payload"),
    ],
)
def test_what_leaves_the_nodes_folder_is_refused(caller: Caller, path: str, told: str) -> None:
    """The path comes from a model that may have read hostile text."""
    given_run(caller)

    line = refusal(caller, "write_artifact", **HERE, path=path, content="x").splitlines()[0]

    assert line == f"invalid_request: {told}"


def test_a_file_that_the_workflow_asks_for_elsewhere_can_be_written(caller: Caller) -> None:
    """Else a node could be made to wait for a file that nobody may write."""
    given_run(caller, errand(outputs=Outputs(mode="report", required_files=("out/audit.md",))))

    ask(caller, "write_artifact", run_id="audit-1", node_id="work", path="out/audit.md", content="# A")

    assert _read(caller, "out/audit.md")["content"] == "# A"
    assert finished(caller, claimed(caller), report=None)["status"] == "completed"


def test_append_adds_to_a_long_file(caller: Caller) -> None:
    """A request is at most 1 MiB; a report may be more."""
    given_run(caller)
    ask(caller, "write_artifact", **HERE, path="log.md", content="one\n")

    answer = ask(caller, "write_artifact", **HERE, path="log.md", content="two\n", mode="append")

    assert answer["bytes"] == 8
    assert _read(caller, "log.md", node_id="gather")["content"] == "one\ntwo\n"


def test_a_file_of_another_attempt_is_refused_by_its_fence(caller: Caller) -> None:
    """A worker that was replaced must not overwrite its successor's report; a new name it may take."""
    given_run(caller)
    claimed(caller)

    told = refusal(caller, "write_artifact", **HERE, path="report.md", content="x", fence="9-aaaaaaaa")

    assert told.startswith("lease_lost: ")
    assert ask(caller, "write_artifact", **HERE, path="late-1.md", content="x")["bytes"] == 1


def test_slices_make_the_whole_file_again(caller: Caller) -> None:
    """No character is cut in two or lost between slices, whatever bytes it takes."""
    given_run(caller)
    text = 'aé€😀"\n' * 3_000
    ask(caller, "write_artifact", **HERE, path="long.md", content=text)

    read, answer = "", _read(caller, "long.md", node_id="gather")
    for _ in range(20):
        read += str(answer["content"])
        assert chars(ReadArtifactResult.model_validate(answer)) <= ANSWER_CHARS_MAX
        if "next_offset" not in answer:
            break
        answer = _read(caller, "long.md", node_id="gather", offset=answer["next_offset"])

    assert read == text
    assert answer["bytes"] == len(text.encode())


def test_an_offset_inside_a_character_goes_on_with_the_next(caller: Caller) -> None:
    """Offsets count bytes; a made-up one must not break the text."""
    given_run(caller)
    ask(caller, "write_artifact", **HERE, path="e.md", content="éa")

    answer = _read(caller, "e.md", node_id="gather", offset=1)

    assert (answer["content"], answer["offset"]) == ("a", 2)
    assert refusal(caller, "read_artifact", **HERE, path="e.md", offset=99).splitlines()[0] == (
        "invalid_request: offset is 99; nodes/gather/e.md is 3 bytes long"
    )


def test_a_document_that_is_still_to_come_is_empty(caller: Caller) -> None:
    """An orchestrator looks for a report before it is there; that is no error."""
    given_run(caller)

    answer = _read(caller, "report.md", node_id="gather")

    assert {key: answer[key] for key in ("content", "bytes", "note")} == {
        "content": "",
        "bytes": 0,
        "note": "nothing is written there yet; node gather is ready",
    }


def test_a_misspelt_file_is_answered_with_the_files_there_are(caller: Caller) -> None:
    """It is a mistake, and an empty text would hide it."""
    given_run(caller)
    ask(caller, "write_artifact", **HERE, path="findings.md", content="x")

    assert refusal(caller, "read_artifact", **HERE, path="finding.md") == (
        "not_found: node 'gather' has no file 'finding.md'; did you mean 'nodes/gather/findings.md'?\n"
        "hint: its files: nodes/gather/findings.md\n"
        'next: read_artifact {"run_id": "audit-1", "path": "nodes/gather/findings.md"}'
    )


def test_the_registrys_own_files_are_read_through_tools(caller: Caller) -> None:
    """They hold fences, which only a claim may give."""
    given_run(caller)

    assert refusal(caller, "read_artifact", run_id="audit-1", path="state.json") == (
        "forbidden: state.json is the registry's own file\n"
        "hint: get_run shows what is in it\n"
        'next: get_run {"run_id": "audit-1"}'
    )
    assert refusal(caller, "read_artifact", run_id="audit-1", path="report.md").splitlines()[:2] == [
        "invalid_request: 'report.md' does not say of which node",
        "hint: send node_id too, or the path nodes/<node_id>/report.md",
    ]


@pytest.mark.parametrize("registry", ["files"], indirect=True)
def test_the_plan_can_be_read_and_binary_is_told_by_size_and_hash(caller: Caller, registry: Registry) -> None:
    """A picture in an answer would be noise; its hash says whether it is the right one."""
    given_run(caller)
    picture = b"\x89PNG\0\xff" * 100
    place = registry.root / "runs/audit-1/nodes/gather/plot.png"
    place.write_bytes(picture)

    answer = _read(caller, "plot.png", node_id="gather")

    assert answer == {
        "run_id": "audit-1",
        "path": "nodes/gather/plot.png",
        "offset": 0,
        "bytes": 600,
        "sha256": hashlib.sha256(picture).hexdigest(),
        "note": f"not UTF-8 text; the file is {place}",
        "next": [],
    }
    assert "workflowId: audit" in str(_read(caller, "workflow.lock.md")["content"])


@pytest.mark.parametrize("registry", ["files"], indirect=True)
def test_a_link_out_of_the_run_is_not_followed(caller: Caller, registry: Registry) -> None:
    """A worker with a shell could leave a link for a reader with more rights."""
    given_run(caller)
    (registry.root / "secret").write_text("key")
    (registry.root / "runs/audit-1/nodes/gather/report.md").symlink_to(registry.root / "secret")

    assert "key" not in refusal(caller, "read_artifact", **HERE, path="report.md")
