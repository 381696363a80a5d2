"""What became of a job: each check with what was found, and what the way there cost."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import job as jobs
from .recording import Called, kept
from .stage import Answer, Stage, ask, trail


@dataclass(frozen=True)
class Finding:
    """A check, and what was found where it does not hold."""

    ok: bool
    what: str
    found: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The judgement of one try.

    Attributes:
        refused: Calls that were refused, by code: each a mistake, and each an answer the agent had to read.
        bytes_spent: What was sent and received in tool calls.
        is_thrifty: Within the job's limits of calls and bytes.
    """

    job: str
    findings: tuple[Finding, ...]
    calls: int
    refused: dict[str, int]
    bytes_spent: int
    is_thrifty: bool

    @property
    def passed(self) -> bool:
        """All that must be true is."""
        return all(finding.ok for finding in self.findings)


def score(stage: Stage) -> Score:
    """Judge a try."""
    look = Look(stage)
    task = stage.job
    made = look.calls
    spent = sum(call.sent + call.received for call in made)
    findings = [look.finding(check) for check in task.checks] + look.sound()
    return Score(
        job=task.id,
        findings=tuple(findings),
        calls=len(made),
        refused=dict(Counter(call.refused for call in made if call.refused is not None)),
        bytes_spent=spent,
        is_thrifty=len(made) <= task.calls_max and spent <= task.bytes_max,
    )


