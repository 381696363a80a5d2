"""Every broken workflow in broken/ beside the faults that its author must read."""

from pathlib import Path

import pytest

from registry.errors import WorkflowInvalid
from registry.formats.workflow_file import read_workflow, require_workflow

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.task.md"))


def test_there_are_many_ways_to_break_a_workflow() -> None:
    """The pairs are found by a pattern; a pattern that finds nothing would pass everything."""
    assert len(BROKEN) >= 25


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.name.removesuffix(".task.md"))
def test_a_broken_workflow_says_everything_that_is_wrong_with_it(path: Path) -> None:
    """An author mends a file in one go only if every fault is told at once, with its place and its mend."""
    reading = read_workflow(path.read_bytes(), source=path.name)

    assert "\n".join(map(str, reading.faults)) + "\n" == path.with_name(
        path.name.replace(".task.md", ".expected.txt")
    ).read_text(encoding="utf-8")
    assert reading.workflow is None


def test_an_invalid_workflow_is_refused_with_all_its_faults() -> None:
    """Callers that need a workflow get one error that holds what validation would have said."""
    text = "---\nworkflowId: demo\ntitle: Demo\nnodes: [{id: a, title: A, kind: summary, needs: [b, c]}]\n---\n"

    with pytest.raises(WorkflowInvalid) as refused:
        require_workflow(text, source="demo.task.md")

    assert refused.value.message == (
        "the workflow has 2 faults\n"
        "demo.task.md:4:50: node 'a' needs 'b', which does not exist\n"
        "  the nodes are a\n"
        "demo.task.md:4:53: node 'a' needs 'c', which does not exist\n"
        "  the nodes are a"
    )
    assert [fault.column for fault in refused.value.faults] == [50, 53]
    assert refused.value.code == "invalid_request"


def test_an_error_stays_readable_when_a_text_has_a_thousand_faults() -> None:
    """A model pays for every line of an error; the search ends at a hundred and the message at twenty-five."""
    keys = "".join(f"colour-{number}: blue\n" for number in range(1_000))

    with pytest.raises(WorkflowInvalid) as refused:
        require_workflow(f"---\n{keys}---\n")

    assert len(refused.value.faults) == 100
    assert refused.value.message.endswith("\nand 75 more")
