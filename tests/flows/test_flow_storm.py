"""Many controllers of one flow at once, in processes of their own: exactly one wins each revision."""

import json
import subprocess
import sys
from pathlib import Path

from registry.flows import Flows
from registry.registry import Registry
from registry.settings import Settings
from tests.flows.given import AGENT, OWNER, begun, linked, run_of, standing, told

CONTENDERS = 6
REVISIONS = 120


def test_of_any_number_of_controllers_exactly_one_wins_each_revision(tmp_path: Path) -> None:
    """Two decisions on one revision is a plan that nobody made."""
    registry = Registry.open(Settings(root=tmp_path, durability="process", lock_wait_s=60))
    flows = Flows(registry, actor=AGENT, owner_key=OWNER)
    flow_id = begun(flows)
    node_id = linked(flows, flow_id)
    contenders = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.flows.contender", str(tmp_path), flow_id, f"c{number}", str(REVISIONS)],
            stdout=subprocess.PIPE, text=True,
        )
        for number in range(CONTENDERS)
    ]  # fmt: skip
    beats = 0
    while any(contender.poll() is None for contender in contenders):
        # A child's word raises no revision, and takes nothing from anybody's.
        told(flows, flow_id, "node.heartbeat", node_id, message=f"beat {beats}")
        beats += 1
    won = [json.loads(contender.communicate()[0]) for contender in contenders]
    assert [contender.returncode for contender in contenders] == [0] * CONTENDERS

    assert sorted(revision for one in won for revision in one) == list(range(REVISIONS))
    assert standing(flows, flow_id).flow.revision == REVISIONS
    run_of(flows, flow_id)
    logged = registry.store.events(flow_id, limit=10_000)
    moves = [one.event for one in logged if one.event.name == "flow.waiting"]
    assert [event.payload["revision"] for event in moves] == list(range(1, REVISIONS + 1))
    by_name = {f"c{number}": revisions for number, revisions in enumerate(won)}
    assert all(
        event.payload["currentStep"] == f"{event.actor.id}:{revision}" and revision in by_name[event.actor.id]
        for revision, event in enumerate(moves)
    )
    registry.store.close()


def test_of_any_number_of_creators_with_one_request_one_begins_the_flow(tmp_path: Path) -> None:
    """The rename of the folder is the check across processes."""
    program = (
        "import sys; from pathlib import Path; from registry.registry import Registry;"
        "from registry.settings import Settings; from registry.flows import Flows; from tests.flows.given import AGENT;"
        "registry = Registry.open(Settings(root=Path(sys.argv[1]), durability='process'));"
        "made = Flows(registry, actor=AGENT, owner_key='o').create(controller_id='c', goal='g', request_id='r');"
        "print(int(made.created), made.flow.flow_id)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(CONTENDERS)
    ]
    said = [one.communicate()[0].split() for one in started]

    assert sorted(created for created, _ in said) == ["0"] * (CONTENDERS - 1) + ["1"]
    assert len({flow_id for _, flow_id in said}) == 1
