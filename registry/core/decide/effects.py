"""What a registry cannot do itself: asked for here, carried out and confirmed by others."""

from ..draft import Draft
from ..record import Bag
from ..run import Effect, EffectKind, NodeState

_SLOW_CRON = "*/30 * * * *"


def ask_for(draft: Draft, kind: EffectKind, do: str, params: Bag, *, target: str) -> str:
    """Leave an effect; it replaces an unsent earlier one on the same target.

    Returns:
        The effect's id.
    """
    pending = {key: effect for key, effect in draft.refs.pending_effects.items() if effect.target != target}
    effect_id = f"effect-{draft.rev}-{_asked_already(draft) + 1}"
    pending[effect_id] = Effect(id=effect_id, kind=kind, do=do, params=params, target=target)
    draft.set_refs(pending_effects=pending)
    return effect_id


def withdraw(draft: Draft, target: str) -> None:
    """Take back what nobody has carried out yet and nobody wants any more."""
    kept = {key: effect for key, effect in draft.refs.pending_effects.items() if effect.target != target}
    if len(kept) != len(draft.refs.pending_effects):
        draft.set_refs(pending_effects=kept)


def _asked_already(draft: Draft) -> int:
    """The last number this mutation gave an effect; one that was replaced leaves no gap to be filled."""
    prefix = f"effect-{draft.rev}-"
    numbers = (key.removeprefix(prefix) for key in draft.refs.pending_effects if key.startswith(prefix))
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def confirm(draft: Draft, effect_id: str) -> bool:
    """Take note that an effect was carried out; False when no such effect is pending."""
    effect = draft.refs.pending_effects.get(effect_id)
    if effect is None:
        return False
    rest = {key: other for key, other in draft.refs.pending_effects.items() if key != effect_id}
    draft.set_refs(pending_effects=rest)
    draft.tell("effect.confirmed", effectId=effect_id, kind=effect.kind)
    return True


def report_failure(draft: Draft, effect_id: str, error: str) -> bool:
    """Take note that an effect could not be carried out; it stays pending and is counted."""
    effect = draft.refs.pending_effects.get(effect_id)
    if effect is None:
        return False
    tried = effect.model_copy(update={"tries": effect.tries + 1})
    draft.set_refs(pending_effects={**draft.refs.pending_effects, effect_id: tried})
    draft.tell("effect.failed", message=error, effectId=effect_id, kind=effect.kind, tries=tried.tries)
    return True


def abort_child(draft: Draft, node: NodeState) -> None:
    """Ask for an end of what may still work on a node nobody wants any more: a session, or a run that a flow linked."""
    if node.child_session_key:
        what, whose = "session", {"sessionKey": node.child_session_key}
    elif node.managed and node.run_id:
        what, whose = "run", {"workerRunId": node.run_id}
    else:
        return
    words = f"stop this {what}: its work is no longer wanted"
    ask_for(draft, "session.abort", words, {**whose, "nodeId": node.id}, target=stop_target(node))


def stop_target(node: NodeState) -> str:
    """What requests to stop the work on a node replace each other on."""
    return f"session:{node.child_session_key}" if node.child_session_key else f"child:{node.id}"


def slow_cron(draft: Draft) -> None:
    """A paused run needs its timer rarely; without it nobody would notice the resume."""
    _update_cron(draft, "wake this run every half hour only: it is paused", {"schedule": _SLOW_CRON})


def restore_cron(draft: Draft) -> None:
    """Back to the workflow's own rhythm."""
    cron = draft.plan.driver.cron if draft.plan.driver else "*/2 * * * *"
    _update_cron(draft, "wake this run at its usual times again", {"schedule": cron, "enabled": True})


def stop_cron(draft: Draft) -> None:
    """An ended run wants no more wakes."""
    _update_cron(draft, "switch this job off: the run has ended", {"enabled": False})


def patch_cron(draft: Draft, patch: Bag) -> str | None:
    """Change the run's cron job as somebody asked."""
    return _update_cron(draft, "change this job as asked", patch)


def _update_cron(draft: Draft, do: str, patch: Bag) -> str | None:
    job_id = draft.state.cron_job_id
    if not job_id:
        return None
    return ask_for(draft, "cron.update", do, {"jobId": job_id, "patch": patch}, target=f"cron:{job_id}")


def send_to_channel(draft: Draft, message: str, *, node_id: str | None) -> str:
    """Have a message sent to the chat the run reports to."""
    where = draft.state.delivery_context
    params: Bag = {"message": message}
    if where is not None:
        params["deliveryContext"] = where.model_dump(mode="json", by_alias=True, exclude_none=True)
    if node_id:
        params["nodeId"] = node_id
    return ask_for(
        draft, "message.send", "send this message", params, target=f"message:{draft.rev}:{len(draft.events)}"
    )
