"""A job: what a person says, what there is before, and what must be true in the end."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

JOBS: Final = Path(__file__).with_name("jobs")
WORKFLOWS: Final = JOBS / "workflows"

Run = Annotated[str, Field(description="A run's id; * is the one run that was not there in the beginning.")]


class Part(BaseModel):
    """A piece of a job's file; a misspelt key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(Part):
    """A call that somebody else makes: before the job, or between two turns.

    `<fence>` in the arguments is the fence of the last claim, and `*` as run_id the one new run.
    """

    tool: str
    args: dict[str, JsonValue] = {}
    by: Literal["agent", "person"] = "agent"
    agent_id: str = "earlier"


class Turn(Part):
    """One thing that the person says, to an agent that has forgotten all that was before."""

    say: str
    before: tuple[Call, ...] = ()


class RunsMade(Part):
    """So many runs were made that were not there before."""

    that: Literal["runs_made"]
    count: int


class RunStatus(Part):
    """A run's status in the end."""

    that: Literal["run"]
    run: Run
    status: str


class NodeStatus(Part):
    """A node's status in the end, and how often it was begun."""

    that: Literal["node"]
    run: Run
    node: str
    status: str
    attempts: int | None = None
    attempts_min: int = 0


class FileThere(Part):
    """A file of the run is there, long enough and with these words."""

    that: Literal["file"]
    run: Run
    path: str
    bytes_min: int = 1
    says: str = ""


class Reports(Part):
    """Every node that was worked on has a report."""

    that: Literal["reports"]
    run: Run


class Order(Part):
    """These happened in this order, whatever came between: `event` or `event node`."""

    that: Literal["order"]
    run: Run
    events: tuple[str, ...]


class InputGiven(Part):
    """The run was started with an input that has these words."""

    that: Literal["input"]
    run: Run
    name: str
    says: str


class Plan(Part):
    """The run's graph has at least this many nodes, this many after one another and this many side by side."""

    that: Literal["plan"]
    run: Run
    nodes_min: int
    depth: int = 1
    width_min: int = 1


class Words(Part):
    """An event carries these words, in whatever case."""

    that: Literal["words"]
    run: Run
    event: str
    node: str
    says: str


class By(Part):
    """Who did it: an agent, or a person at a terminal or web page."""

    that: Literal["by"]
    run: Run
    event: str
    node: str
    kind: Literal["agent", "operator"]


class NotCalled(Part):
    """A call that must not be made and be taken; with the turn it is about, else in none."""

    that: Literal["not_called"]
    tool: str
    args: dict[str, JsonValue] = {}
    turn: int | None = None


class NothingPending(Part):
    """No message of a person is unread and no effect is left to carry out."""

    that: Literal["nothing_pending"]
    run: Run


class EndedInOrder(Part):
    """Runs with these titles were completed, one after the other."""

    that: Literal["ended_in_order"]
    titles: tuple[str, ...]


class Untouched(Part):
    """The run with this title is as it was."""

    that: Literal["untouched"]
    title: str


Check = Annotated[
    RunsMade | RunStatus | NodeStatus | FileThere | Reports | Order | InputGiven | Plan | Words | By | NotCalled
    | NothingPending | EndedInOrder | Untouched,
    Field(discriminator="that"),
]  # fmt: skip


class Job(Part):
    """What is asked, and how it is judged.

    Attributes:
        workflows: Those of `jobs/workflows` that the registry has.
        approvals: How the registry takes a person's decisions.
        setup_minutes_ago: When `setup` happened; a worker that died must have been silent for a while.
        calls_max: A job done with more calls is done, but not thriftily; so with `bytes_max`.
        bytes_max: What a model reads and writes of tool calls, in bytes of JSON.
    """

    id: str
    title: str
    workflows: tuple[str, ...] = ()
    approvals: Literal["open", "elicit", "operator"] = "open"
    setup: tuple[Call, ...] = ()
    setup_minutes_ago: int = 0
    turns: tuple[Turn, ...]
    checks: tuple[Check, ...]
    calls_max: int
    bytes_max: int


def all_jobs() -> dict[str, Job]:
    """Every job by its id, in the order of the files."""
    read = [Job.model_validate_json(path.read_bytes()) for path in sorted(JOBS.glob("*.json"))]
    return {job.id: job for job in read}
