"""Mistakes that small models make, each as what is sent instead of what was meant; None where it does not fit."""

from collections.abc import Mapping
from typing import Any

from tests.evaluation.hands import Blunder, Wrong

Args = Mapping[str, Any]


def without(args: Args, *names: str) -> dict[str, Any]:
    return {name: value for name, value in args.items() if name not in names}


def another_word_for_the_path(tool: str, args: Args) -> Wrong | None:
    if "workflow_path" not in args:
        return None
    return tool, {"workflow": args["workflow_path"], **without(args, "workflow_path")}


def a_tool_of_another_server(tool: str, args: Args) -> Wrong | None:
    other = {"scaffold_run": "start_run", "finish_node": "complete_node", "list_runs": "list_jobs"}.get(tool)
    return None if other is None or "workflow_text" in args else (other, args)


def a_claim_of_nothing(tool: str, args: Args) -> Wrong | None:
    return (tool, {}) if tool == "claim_node" and set(args) == {"run_id", "node_id"} else None


def a_task_id_for_a_run_id(tool: str, args: Args) -> Wrong | None:
    if tool != "claim_node" or "node_id" not in args:
        return None
    return tool, {**without(args, "node_id"), "run_id": f"{args['run_id']}:{args['node_id']}"}


def a_misspelt_node(tool: str, args: Args) -> Wrong | None:
    node = args.get("node_id", "")
    if tool not in ("claim_node", "write_handoff") or len(node) < 4:
        return None
    return tool, {**args, "node_id": node[1] + node[0] + node[2:]}


def a_claim_too_early(tool: str, args: Args) -> Wrong | None:
    last = {"gather": "final", "notes": "publish", "list": "choice"}.get(args.get("node_id", ""))
    return None if tool != "claim_node" or last is None else (tool, {**args, "node_id": last})


def an_invented_run(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "run_id": "run-001"}) if tool in ("get_run", "request_control") else None


def no_fence(tool: str, args: Args) -> Wrong | None:
    return (tool, without(args, "fence")) if tool == "finish_node" else None


def the_placeholder_as_the_fence(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "fence": "<fence>"}) if tool == "finish_node" else None


def done_for_completed(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "outcome": "done"}) if args.get("outcome") == "completed" else None


def no_report(tool: str, args: Args) -> Wrong | None:
    return (tool, without(args, "report")) if args.get("outcome") == "completed" else None


def a_summary_that_is_an_object(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "summary": {"text": "fine"}}) if "summary" in args else None


def a_failure_without_its_reason(tool: str, args: Args) -> Wrong | None:
    return (tool, without(args, "error")) if args.get("outcome") == "failed" else None


def an_empty_brief(tool: str, args: Args) -> Wrong | None:
    return (tool, {**without(args, "goal", "context"), "content": ""}) if tool == "write_handoff" else None


def an_action_that_is_none(tool: str, args: Args) -> Wrong | None:
    other = {"approve": "accept", "retry": "restart", "skip": "ignore", "release": "free"}.get(args.get("action", ""))
    return None if other is None else (tool, {**args, "action": other})


def the_tool_named_as_the_action(tool: str, args: Args) -> Wrong | None:
    other = {"approve": "approve_node", "retry": "retry_node", "skip": "skip_node"}.get(args.get("action", ""))
    return None if other is None else (other, without(args, "action"))


def a_need_that_does_not_exist(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "needs": ["drfat"]}) if tool == "change_plan" else None


def a_number_for_a_name(tool: str, args: Args) -> Wrong | None:
    return (tool, {**args, "run_id": 7}) if tool == "tick_run" else None


def everything_as_notes(tool: str, args: Args) -> Wrong | None:
    """Progress told by an event that only finish_node may make."""
    if args.get("outcome") != "completed":
        return None
    return "append_event", {"run_id": args["run_id"], "event": "node.complete", "node_id": args["node_id"]}


ALL: tuple[Blunder, ...] = (
    another_word_for_the_path,
    a_tool_of_another_server,
    a_claim_too_early,
    a_claim_of_nothing,
    a_task_id_for_a_run_id,
    a_misspelt_node,
    an_invented_run,
    no_report,
    no_fence,
    the_placeholder_as_the_fence,
    done_for_completed,
    a_summary_that_is_an_object,
    a_failure_without_its_reason,
    an_empty_brief,
    the_tool_named_as_the_action,
    an_action_that_is_none,
    a_need_that_does_not_exist,
    a_number_for_a_name,
    everything_as_notes,
)
