"""The list of commands. A command is one call of one operation (`FORMS`), or has a module (`OWN`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .flow_forms import FLOW_FORMS
from .forms import Form, command_line

if TYPE_CHECKING:
    from registry.core.record import Json

GROUPS: Final[Mapping[str, str]] = {
    "workflow": "Find workflow files and check them.",
    "run": "Start runs, look at them, wait for them.",
    "node": "Take work, keep it, hand it in.",
    "artifact": "Read and write the files of nodes.",
    "event": "Record events in a run's trail.",
    "control": "Steer a run or node, as a person would.",
    "plan": "Change the plan of a run.",
    "task": "Give agents work; see their queues, and what came of it.",
    "flow": "Flows: jobs that code plans while it goes.",
    "mcp": "Set up MCP clients.",
}

_CONTROLS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "pause": ("Start nothing new until somebody resumes; what runs may finish.", ("node_id", "patch", "force")),
    "resume": ("Go on with a paused run.", ("node_id", "patch", "force")),
    "retry": ("Do a failed or skipped node (--node-id) again.", ("patch",)),
    "skip": ("Go on without a node (--node-id).", ("patch", "force")),
    "approve": ("Approve what an approval node (--node-id) asks for.", ("patch", "force")),
    "reject": ("Reject what an approval node (--node-id) asks for.", ("patch", "force")),
    "release": ("Take a node (--node-id) from a worker known to be dead.", ("patch", "force")),
    "send_message": ("Say something (--message) to whoever works on the run.", ("patch", "force")),
    "patch_cron": ("Change the run's cron job (--patch-json).", ("node_id", "force")),
    "cancel": ("End the run for good; open nodes are skipped.", ("node_id", "patch", "force")),
}

_WORK: Final = tuple(
    Form(
        words=f"control {action}", operation="request_control", help=text, places=("run_id",), says={"action": action},
        without=without,
    )
    for action, (text, without) in _CONTROLS.items()
)  # fmt: skip

FORMS: Final[Mapping[str, Form]] = {
    form.words: form
    for form in (
        Form(words="workflow list", operation="list_workflows", help="List the workflows that can be started."),
        Form(
            words="workflow validate",
            operation="validate_workflow",
            help="Check a workflow file; every fault with its line and mend.",
            places=("workflow_path",),
            may_lack=("workflow_path",),
        ),
        Form(
            words="run create",
            operation="scaffold_run",
            help="Start a run of a workflow file, of a workflow's text, or of one sentence.",
        ),
        Form(words="run list", operation="list_runs", help="List runs, newest first."),
        Form(
            words="run events",
            operation="get_run",
            help="Show the trail of a run, newest first.",
            places=("run_id",),
            says={"view": "events"},
        ),
        Form(
            words="run show",
            operation="get_run",
            help="Show where a run stands and what to do next.",
            places=("run_id",),
            without=("node_id",),
        ),
        Form(
            words="node show",
            operation="get_run",
            help="Show a node: its prompt, report, attempts and files.",
            places=("run_id", "node_id"),
            without=("view", "cursor", "since_rev"),
        ),
        Form(
            words="run bind",
            operation="bind_session",
            help="Tie a run or node to a cron job, session or worker outside.",
            places=("run_id",),
        ),
        Form(
            words="run wait",
            operation="wait_for_run",
            help="Wait until a run or node has reached a status, or anything changes.",
            places=("run_id",),
        ),
        Form(
            words="run tick",
            operation="tick_run",
            help="Wake a run: advance waits and lost leases, confirm effects.",
            places=("run_id",),
        ),
        Form(
            words="run progress",
            operation="append_event",
            help="Record a line of progress, for people.",
            places=("run_id", "message"),
            says={"event": "run.progress"},
            without=("fence",),
        ),
        Form(
            words="run validate",
            operation="validate_run",
            help="Prove that a run's files are what its trail says.",
            places=("run_id",),
        ),
        Form(
            words="doctor",
            operation="doctor",
            help="Look over all runs, or one, for damage and stuck work; changes nothing.",
            places=("run_id",),
            may_lack=("run_id",),
        ),
        Form(
            words="repair",
            operation="repair_run",
            help="Mend what doctor lists, for a run or --all; every byte that is replaced is kept.",
            places=("run_id",),
            may_lack=("run_id",),
        ),
        Form(
            words="run cancel",
            operation="request_control",
            help="End a run for good; open nodes are skipped.",
            places=("run_id",),
            says={"action": "cancel"},
            without=("node_id", "patch", "force"),
        ),
        Form(
            words="node claim",
            operation="claim_node",
            help="Take the next ready node of a run, or a named one, under a lease.",
            places=("run_id", "node_id"),
            may_lack=("run_id", "node_id"),
        ),
        Form(
            words="node finish",
            operation="finish_node",
            help="Say how a claimed node ended (completed, failed, waiting, released), with its report.",
            places=("run_id", "node_id", "outcome"),
        ),
        Form(
            words="node heartbeat",
            operation="heartbeat_node",
            help="Keep a claim alive and say how far the work is.",
            places=("run_id", "node_id"),
        ),
        Form(
            words="node handoff",
            operation="write_handoff",
            help="Write the brief for whoever is to work on a node.",
            places=("run_id", "node_id"),
        ),
        Form(
            words="artifact read",
            operation="read_artifact",
            help="Read a file of a run.",
            places=("run_id", "path"),
        ),
        Form(
            words="artifact write",
            operation="write_artifact",
            help="Write a file of a node.",
            places=("run_id", "node_id", "path"),
        ),
        Form(
            words="event append",
            operation="append_event",
            help="Record an event: a note, progress, or a step of a node without a lease.",
            places=("run_id", "event"),
        ),
        *_WORK,
        Form(words="task create", operation="create_task", help="Put a task into an agent's queue."),
        Form(words="task query", operation="list_tasks", help="Find tasks by status, priority, time, tag or group."),
        Form(words="task get", operation="get_task", help="Show one task: prompt, result, attempts and history."),
        Form(words="task cancel", operation="cancel_task", help="Cancel a queued or running task."),
        Form(words="task retry", operation="retry_task", help="Queue a failed task again."),
        Form(words="task stats", operation="task_stats", help="Count tasks: how many, how well, how fast."),
        Form(
            words="plan change",
            operation="change_plan",
            help="Add, rewire or remove a node that has not started (add_node, rewire_node, remove_node).",
            places=("run_id", "action", "node_id"),
        ),
        *FLOW_FORMS,
    )
}


@dataclass(frozen=True)
class Own:
    """A command with a module of its own below `own/`; `command` is its name there."""

    module: str
    command: str
    help: str


OWN: Final[Mapping[str, Own]] = {
    "demo": Own("demonstrating", "demo", "Watch a real MCP client drive a run from workflow to report."),
    "init": Own("initializing", "init", "Make a registry in a folder."),
    "doctor": Own("caring", "doctor", FORMS["doctor"].help),
    "repair": Own("caring", "repair", FORMS["repair"].help),
    "archive": Own("archiving", "archive", "Move finished runs to the archive, or bring one back."),
    "reindex": Own("archiving", "reindex", "Read every run again for the lists."),
    "workflow show": Own("showing", "show_workflow", "Print a workflow, by path or id."),
    "run create": Own("creating", "create", FORMS["run create"].help),
    "run bind": Own("binding", "bind", FORMS["run bind"].help),
    "run wait": Own("waiting", "wait", FORMS["run wait"].help),
    "run watch": Own("watching", "watch", "Follow a run live until it ends."),
    "run graph": Own("showing", "graph", "Draw a run's graph, as lines or as Mermaid."),
    "run replay": Own("replaying", "replay", "Show a run as it was at a revision."),
    "run diff": Own("replaying", "diff", "Show what changed in a run between two revisions."),
    "artifact read": Own("reading", "read", FORMS["artifact read"].help),
    "node transition": Own("steps", "transition", "Record a step of a node without a lease."),
    "node result": Own("steps", "result", "Hand in how a node ended, with sessions and artifacts."),
    "task create": Own("giving_tasks", "create", FORMS["task create"].help),
    "task list": Own("listing_tasks", "list_", "List what an agent has to do, does and did."),
    "task list-all": Own("listing_tasks", "list_all", "List all agents with the number of their tasks."),
    "task start": Own("working_tasks", "start", "Take the next task of an agent's queue, or a named one."),
    "task complete": Own("working_tasks", "complete", "Say that an agent's current task, or a named one, is done."),
    "task fail": Own("working_tasks", "fail", "Say that an agent's current task, or a named one, failed."),
    "task cancel": Own("giving_tasks", "cancel", FORMS["task cancel"].help),
    "task get": Own("listing_tasks", "get", FORMS["task get"].help),
    "task retry": Own("giving_tasks", "retry", FORMS["task retry"].help),
    "task query": Own("listing_tasks", "query", FORMS["task query"].help),
    "task stats": Own("listing_tasks", "stats", FORMS["task stats"].help),
    "task history": Own("listing_tasks", "history", "List an agent's ended tasks, cancelled ones too, newest first."),
    "heartbeat": Own("listing_tasks", "heartbeat", "Say what an agent is to do now: HEARTBEAT_OK for nothing."),
    "flow set-waiting": Own("flows", "set_waiting", FORMS["flow set-waiting"].help),
    "flow resume": Own("flows", "resume", FORMS["flow resume"].help),
    "flow finish": Own("flows", "finish", FORMS["flow finish"].help),
    "flow fail": Own("flows", "fail", FORMS["flow fail"].help),
    "flow summary": Own("flows", "summary", "Count a flow's children, by status and by what carries them."),
    "mcp config": Own("configuring", "config", "Print an MCP client's configuration, or write it with --write."),
    "completion": Own("completing", "completion", "Print the script that completes commands and ids in your shell."),
}
"""One that is in `FORMS` too makes the form's call with more options than fields."""


def names_in(group: str | None) -> list[str]:
    """The commands of a group, or the first words, in the order of the lists."""
    if group is not None:
        known = dict.fromkeys([*FORMS, *OWN])
        return [words.split()[1] for words in known if words.split()[0] == group and " " in words]
    return [*(words for words in OWN if " " not in words), *GROUPS]


def help_of(words: str) -> str:
    """One line on a command or group."""
    if words in GROUPS:
        return GROUPS[words]
    return OWN[words].help if words in OWN else FORMS[words].help


def line_of(tool: str, arguments: "Mapping[str, Json]", *, before: tuple[str, ...] = ()) -> str | None:
    """A call of an operation as a command line; None where no command makes it."""
    fitting = [form for form in FORMS.values() if form.operation == tool and form.can_say(arguments)]
    if not fitting:
        return None
    best = max(fitting, key=lambda form: (len(form.says), sum(name in arguments for name in form.places)))
    return command_line(best, arguments, before=before)