class Look:
    """A look at a registry and at the calls that changed it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._registry = stage.registry()
        self._trails: dict[str, list[Answer]] = {}

    @cached_property
    def calls(self) -> list[Called]:
        """The calls of the agent."""
        return kept(self._stage.calls)

    @cached_property
    def _rows(self) -> list[Answer]:
        rows: list[Answer] = ask(self._registry, "list_runs", {"limit": 100})["runs"]
        return rows

    def sound(self) -> list[Finding]:
        """What must hold in every job: the files of every run are what its trail says."""
        findings = []
        for row in self._rows:
            told = ask(self._registry, "validate_run", {"run_id": row["run_id"]})
            findings.append(Finding(bool(told["ok"]), f"the files of run {row['run_id']} are what its trail says"))
        return findings

    def finding(self, check: jobs.Check) -> Finding:
        """Whether a check holds."""
        run_id = getattr(check, "run", None)
        if run_id == "*":
            run_id = self._stage.new_run()
            if run_id is None:
                return Finding(False, _told(check), "there is not exactly one new run")
        elif run_id is not None and run_id not in self._stage.run_ids():
            return Finding(False, _told(check), f"there is no run {run_id}")
        judge = getattr(self, f"_{check.that}")
        found: str | None = judge(check, run_id) if run_id is not None else judge(check)
        return Finding(found is None, _told(check), found or "")

    # Each says what it found instead, or None where the check holds.

    def _runs_made(self, check: jobs.RunsMade) -> str | None:
        new = [row["run_id"] for row in self._rows if row["run_id"] not in self._stage.before]
        return None if len(new) == check.count else f"made: {new}"

    def _run(self, check: jobs.RunStatus, run_id: str) -> str | None:
        return _unlike(self._view(run_id)["status"], check.status)

    def _node(self, check: jobs.NodeStatus, run_id: str) -> str | None:
        node = self._node_of(run_id, check.node)
        begun = [row for row in self._trail(run_id) if _is(row, "node.started", check.node)]
        if check.attempts not in (None, len(begun)) or len(begun) < check.attempts_min:
            return f"it was begun {len(begun)} times"
        return _unlike(node.get("status"), check.status)

    def _file(self, check: jobs.FileThere, run_id: str) -> str | None:
        path = self._stage.root / "runs" / run_id / check.path
        if not path.is_file():
            return "it is not there"
        text = path.read_text(encoding="utf-8", errors="replace")
        if len(text.encode()) < check.bytes_min:
            return f"it has {len(text.encode())} bytes"
        return None if check.says.lower() in text.lower() else "it does not say so"

    def _reports(self, check: jobs.Reports, run_id: str) -> str | None:
        nodes = [node["node_id"] for node in self._nodes(run_id) if node["status"] == "completed"]
        folder = self._stage.root / "runs" / run_id / "nodes"
        without = [node for node in nodes if not (folder / node / "report.md").is_file()]
        return f"without one: {without}" if without else None

    def _order(self, check: jobs.Order, run_id: str) -> str | None:
        happened = (" ".join(filter(None, (row["event"], row.get("node_id")))) for row in self._trail(run_id))
        for wanted in check.events:
            if wanted not in happened:
                return f"{wanted!r} did not come in its place"
        return None

    def _input(self, check: jobs.InputGiven, run_id: str) -> str | None:
        values = {row["name"]: str(row["value"]) for row in self._view(run_id).get("inputs", ())}
        return None if check.says.lower() in values.get(check.name, "").lower() else f"inputs: {values}"

    def _plan(self, check: jobs.Plan, run_id: str) -> str | None:
        needs = {node["node_id"]: tuple(node.get("needs", ())) for node in self._nodes(run_id)}
        levels: dict[str, int] = {}
        while len(levels) < len(needs):
            for name, before in needs.items():
                if name not in levels and all(one in levels for one in before):
                    levels[name] = 1 + max((levels[one] for one in before), default=0)
        width = max(Counter(levels.values()).values(), default=0)
        depth = max(levels.values(), default=0)
        is_so = len(needs) >= check.nodes_min and depth >= check.depth and width >= check.width_min
        return None if is_so else f"{len(needs)} nodes, {depth} deep, {width} wide"

    def _words(self, check: jobs.Words, run_id: str) -> str | None:
        told = [
            f"{row.get('message', '')} {row.get('payload', '')}"
            for row in self._trail(run_id)
            if _is(row, check.event, check.node)
        ]
        return None if any(check.says.lower() in one.lower() for one in told) else f"it says: {told}"

    def _by(self, check: jobs.By, run_id: str) -> str | None:
        kinds = [row["by"]["kind"] for row in self._trail(run_id) if _is(row, check.event, check.node)]
        return None if kinds == [check.kind] else f"by: {kinds}"

    def _not_called(self, check: jobs.NotCalled) -> str | None:
        made = [
            call
            for call in self.calls
            if call.refused is None
            and call.tool == check.tool
            and check.turn in (None, call.turn)
            and check.args.items() <= call.args.items()
        ]
        return f"in turn {made[0].turn}: {made[0].args}" if made else None

    def _nothing_pending(self, check: jobs.NothingPending, run_id: str) -> str | None:
        view = self._view(run_id)
        left = [*view.get("messages", ()), *view.get("effects", ())]
        return f"{len(left)} left" if left else None

    def _ended_in_order(self, check: jobs.EndedInOrder) -> str | None:
        ended = []
        for row in self._rows:
            if row["title"] in check.titles and row["status"] == "completed":
                ended.append((self._trail(row["run_id"])[-1]["at"], row["title"]))
        titles = tuple(title for _, title in sorted(ended))
        return None if titles == check.titles else f"ended: {list(titles)}"

    def _untouched(self, check: jobs.Untouched) -> str | None:
        (row,) = (row for row in self._rows if row["title"] == check.title)
        last = self._trail(row["run_id"])[-1]
        return None if last["seq"] == self._stage.before[row["run_id"]] else f"{last['event']} happened"

    def _trail(self, run_id: str) -> list[Answer]:
        if run_id not in self._trails:
            self._trails[run_id] = trail(self._registry, run_id)
        return self._trails[run_id]

    def _view(self, run_id: str) -> Answer:
        return ask(self._registry, "get_run", {"run_id": run_id, "view": "detailed"})

    def _nodes(self, run_id: str) -> list[Answer]:
        nodes: list[Answer] = self._view(run_id)["nodes"]
        return nodes

    def _node_of(self, run_id: str, node_id: str) -> Answer:
        return next((node for node in self._nodes(run_id) if node["node_id"] == node_id), {})


def _is(row: Answer, event: str, node: str) -> bool:
    return bool(row["event"] == event and row.get("node_id") == node)


def _unlike(found: Any, wanted: str) -> str | None:
    return None if found == wanted else f"it is {found}"


def _told(check: jobs.Check) -> str:
    """The check as a line."""
    told = {name: value for name, value in check.model_dump(exclude_defaults=True).items() if name != "that"}
    return f"{check.that} " + ", ".join(f"{name} {value}" for name, value in told.items())
