"""`when`: nodes that only run where it makes sense."""

import pytest

from registry.errors import InvalidRequest
from tests.core.given import control, created, decided, event, fence, finish, given_run, node, refused, statuses


def _run(when: str, **fields: object):  # type: ignore[no-untyped-def]
    return given_run(
        nodes={"scan": "running", "fix": "pending", "after": "pending"},
        needs={"fix": ["scan"], "after": ["fix"]},
        plans={"fix": {"when": when}},
        inputs={"mode": "deep"},
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("nodes.scan.result.findings > 0", True),
        ("nodes.scan.result.findings > 5", False),
        ('inputs.mode == "deep" and nodes.scan.status == "completed"', True),
        ("nodes.scan.result.nothing == null", True),
        ("inputs.absent != null", False),
    ],
)
def test_a_condition_is_judged_when_the_node_could_start(when: str, holds: bool) -> None:
    """False skips the node, which satisfies what needs it."""
    decision = decided(_run(when), finish("scan", with_fence=fence(), payload={"findings": 3}))

    if holds:
        assert statuses(decision.run) == {"scan": "completed", "fix": "ready", "after": "pending"}
    else:
        assert decision.event_names == ("node.completed", "node.skipped", "node.ready")
        assert decision.run.node("fix").outcome == "condition_false"
        assert statuses(decision.run)["after"] == "ready"


def test_the_door_leaves_a_result_for_conditions_too() -> None:
    """An agent without finish_node still decides what comes next."""
    decision = decided(
        _run("nodes.scan.result.findings > 0"), event("node.completed", "scan", fence=fence(), payload={"findings": 1})
    )

    assert statuses(decision.run)["fix"] == "ready"


@pytest.mark.parametrize(
    "when", ["nodes.scan.result.findings > 0", "nodes.scan.result.name", "nodes.scan.result.name and true"]
)
def test_a_condition_of_the_wrong_type_fails_its_node(when: str) -> None:
    """Skipping by mistake would skip work that nobody decided to skip."""
    decision = decided(_run(when), finish("scan", with_fence=fence(), payload={"findings": [1], "name": ["x"]}))

    assert decision.event_names == ("node.completed", "node.failed", "run.failed")
    error = decision.run.node("fix").error
    assert error is not None and error.startswith("its condition cannot be judged: ")
    assert decision.events[-1].payload == {"failed": ["fix"], "blocked": ["after"]}


def test_conditions_settle_to_a_fixed_point_in_one_mutation() -> None:
    """A chain of skips must not need a tick a link."""
    run = created(
        node("a", when="false"), node("b", needs=("a",), when='nodes.a.status == "skipped"'),
        node("c", needs=("b",)), inputs={"n": 1},
    )  # fmt: skip

    assert statuses(run.run) == {"a": "skipped", "b": "ready", "c": "pending", "summary": "pending"}


def test_a_person_may_run_what_a_condition_skipped() -> None:
    """A retry by hand outweighs the condition."""
    run = decided(_run("false"), finish("scan", with_fence=fence())).run

    assert decided(run, control("retry", "fix")).run.node("fix").status == "ready"


@pytest.mark.parametrize("end", ["finish_node", "the event door"])
def test_a_result_that_lacks_what_a_condition_reads_is_told(end: str) -> None:
    """What is absent is null: a forgotten payload would skip work that nobody decided to skip."""
    run = _run('nodes.scan.result.kind == "bug" and nodes.scan.result.findings == 1')
    left: dict[str, object] = {"findings": 1}
    command = (
        finish("scan", with_fence=fence(), payload=left)
        if end == "finish_node"
        else event("node.completed", "scan", fence=fence(), payload=left)
    )

    decision = decided(run, command)

    assert statuses(decision.run)["fix"] == "skipped"
    assert decision.warnings == (
        "missing_result: payload has no 'kind', which the condition of node 'fix' reads: it is null there",
    )


def test_only_conditions_that_are_still_to_be_judged_are_told_of() -> None:
    """A warning about what is over, or about another node's result, would be noise."""
    run = given_run(
        nodes={"scan": "running", "other": "completed", "fix": "pending", "gone": "skipped", "plain": "pending"},
        needs={"fix": ["scan", "other"], "gone": ["scan"], "plain": ["scan"]},
        plans={
            "fix": {"when": "nodes.other.result.a == 1 or nodes.scan.status == 'completed'"},
            "gone": {"when": "nodes.scan.result.b == 1"},
        },
    )

    assert decided(run, finish("scan", with_fence=fence())).warnings == ()


def test_a_missing_result_may_skip_no_approval_of_several() -> None:
    """One gate that asks all the same must not hide another that would be skipped."""
    run = given_run(
        nodes={"scan": "running", "open": "pending", "shut": "pending"},
        needs={"open": ["scan"], "shut": ["scan"]},
        kinds={"open": "approval", "shut": "approval"},
        plans={
            "open": {"when": "nodes.scan.result.worst == null or nodes.scan.result.worst > 6"},
            "shut": {"when": "nodes.scan.result.worst == 9"},
        },
    )

    refusal = refused(run, finish("scan", with_fence=fence()), error=InvalidRequest)

    assert refusal.message == "payload has no 'worst'; by it the approval 'shut' is asked of a person or not"
