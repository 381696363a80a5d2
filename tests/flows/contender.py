"""A controller in a process of its own: python -m tests.flows.contender ROOT FLOW_ID NAME UNTIL.

It moves the flow at whatever revision it sees, against everybody else, until the flow has
reached revision UNTIL, and prints the revisions it won as JSON.
"""

import json
import sys
from pathlib import Path

from registry.core.run import Actor
from registry.flows import Flows
from registry.registry import Registry
from registry.settings import Settings


def main(root: str, flow_id: str, name: str, until: str) -> None:
    """Contend until the flow has gone far enough."""
    registry = Registry.open(Settings(root=Path(root), durability="process", lock_wait_s=60))
    flows = Flows(registry, actor=Actor(kind="agent", id=name, via="cli"))
    won: list[int] = []
    view = flows.get(flow_id)
    assert view is not None
    revision = view.flow.revision
    while revision < int(until):
        answer = flows.set_waiting(flow_id, expected_revision=revision, current_step=f"{name}:{revision}")
        if answer.applied:
            won.append(revision)
            assert answer.flow is not None and answer.flow.flow.revision == revision + 1
        else:
            assert answer.code == "revision_conflict", answer.code
        seen = answer.flow or answer.current
        assert seen is not None
        revision = seen.flow.revision
    print(json.dumps(won))


if __name__ == "__main__":
    main(*sys.argv[1:])
