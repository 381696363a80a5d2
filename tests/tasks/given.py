"""Tasks to test with."""

from typing import Any

from registry.operations.caller import Caller
from tests.operations.changing.asking import Answer, ask

T0 = "2026-01-01T09:00:00.000+00:00"


def task(caller: Caller, name: str = "errand", agent_id: str = "anna", **more: Any) -> str:
    """A task in an agent's queue; its id in full."""
    return str(ask(caller, "create_task", name=name, agent_id=agent_id, **more)["task_id"])


def start(caller: Caller, agent_id: str = "anna", **more: Any) -> Answer:
    """The next task of an agent's queue, claimed."""
    return ask(caller, "claim_node", agent_id=agent_id, **more)


def end(caller: Caller, claim: Answer, outcome: str = "completed", **more: Any) -> Answer:
    """A claimed task, ended."""
    told = {"error": "it broke"} if outcome == "failed" else {}
    return ask(caller, "finish_node", run_id=claim["run_id"], fence=claim["fence"], outcome=outcome, **told, **more)


def listed(caller: Caller, **filters: Any) -> list[str]:
    """Titles of the ledger's rows, over all pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ask(caller, "list_tasks", **filters, **cursor)
        found += [row["title"] for row in page["tasks"]]
        if "next_cursor" not in page:
            return found
        cursor = {"cursor": page["next_cursor"]}
