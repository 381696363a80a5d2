"""An agent without a mind of its own: it does what `next` says, in the order in which it is said.

It knows no workflow. Work is done by writing whatever the claim's `outputs` asks for; sub-agents are played
with nothing but their `child_prompt`; people say yes; and when `next` is empty its turn ends, the outside
world brings about the one thing that the run waits for, and a timer wakes it with tick_run.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from registry.core.names import moment
from registry.core.record import Bag, Json
from registry.core.run import Actor
from registry.operations.caller import Caller
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS
from registry.registry import Registry

Answer = dict[str, Json]
Step = dict[str, Json]

CALLS_MAX: Final = 300
"""More calls than this for one run mean that `next` leads in a circle."""

_CLAIM: Final = re.compile(r"claim_node (\{.*?\})")


class Astray(AssertionError):
    """The answers lead nowhere."""


@dataclass
class Script:
    """What the world does in one scenario, by node.

    Attributes:
        payloads: The payload a node is finished with.
        failures: How many attempts of a node fail first.
        rejected: Approvals to which the person says no.
    """

    payloads: Mapping[str, Bag] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    rejected: frozenset[str] = frozenset()


class ScriptedAgent:
    """Drives a run from `scaffold_run` to its end.

    Attributes:
        calls: Every operation called, in order, with its node where it names one.
    """

    def __init__(
        self, registry: Registry, script: Script, *, advance_to: Callable[[datetime], None], agent_id: str = "root"
    ) -> None:
        actor = Actor(kind="agent", id=agent_id, via="mcp")
        self._caller = Caller(registry=registry, actor=actor, agent_id=agent_id)
        self._script = script
        self._advance_to = advance_to
        self._failed: dict[str, int] = {}
        self.calls: list[tuple[str, str | None]] = []

    def call(self, tool: str, arguments: Mapping[str, Json]) -> Answer:
        """One operation; a refusal is the scenario's failure, for `next` offers what is legal."""
        node = arguments.get("node_id")
        self.calls.append((tool, str(node) if node is not None else None))
        if len(self.calls) > CALLS_MAX:
            raise Astray(f"over {CALLS_MAX} calls; the last were {self.calls[-12:]}")
        operation = OPERATIONS[tool]
        answer = operation.run(self._caller, parse_request(operation, arguments))
        plain: Answer = answer.model_dump(mode="json", exclude_none=True)
        return plain

    def drive(self, scaffold: Mapping[str, Json]) -> Answer:
        """Start a run and see it through; the answer is the run as it stands in the end."""
        answer = self.call("scaffold_run", scaffold)
        run_id = str(answer["run_id"])
        while True:
            if self._is_over(answer):
                return self.call("get_run", {"run_id": run_id, "view": "detailed"})
            steps = _steps(answer)
            if steps:
                answer = self._follow(run_id, steps, answer)
            else:
                # The turn ends here; a timer begins the next one.
                before = self.call("get_run", {"run_id": run_id})
                if not self._world_moves(run_id, before):
                    raise Astray(f"nothing to do and nothing to wait for: {before}")
                answer = self.call("tick_run", {"run_id": run_id})

    @staticmethod
    def _is_over(answer: Answer) -> bool:
        status = answer.get("run_status", answer.get("status"))
        # An ended run may still want something done outside: its cron job switched off.
        pending = any(step["tool"] in ("host", "tick_run") for step in _steps(answer))
        return status in ("completed", "failed", "cancelled") and not pending

    def _follow(self, run_id: str, steps: list[Step], answer: Answer) -> Answer:
        """Do what an agent's own tools must do, then the step after it; without such a step, the first."""
        place = next((index for index, step in enumerate(steps) if step["tool"] == "host"), None)
        if place is None:
            return self._do(run_id, steps[0])
        if "child_prompt" in answer:
            self._play_child(str(answer["child_prompt"]))
        return self._do(run_id, steps[place + 1])

    def _do(self, run_id: str, step: Step) -> Answer:
        tool, arguments = str(step["tool"]), cast(Bag, step["args"])
        if tool == "claim_node":
            return self._work(self.call(tool, arguments))
        if tool == "request_control":
            node = str(arguments.get("node_id"))
            no = {"action": "reject"} if node in self._script.rejected else {}
            return self.call(tool, {**_filled(arguments), **no})
        if tool == "wait_for_run":
            # Nobody works beside this agent: whatever it would wait for has happened.
            return self.call("get_run", {"run_id": run_id})
        return self.call(tool, _filled(arguments))

    def _play_child(self, child_prompt: str) -> None:
        """Work as a sub-agent would that was given this text and nothing else."""
        found = _CLAIM.search(child_prompt)
        if found is None:
            raise Astray(f"the child is not told what to claim: {child_prompt}")
        self._work(self.call("claim_node", json.loads(found[1])))

    def _work(self, claim: Answer) -> Answer:
        """Do a claimed node: leave every file it must leave, then hand it in as `next` says."""
        if claim["claimed"] is not True:
            return claim
        node, run_id = str(claim["node_id"]), str(claim["run_id"])
        finish = next(cast(Bag, step["args"]) for step in _steps(claim) if step["tool"] == "finish_node")
        if self._failed.get(node, 0) < self._script.failures.get(node, 0):
            self._failed[node] = self._failed.get(node, 0) + 1
            kept = {key: finish[key] for key in ("run_id", "node_id", "fence")}
            return self.call("finish_node", {**kept, "outcome": "failed", "error": "it did not work this time"})
        required = cast(Mapping[str, list[str]], claim["outputs"])["required"]
        for path in required:
            if path != f"nodes/{node}/report.md":
                content = f"What {node} leaves.\n"
                self.call("write_artifact", {"run_id": run_id, "node_id": node, "path": path, "content": content})
        payload: Bag = dict(self._script.payloads.get(node, {}))
        return self.call("finish_node", {**_filled(finish), "payload": payload})

    def _world_moves(self, run_id: str, view: Answer) -> bool:
        """Bring about the first thing the run waits for; False when it waits for nothing."""
        for row in cast(list[Mapping[str, str]], view["waiting_for"]):
            kind, node = row["for"], row["node_id"]
            if kind in ("until", "backoff"):
                self._advance_to(moment(row["until"]))
            elif kind == "file_exists":
                there = {"run_id": run_id, "node_id": node, "path": row["path"], "content": "It is here.\n"}
                self.call("write_artifact", there)
            elif kind == "event":
                self.call("append_event", {"run_id": run_id, "event": row["event"]})
            elif kind != "next_tick":
                continue
            return True
        return False


def _steps(answer: Answer) -> list[Step]:
    return cast(list[Step], answer.get("next", []))


def _filled(arguments: Mapping[str, Json]) -> Bag:
    """The arguments with something in every `<...>`."""
    return {
        key: f"Said for {key}." if isinstance(value, str) and re.fullmatch(r"<[^<>]+>", value) else value
        for key, value in arguments.items()
    }
