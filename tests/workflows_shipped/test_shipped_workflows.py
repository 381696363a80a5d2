"""Every workflow we ship, run to its end by an agent that only follows what answers say."""

import re
from dataclasses import dataclass, field
from typing import get_args

import pytest

from registry.core.expressions import parse_when
from registry.core.graph import ancestors
from registry.core.record import Bag
from registry.core.workflow import InputType, Workflow
from registry.formats.workflow_file import read_workflow
from registry.registry import Registry
from tests.workflows_shipped.conftest import SHIPPED, Hands
from tests.workflows_shipped.scripted_agent import Script, ScriptedAgent

WORKFLOW_IDS = (
    "batch-migration",
    "bug-triage",
    "deep-research",
    "document-translation",
    "incident-review",
    "nightly-maintenance",
    "release-with-approval",
    "repository-audit",
)


@dataclass(frozen=True)
class Scenario:
    """One way through a workflow, and how it must end."""

    workflow_id: str
    way: str
    inputs: Bag
    script: Script = field(default_factory=Script)
    skipped: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    never_begun: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.workflow_id}: {self.way}"


RESEARCH: Bag = {"question": "Does caching the build pay off for a team of five?"}
RELEASE: Bag = {"project": "Lantern", "version": "2.4.0", "workspace": "./lantern"}
MIGRATION: Bag = {"subject": "tests from unittest to pytest", "workspace": "./app", "check": "make test"}
INCIDENT: Bag = {"incident": "INC-118", "what_happened": "Sign-in failed 09:10-10:40 UTC", "severity": "sev1"}
TRANSLATION: Bag = {"document": "docs/guide.md", "target_language": "Swiss German"}
NIGHT: Bag = {"system": "the build server", "window_begins": "2030-01-31T02:00:00+01:00", "health_check": "make health"}
BUG: Bag = {"report_title": "Export is empty", "report_text": "I get 0 bytes.", "workspace": "./app"}
AUDIT: Bag = {"repository": "./app"}
WELL: Bag = {"healthy": True}

