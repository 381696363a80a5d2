"""What a waiting node waits for: from the words of a plan or a caller to a wait that can end."""

from datetime import timedelta

from ...errors import InvalidRequest
from ..draft import Draft
from ..names import iso, moment
from ..run import NodeState, Wait
from ..wait_rules import WAIT_KEYS, wait_faults
from ..workflow import WaitFor


def wait_of(draft: Draft, node: NodeState, wait_for: WaitFor | None) -> Wait:
    """The wait that a node begins now; nothing given is a manual one.

    Raises:
        InvalidRequest: it could never end, or looks outside the run's folder.
    """
    if node.kind == "approval":
        return Wait(type="approval")
    asked = _without_strangers(wait_for or WaitFor())
    for _, message, mend in wait_faults(asked):
        raise InvalidRequest(message, hint=mend)
    at = None
    if asked.at is not None:
        # One spelling of all moments, so that they compare as text.
        at = iso(moment(asked.at))
    elif asked.seconds is not None:
        at = iso(draft.now + timedelta(seconds=asked.seconds))
    return Wait(
        type=asked.type,
        path=asked.path,
        at=at,
        event=asked.event,
        # The node.waiting event itself is the next one; only what comes after it ends the wait.
        since_seq=draft.before.log.seq + len(draft.events) + 1,
        since_rev=draft.rev,
    )


def _without_strangers(wait: WaitFor) -> WaitFor:
    """The wait without keys of other types, which runs of the earlier implementation may hold."""
    own = WAIT_KEYS[wait.type]
    return WaitFor(
        type=wait.type,
        path=wait.path if "path" in own else None,
        at=wait.at if "at" in own else None,
        seconds=wait.seconds if "seconds" in own else None,
        event=wait.event if "event" in own else None,
    )


def wait_in_force(node: NodeState) -> Wait | None:
    """What a waiting node waits for; the earlier implementation's nodes say it in `wait_for` only."""
    if node.wait is not None or node.status != "waiting" or node.kind == "approval" or node.wait_for is None:
        return node.wait
    return Wait(type=node.wait_for.type, path=node.wait_for.path)


def shown_wait(wait: Wait) -> WaitFor:
    """The wait as readers of the earlier implementation know waits: other types look manual to them."""
    if wait.type == "file_exists":
        return WaitFor(type="file_exists", path=wait.path)
    return WaitFor(type="next_tick" if wait.type == "next_tick" else "manual")
