"""The states page: what a node and a run may be, drawn from the transition table."""

from typing import Final, get_args

from registry.core.lifecycle import NODE_TRANSITIONS, NodeVerb
from registry.core.run import ENDED_RUN, OPEN_NODE, NodeState, NodeStatus, Outcome, RunStatus, working_memory
from registry.core.tasks import public_status

from .markdown import block, code, document, listed, table

_STATUSES: Final[tuple[NodeStatus, ...]] = get_args(NodeStatus)
_MEANS: Final[dict[NodeStatus, str]] = {
    "pending": "something it needs is not done",
    "ready": "all it needs is done: it can be claimed, once a back-off is over and the run is not paused",
    "running": "somebody works on it",
    "waiting": "a condition, a time or a person is waited for",
    "completed": "done; those that need it go on",
    "failed": "failed for good; a retry by hand may open it again",
    "skipped": "left out; those that need it go on",
}
_OUTCOMES: Final[dict[Outcome, str]] = {
    "cancelled": "skipped because the run, the task or the flow was cancelled",
    "timed_out": "failed because its deadline passed",
    "lost": "failed because its worker was lost more often than its retry rule allows",
    "condition_false": "skipped because its `when` was false",
    "rejected": "failed because a person rejected it",
}
_RUNS: Final[dict[RunStatus, str]] = {
    "draft": "read from earlier folders; resume starts it",
    "running": "work goes on, or waits for somebody",
    "paused": "nothing new starts; what runs may finish",
    "completed": "every node ended and none failed",
    "failed": "a node failed and nothing can go on without it; a retry or a skip reopens the run",
    "cancelled": "ended by request; nothing leaves this status",
}
_WHY: Final[dict[NodeVerb, str]] = {
    "promote": "what it needs is done",
    "demote": "a need was opened again, or the plan was rewired",
    "start": "claim_node, or the event node.started",
    "wait": "finish_node with outcome waiting; waits and approvals by themselves",
    "complete": "finish_node; for waits and approvals their condition or a person",
    "fail": "finish_node with outcome failed, a deadline, a rejection; `ready` while attempts remain",
    "lose": "the lease ran out; `failed` when it was lost too often",
    "skip": "request_control skip, a false condition, a cancel",
    "retry": "request_control retry",
    "release": "finish_node with outcome released, request_control release, or a work node's wait is over",
}


def page() -> str:
    """docs/reference/states.md."""
    order: tuple[NodeVerb, ...] = get_args(NodeVerb)
    steps = [
        (
            code(verb) + (" (by itself)" if NODE_TRANSITIONS[verb].automatic else ""),
            listed(status for status in _STATUSES if status in NODE_TRANSITIONS[verb].sources),
            listed(NODE_TRANSITIONS[verb].targets),
            listed(NODE_TRANSITIONS[verb].events),
            _WHY[verb],
        )
        for verb in order
    ]
    return document(
        "States",
        "What a node and a run can be, and the steps between, drawn from the table that the code decides by.",
        "## A node",
        block("mermaid", _diagram()),
        table(
            ("status", "open?", "meaning"), [(code(s), "yes" if s in OPEN_NODE else "no", _MEANS[s]) for s in _STATUSES]
        ),
        "### Its steps",
        table(("step", "from", "to", "events", "why"), steps),
        "Waits and approvals are never claimed, started, finished or released: `start`, `release` and a `complete` by "
        "hand are for work (session_turn, subagent, summary). A claimed node is left only with its fence.",
        "### Outcomes",
        "`outcome` says why, where the status does not.",
        table(("outcome", "meaning"), [(code(name), _OUTCOMES[name]) for name in get_args(Outcome)]),
        "## A run",
        block("mermaid", _RUN_DIAGRAM),
        table(
            ("status", "ended?", "meaning"),
            [(code(name), "yes" if name in ENDED_RUN else "no", _RUNS[name]) for name in get_args(RunStatus)],
        ),
        "## A task",
        "The ledger shows a node as a task with a public status:",
        table(("node", "outcome", "task"), _tasks()),
    )


_RUN_DIAGRAM: Final = """\
stateDiagram-v2
    [*] --> running
    running --> paused: pause
    paused --> running: resume
    running --> completed: the last node ended
    running --> failed: a node failed, nothing can go on
    failed --> running: retry, skip
    running --> cancelled: cancel
    paused --> cancelled: cancel
    draft --> running: resume"""


_ANY_NODE: Final = NodeState(
    id="any",
    title="",
    kind="session_turn",
    status="pending",
    needs=(),
    outputs_mode="notify",
    session_key="",
    working_memory=working_memory("any", kind="session_turn"),
)


def _diagram() -> str:
    arrows: dict[tuple[str, str], list[str]] = {}
    for verb, step in NODE_TRANSITIONS.items():
        for source in _STATUSES:
            if source in step.sources:
                for target in step.targets:
                    arrows.setdefault((source, target), []).append(verb)
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [
        f"    {source} --> {target}: {', '.join(verbs)}"
        for (source, target), verbs in arrows.items()
        if source != target
    ]
    lines += [f"    {status} --> [*]" for status in _STATUSES if status not in OPEN_NODE]
    return "\n".join(lines)


def _tasks() -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for status in _STATUSES:
        ends: list[Outcome | None] = [None, *(outcome for outcome, ended in _ENDS_AS.items() if ended == status)]
        for outcome in ends:
            node = _ANY_NODE.model_copy(update={"status": status, "outcome": outcome})
            rows.append((code(status), code(outcome) if outcome else "", code(public_status(node))))
    return rows


_ENDS_AS: Final[dict[Outcome, NodeStatus]] = {
    "cancelled": "skipped",
    "condition_false": "skipped",
    "timed_out": "failed",
    "lost": "failed",
    "rejected": "failed",
}
