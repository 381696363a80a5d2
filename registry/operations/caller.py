"""Who asks, through which door, and what a person said when asked."""

from dataclasses import dataclass
from typing import Literal

from ..core.run import Actor
from ..registry import Registry

Approvals = Literal["open", "elicit", "operator"]


@dataclass(frozen=True)
class PersonAnswer:
    """What a person said to a `Question`; `declined` also when the form was closed."""

    decision: Literal["approve", "reject", "declined"]
    comment: str = ""


@dataclass(frozen=True)
class Question:
    """What a person is asked. The text depends on the request's arguments alone.

    `yes` and `no` are the words for the two answers, such as approve and reject.
    """

    message: str
    yes: str = "approve"
    no: str = "reject"


class PersonNeeded(Exception):
    """A person must decide: the surface asks and runs the operation again with the answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.message)
        self.question = question


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The context of one call.

    Attributes:
        agent_id: The agent that `--agent` or the client's name says is calling.
        approvals: How a person's decision must come in; a surface may only tighten it.
        can_ask: The client can show a person a form.
        answer: What the person said, when the operation asked before.
    """

    registry: Registry
    actor: Actor
    agent_id: str | None = None
    approvals: Approvals = "open"
    read_only: bool = False
    can_ask: bool = False
    answer: PersonAnswer | None = None