SCENARIOS = (
    Scenario(
        "repository-audit", "severe findings, a reviewer fails once", AUDIT,
        Script({"weigh": {"heaviest": 9, "findings": 12}}, failures={"security": 1}),
    ),
    Scenario(
        "repository-audit", "nothing severe, speed does not matter", {**AUDIT, "looks_at_speed": False},
        Script({"weigh": {"heaviest": 4.5, "findings": 3}}), frozenset({"speed", "severe-gate"}),
    ),
    Scenario("repository-audit", "by an agent that forgets the payload, so a person is asked", AUDIT),
    Scenario(
        "repository-audit", "a person says no", AUDIT,
        Script({"weigh": {"heaviest": 8, "findings": 1}}, rejected=frozenset({"severe-gate"})),
        failed=frozenset({"severe-gate"}), never_begun=frozenset({"summary"}),
    ),
    Scenario(
        "deep-research", "standard, with gaps", RESEARCH,
        Script({"cross-check": {"open": 2}}), frozenset({"first-hand"}),
    ),
    Scenario(
        "deep-research", "quick, without gaps", {**RESEARCH, "depth": "quick"},
        Script({"cross-check": {"open": 0}}), frozenset({"opposite", "first-hand", "fill-gaps"}),
    ),
    Scenario(
        "deep-research", "deep, by an agent that forgets the payload", {**RESEARCH, "depth": "deep"},
        Script(), frozenset({"fill-gaps"}),
    ),
    Scenario(
        "release-with-approval", "stable, the build fails once", RELEASE,
        Script({"smoke-test": WELL}, failures={"build": 1}), frozenset({"pipeline", "withdraw"}),
    ),
    Scenario(
        "release-with-approval", "through a pipeline, mirrors are late",
        {**RELEASE, "channel": "preview", "waits_for_pipeline": True},
        Script({"smoke-test": WELL}, failures={"smoke-test": 2}), frozenset({"withdraw", "announce"}),
    ),
    Scenario(
        "release-with-approval", "broken and withdrawn", RELEASE,
        Script({"smoke-test": {"healthy": False}}), frozenset({"pipeline", "announce"}),
    ),
    Scenario(
        "release-with-approval", "a person says no", RELEASE, Script(rejected=frozenset({"release-gate"})),
        failed=frozenset({"release-gate"}),
        never_begun=frozenset({"publish", "pipeline", "smoke-test", "withdraw", "announce", "summary"}),
    ),
    Scenario(
        "batch-migration", "three batches, nothing left", MIGRATION,
        Script({"inventory": {"batches": 3}, "verify": {"remaining": 0}}), frozenset({"batch-4"}),
    ),
    Scenario(
        "batch-migration", "four batches, the old code stays", {**MIGRATION, "keeps_old_code": True},
        Script({"inventory": {"batches": 4}, "verify": {"remaining": 0}}), frozenset({"clean-up"}),
    ),
    Scenario(
        "batch-migration", "the pilot is all, some items resist", MIGRATION,
        Script({"inventory": {"batches": 1}, "verify": {"remaining": 4}}, failures={"batch-1": 1}),
        frozenset({"batch-2", "batch-3", "batch-4", "clean-up"}),
    ),
    Scenario("incident-review", "severe, statements come", INCIDENT, Script({"actions": {"actions": 5}})),
    Scenario(
        "incident-review", "small, without statements", {**INCIDENT, "severity": "sev3", "waits_for_statements": False},
        skipped=frozenset({"statements", "release-gate"}),
    ),
    Scenario(
        "document-translation", "in three parts", TRANSLATION, Script({"survey": {"parts": 3}}),
        frozenset({"check-back", "correct", "reader-gate"}),
    ),
    Scenario(
        "document-translation", "short, with every check", {**TRANSLATION, "checks_back": True, "native_reader": True},
        Script({"survey": {"parts": 1}, "check-back": {"meaning_changed": True}}), frozenset({"part-2", "part-3"}),
    ),
    Scenario(
        "nightly-maintenance", "all goes well", NIGHT,
        Script({"before": {"may_go_on": True}, "after": {"well": True}}), frozenset({"take-back", "settle"}),
    ),
    Scenario(
        "nightly-maintenance", "it makes things worse", NIGHT,
        Script({"before": {"may_go_on": True}, "after": {"well": False}}, failures={"work": 1}),
    ),
    Scenario(
        "nightly-maintenance", "only a look", {**NIGHT, "only_look": True}, Script({"before": {"may_go_on": True}}),
        frozenset({"work", "soak", "after", "take-back", "settle"}),
    ),
    Scenario(
        "nightly-maintenance", "no backup", NIGHT, Script({"before": {"may_go_on": False}}),
        frozenset({"work", "soak", "after", "take-back", "settle"}),
    ),
    Scenario(
        "bug-triage", "a small bug is mended", BUG,
        Script({
            "understand": {"kind": "bug", "clear": True},
            "reproduce": {"reproduced": True, "severity": "major"},
            "cause": {"small": True},
        }),
        frozenset({"security-gate"}),
    ),
    Scenario(
        "bug-triage", "critical and large", BUG,
        Script({
            "understand": {"kind": "bug", "clear": True},
            "reproduce": {"reproduced": True, "severity": "critical"},
            "cause": {"small": False},
        }),
        frozenset({"fix"}),
    ),
    Scenario(
        "bug-triage", "only a question", BUG, Script({"understand": {"kind": "question", "clear": True}}),
        frozenset({"reproduce", "cause", "security-gate", "fix"}),
    ),
    Scenario(
        "bug-triage", "it does not happen here", {**BUG, "fixes": "always"},
        Script({
            "understand": {"kind": "bug", "clear": False},
            "reproduce": {"reproduced": False, "severity": "minor"},
        }),
        frozenset({"cause", "security-gate", "fix"}),
    ),
)  # fmt: skip


def shipped(workflow_id: str) -> str:
    return (SHIPPED / f"{workflow_id}.task.md").read_text(encoding="utf-8")


def read(workflow_id: str) -> Workflow:
    reading = read_workflow(shipped(workflow_id), existing_runs=lambda _: False, root=str(SHIPPED.parent))
    assert reading.workflow is not None, [str(fault) for fault in reading.faults]
    return reading.workflow


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_an_agent_that_only_follows_next_comes_to_the_end(scenario: Scenario, registry: Registry, hands: Hands) -> None:
    """A person who starts a shipped workflow with a small model must not be left half way."""
    agent = ScriptedAgent(registry, scenario.script, advance_to=hands.move_to)

    end = agent.drive({"workflow_path": scenario.workflow_id, "run_id": "r", "inputs": scenario.inputs})

    nodes = registry.read("r").run.state.nodes
    ended: dict[str, str] = dict.fromkeys(nodes, "completed")
    ended |= dict.fromkeys(scenario.skipped, "skipped") | dict.fromkeys(scenario.failed, "failed")
    ended |= dict.fromkeys(scenario.never_begun, "pending")
    assert {name: node.status for name, node in nodes.items()} == ended
    assert {node.outcome for node in nodes.values() if node.status == "skipped"} <= {"condition_false"}
    assert end["status"] == ("failed" if scenario.failed else "completed")
    assert agent.call("validate_run", {"run_id": "r"})["ok"] is True
    for name, node in nodes.items():
        if node.status == "completed":
            left = registry.read("r").run.plan.nodes[name].required_files
            assert [path for path in left if not (registry.root / "runs" / "r" / path).is_file()] == []


