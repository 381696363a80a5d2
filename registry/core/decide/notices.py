"""One clear word to the owner of a flow: left as an effect, replaced while nobody has sent it."""

from collections import Counter
from typing import Final

from ..draft import Draft
from ..flow import Flow, FlowStatus
from ..names import shown
from ..record import Bag
from ..run import Effect
from . import effects

_GOAL_CHARS: Final = 200
_WHY_CHARS: Final = 300
_SAID: Final[dict[FlowStatus, str]] = {
    "queued": "queued again",
    "running": "going on",
    "waiting": "waiting",
    "blocked": "blocked",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def target(run_id: str) -> str:
    """What notices of one flow replace each other on."""
    return f"notice:{run_id}"


def tell_owner(draft: Draft, flow: Flow, *, before: FlowStatus) -> None:
    """Leave a message about the status a flow has come to, where its policy asks for one.

    An unsent one about an earlier status goes in any case: it is no longer so. One about this status
    tells the newest, as long as nobody has sent it.
    """
    if flow.status == before:
        unsent = _unsent(draft)
        if unsent is None or unsent.params.get("message") == notice(draft, flow):
            return
    effects.withdraw(draft, target(draft.state.run_id))
    if flow.notify_policy == "silent" or (flow.notify_policy == "done_only" and not flow.is_ended):
        return
    params: Bag = {"message": notice(draft, flow), "flowId": draft.state.run_id, "status": flow.status}
    if flow.requester_origin is not None:
        params["deliveryContext"] = flow.requester_origin
    else:
        params["sessionKey"] = flow.owner_key
    effects.ask_for(
        draft, "message.send", "tell whoever asked for this flow", params, target=target(draft.state.run_id)
    )


def _unsent(draft: Draft) -> Effect | None:
    wanted = target(draft.state.run_id)
    return next((effect for effect in draft.refs.pending_effects.values() if effect.target == wanted), None)


def notice(draft: Draft, flow: Flow) -> str:
    """What the owner reads: the goal, how it stands, why, and what became of the children."""
    text = f"{shown(flow.goal, _GOAL_CHARS)}: {_SAID[flow.status]}"
    why = _why(flow)
    if why:
        text += f" ({shown(why, _WHY_CHARS)})"
    return text + (f"; {_children(draft)}" if flow.is_ended and draft.nodes else "")


def _why(flow: Flow) -> str:
    if flow.status in ("blocked", "failed"):
        return flow.blocked_summary or (f"by {flow.blocked_task_id}" if flow.blocked_task_id else "")
    return flow.current_step or "" if flow.status in ("running", "waiting") else ""


def _children(draft: Draft) -> str:
    ends = Counter(
        "cancelled" if node.outcome == "cancelled" else node.status if not node.is_open else "still open"
        for node in draft.nodes.values()
    )
    number = len(draft.nodes)
    return f"{number} task{'' if number == 1 else 's'}: " + ", ".join(
        f"{ends[how]} {how}" for how in ("completed", "skipped", "failed", "cancelled", "still open") if ends[how]
    )
