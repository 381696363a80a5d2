"""One writer's hold on one run of files."""

from collections.abc import Sequence

from ...core.commands import AdoptLines, InboxLine
from ...core.events import Decision
from ...core.limits import ARTIFACT_BYTES_MAX
from ...core.names import shown
from ...core.record import Bag
from ...core.run import Run
from ...errors import LimitExceeded, RegistryError
from ..port import Committed, PlanEdit
from . import adopt, inbox
from .handles import Loaded, OpenRun
from .layout import PLAN, RUNS
from .mutating import mutate
from .opening import Refused, read_file, size_of, sizes_of
from .plan_edit import edit_of
from .projecting import Place, short_sha
from .vouching import projection_text


class FileSession:
    """The only writer of a run; see `port.Session` for what it promises."""

    def __init__(self, place: Place, entry: OpenRun, loaded: Loaded, *, end: int, notices: tuple[str, ...]) -> None:
        self._place = place
        self._entry = entry
        self._loaded = loaded
        self._end = end
        self._notices = notices
        self._judged = loaded.mark.control
        self._given = loaded.mark.control
        self._edit_told = False

    @property
    def run(self) -> Run:
        """The run at its newest whole mutation."""
        return self._loaded.run

    @property
    def notices(self) -> tuple[str, ...]:
        """What was put right before the session was given."""
        return self._notices

    @property
    def run_dir(self) -> str:
        """Absolute path of the run's folder: one that can be changed lies among the runs."""
        return f"{self._place.root_path}/{RUNS}/{self._entry.run_id}"

    def inbox(self) -> tuple[InboxLine, ...]:
        """Lines of `control.jsonl` not judged yet, at most 256 at a time."""
        with Refused("reading control.jsonl"):
            found = inbox.pending(
                self._entry, judged=self._judged, known=self.run.refs.applied_control_ids, synced=self._place.synced
            )
        self._given = found.end
        if not found.lines:
            self._judged = found.end
        return found.lines

    def append_control(self, line: Bag) -> tuple[str, ...]:
        """Tell in `control.jsonl` of a control that was applied already; gives warnings.

        Actions that earlier readers do not know stand only in the trail.
        """
        try:
            self._judged = inbox.append_applied(self._entry, line, judged=self._judged, synced=self._place.synced)
        except (OSError, RegistryError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return (f"projection_stale: control.jsonl could not be written ({why}); the trail has the control",)
        return ()

    def plan_edit(self) -> PlanEdit | None:
        """What was edited in `workflow.lock.md`, if anything; told once."""
        identity = self._entry.identity(PLAN)
        if identity is None or identity in (self._loaded.seen.get(PLAN), self._entry.judged_plan):
            return None
        with Refused(f"reading {PLAN}"):
            text = projection_text(self._entry, PLAN)
        if text is None:
            return None  # the next change of the plan writes it; what else stands in its place a repair sets aside
        edit = None if short_sha(text) == self._loaded.lock else edit_of(text, self.run)
        self._entry.judged_plan = identity
        self._edit_told = edit is not None
        return edit

    def foreign_lines(self) -> AdoptLines | None:
        """What others appended to the trail since the last mutation, as the command that adopts it."""
        spans = self._loaded.mark.unadopted
        if not spans:
            return None
        with Refused("reading the trail"):
            return adopt.lines_of(self._entry, spans[0])

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of those run-relative files that exist."""
        return sizes_of(self._entry.folder, paths)

    def read_file(self, path: str) -> bytes:
        """A file of the run, whole; empty when it is not there.

        Raises:
            LimitExceeded: it is larger than an artifact may be.
        """
        size = size_of(self._entry.folder, path)
        if size is not None and size > ARTIFACT_BYTES_MAX:
            raise LimitExceeded(f"the file {path!r}", limit=ARTIFACT_BYTES_MAX, size=size)
        with Refused(f"reading {shown(path)!r}"):
            return read_file(self._entry.folder, path) or b""

    def commit(self, decision: Decision, *, op_id: str | None = None, inbox_judged: bool = False) -> Committed:
        """Make a decision durable, as one mutation. A decision without events changes nothing."""
        if not decision.events:
            return Committed(run=self.run, rev=self.run.log.rev, events=())
        control = max(self._given, self._judged) if inbox_judged else self._judged
        # An edited workflow.lock.md was heard: it is kept under another name and written as the plan now is.
        known = self._loaded._replace(lock="") if self._edit_told else self._loaded
        self._loaded, committed = mutate(
            self._place, self._entry, known, decision, op_id=op_id, control=control, end=self._end
        )
        self._judged, self._end, self._edit_told = control, self._loaded.mark.offset, False
        return committed
