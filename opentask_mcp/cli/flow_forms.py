"""The commands about flows: one for each thing that a controller may say."""

from typing import Final

from .forms import Form

_CHANGES: Final = frozenset(
    {"status", "current_step", "state", "wait", "blocked_task_id", "blocked_summary", "reopen"}
)  # fmt: skip
_BLOCKED: Final = frozenset({"blocked_task_id", "blocked_summary"})


def _change(words: str, action: str, text: str, takes: frozenset[str]) -> Form:
    return Form(
        words=f"flow {words}",
        operation="update_flow",
        help=f"{text} What is not named stays; --clear FIELD clears it." if takes else text,
        places=("flow_id",),
        says={"action": action},
        without=tuple(sorted(_CHANGES - takes)),
    )


FLOW_FORMS: Final = (
    Form(words="flow create", operation="create_flow", help="Begin a flow that a controller plans as it goes."),
    Form(
        words="flow get",
        operation="get_flow",
        help="Show a flow: status, revision, children in numbers, its controller's state.",
        places=("flow_id",),
        may_lack=("flow_id",),
    ),
    Form(words="flow list", operation="list_flows", help="List flows, changed last first."),
    Form(
        words="flow run-task",
        operation="run_flow_task",
        help="Link a child (subagent, acp, cli, cron) that is carried outside; this does not start it.",
        places=("flow_id", "runtime", "task"),
    ),
    _change(
        "set-waiting", "set_waiting", "The flow waits; with a blocked field it is blocked.",
        _BLOCKED | {"current_step", "state", "wait"},
    ),
    _change(
        "resume", "resume", "The flow goes on; --reopen opens one that has ended.",
        frozenset({"status", "current_step", "state", "reopen"}),
    ),
    _change("finish", "finish", "The flow has succeeded.", frozenset({"state"})),
    _change("fail", "fail", "The flow has failed.", _BLOCKED | {"state"}),
    _change("request-cancel", "request_cancel", "Note that the flow is to be cancelled.", frozenset()),
    Form(
        words="flow cancel",
        operation="cancel_flow",
        help="Cancel a flow: what runs is asked to stop, and the end of the last child ends it.",
        places=("flow_id",),
    ),
)  # fmt: skip