@pytest.mark.parametrize("workflow_id", WORKFLOW_IDS)
def test_it_has_no_faults_and_nothing_to_look_at(workflow_id: str) -> None:
    """What we ship is what people copy from."""
    reading = read_workflow(shipped(workflow_id), existing_runs=lambda _: True, root=str(SHIPPED.parent))

    assert [str(fault) for fault in (*reading.faults, *reading.warnings)] == []


@pytest.mark.parametrize("workflow_id", WORKFLOW_IDS)
def test_it_says_what_it_asks_for_and_what_it_is_for(workflow_id: str) -> None:
    """A person chooses by the body and fills in by the descriptions; nobody reads the nodes first."""
    workflow = read(workflow_id)

    assert workflow.workflow_id == workflow_id
    assert workflow.inputs
    assert [name for name, declared in workflow.inputs.items() if not declared.description.strip()] == []
    assert 150 <= len(workflow.body) <= 1_500


@pytest.mark.parametrize("workflow_id", WORKFLOW_IDS)
def test_a_node_reads_only_files_of_nodes_that_are_over_when_it_begins(workflow_id: str) -> None:
    """A prompt that names a file of a node it does not need works or fails by chance."""
    workflow = read(workflow_id)
    needs = {node.id: node.needs for node in workflow.nodes}

    for node in workflow.nodes:
        named = set(re.findall(r"\bnodes/([A-Za-z0-9._-]+)/", node.prompt))
        assert named <= {node.id, *ancestors(needs, node.id)}, f"{workflow_id}: {node.id} names {sorted(named)}"


@pytest.mark.parametrize("workflow_id", WORKFLOW_IDS)
def test_conditions_read_only_what_a_prompt_asks_for(workflow_id: str) -> None:
    """A condition on a key of which no agent was told skips its node for ever."""
    workflow = read(workflow_id)
    prompts = {node.id: node.prompt for node in workflow.nodes}

    for node in workflow.nodes:
        for reference in parse_when(node.when).references().nodes if node.when else ():
            told = prompts[reference.node_id]
            assert reference.key is None or f'"{reference.key}"' in told, f"{node.id} asks for {reference}"


def test_every_workflow_and_every_node_is_run_to_its_end() -> None:
    """A workflow or a branch that no scenario takes is one nobody has ever seen work."""
    assert sorted(path.name.removesuffix(".task.md") for path in SHIPPED.iterdir()) == sorted(WORKFLOW_IDS)
    for workflow_id in WORKFLOW_IDS:
        ways = [scenario for scenario in SCENARIOS if scenario.workflow_id == workflow_id]
        done = {node.id for node in read(workflow_id).nodes}
        for scenario in ways:
            done &= scenario.skipped | scenario.failed | scenario.never_begun
        assert (bool(ways), done) == (True, set()), workflow_id


def test_together_they_show_the_whole_language() -> None:
    """They are the examples that authors learn from."""
    workflows = [read(workflow_id) for workflow_id in WORKFLOW_IDS]
    nodes = [node for workflow in workflows for node in workflow.nodes]

    assert {node.kind for node in nodes} == {"session_turn", "subagent", "wait", "approval", "summary"}
    assert {node.wait_for.type for node in nodes if node.wait_for} == {"until", "next_tick", "file_exists", "event"}
    assert {kind.type for workflow in workflows for kind in workflow.inputs.values()} == set(get_args(InputType))
    assert any(node.retry and node.retry.backoff_seconds for node in nodes)
    assert any(node.deadline_seconds for node in nodes)
    assert any(node.tags for node in nodes)
    assert len({node.priority for node in nodes}) > 2
    assert any(node.agent_id for node in nodes)
    assert any(workflow.driver for workflow in workflows)
