"""A workflow, its steps and its children as spans on a time axis. Pure: records in, spans out.

How it goes to the browser and into a table is decided in ``timeline/wire``.
"""

from collections.abc import Mapping, Sequence

import msgspec

from conductor_lite.console.beginnings import began_anew
from conductor_lite.console.timeline.placing import place_steps
from conductor_lite.console.timeline.spans import (
    ENDED,
    SpanKind,
    SpanStatus,
    StepFacts,
    ended_at,
    moment,
    understand,
    workflow_status,
)
from conductor_lite.console.timeline.waiting import Wait, waits
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.protocol import StepRecord, WorkflowRecord

__all__ = ["MAX_LEVELS", "Branch", "Span", "SpanKind", "SpanStatus", "Timeline", "build"]

#: Children of children of … that are laid out.
MAX_LEVELS = 6
#: Spans that are laid out; what comes after them is left out.
MAX_SPANS = 20_000
_SECOND_MS = 1000


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow as far as it has been fetched."""

    #: None when the executor does not know it (any more).
    workflow: WorkflowRecord | None
    steps: Sequence[StepRecord] = ()


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bar."""

    #: Its place in the timeline, from 0; parents come before what is in them.
    id: int
    parent: int | None
    label: str
    kind: SpanKind
    status: SpanStatus
    #: Where to draw it; see ``timed``.
    start_epoch_ms: int
    #: None: still going on. Never before the start.
    end_epoch_ms: int | None
    #: Whether these times are on record. Otherwise they only keep the order of the steps.
    timed: bool
    #: 0 for the workflow itself.
    depth: int
    #: The workflow that it is, or that it is a part of.
    workflow_id: str
    #: Number of the step, for steps and for children, in the workflow that took it.
    function_id: int | None
    #: Whether others are in it.
    foldable: bool
    #: When it is to end, if that is known and it has not: of sleeps, delays and waits with a timeout.
    until_epoch_ms: int | None = None
    #: How often the SDK retried it before it gave up; None where it tells nothing.
    retries: int | None = None
    #: A few words more; empty mostly.
    note: str = ""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All spans, in the order in which they are listed."""

    spans: tuple[Span, ...]
    start_epoch_ms: int
    #: The latest end, or now when something is going on. Never before the start.
    end_epoch_ms: int
    #: Whether something is still going on.
    live: bool
    #: Whether any step has no times on record.
    untimed: bool
    #: Whether children are left out, for their depth or their number.
    incomplete: bool


def build(
    workflow: WorkflowRecord,
    steps: Sequence[StepRecord],
    children: Mapping[str, Branch],
    now_epoch_ms: int,
    recoveries: Sequence[PastRecovery] = (),
) -> Timeline:
    """Lay out a workflow.

    Args:
        workflow: the one at the root.
        steps: its steps.
        children: what has been fetched of its children and theirs, by workflow id.
        now_epoch_ms: where what is still going on ends for now.
        recoveries: of its application, as `began_anew` takes them.
    """
    builder = _Builder(children, now_epoch_ms, recoveries)
    builder.add_root(workflow, steps)
    spans = tuple(builder.spans)
    start = min(span.start_epoch_ms for span in spans)
    live = any(span.end_epoch_ms is None for span in spans)
    ends = [span.end_epoch_ms for span in spans if span.end_epoch_ms is not None]
    if live:
        ends.append(now_epoch_ms)
    return Timeline(
        spans=spans,
        start_epoch_ms=start,
        end_epoch_ms=max(start, *ends),
        live=live,
        untimed=not all(span.timed for span in spans),
        incomplete=builder.incomplete,
    )


class _Builder:
    """Adds spans one after the other, parents first."""

    def __init__(
        self, children: Mapping[str, Branch], now_epoch_ms: int, recoveries: Sequence[PastRecovery]
    ) -> None:
        self.spans: list[Span] = []
        self.incomplete = False
        self._children = children
        self._now = now_epoch_ms
        self._recoveries = recoveries
        # Whose steps are laid out: many steps may start the same workflow, and hostile data may be a ring.
        self._seen: set[str] = set()

    def add_root(self, workflow: WorkflowRecord, steps: Sequence[StepRecord]) -> None:
        """Add the workflow that all is about, and everything in it."""
        root = Span(
            id=0,
            parent=None,
            label=workflow.workflow_name or workflow.workflow_id,
            kind="workflow",
            status="running",
            start_epoch_ms=self._now,
            end_epoch_ms=None,
            timed=True,
            depth=0,
            workflow_id=workflow.workflow_id,
            function_id=None,
            foldable=False,
        )
        self._add_workflow(root, workflow, steps, level=0)

    def _add_workflow(
        self, outline: Span, workflow: WorkflowRecord, steps: Sequence[StepRecord], level: int
    ) -> None:
        """Add a workflow; of ``outline`` remains what the workflow itself does not know."""
        self._seen.add(workflow.workflow_id)
        facts = understand(workflow, steps, self._now)
        queued = waits(workflow, facts, self._now, anew=began_anew(workflow, self._recoveries))
        created = moment(workflow.created_at_epoch_ms, self._now)
        start = created if created is not None else _first_start(facts, outline.start_epoch_ms)
        end = _end(workflow, facts, start, self._now)
        self.spans.append(
            msgspec.structs.replace(
                outline,
                label=workflow.workflow_name or outline.label,
                status=workflow_status(workflow),
                start_epoch_ms=start,
                end_epoch_ms=end,
                timed=created is not None,
                foldable=bool(queued or facts),
            )
        )
        for wait in queued:
            self._add_wait(outline, wait)
        self._add_steps(outline, workflow, facts, level)

    def _add_wait(self, workflow: Span, wait: Wait) -> None:
        self.spans.append(
            Span(
                id=len(self.spans),
                parent=workflow.id,
                label=wait.label,
                kind=wait.kind,
                status=wait.status,
                start_epoch_ms=wait.start_epoch_ms,
                end_epoch_ms=wait.end_epoch_ms,
                until_epoch_ms=wait.until_epoch_ms,
                timed=True,
                depth=workflow.depth + 1,
                workflow_id=workflow.workflow_id,
                function_id=None,
                foldable=False,
            )
        )

    def _add_steps(
        self, outline: Span, workflow: WorkflowRecord, facts: Sequence[StepFacts], level: int
    ) -> None:
        span = self.spans[outline.id]
        end = self._now if span.end_epoch_ms is None else span.end_epoch_ms
        places = place_steps(workflow, facts, span.start_epoch_ms, max(end, span.start_epoch_ms))
        for fact, place in zip(facts, places, strict=True):
            if len(self.spans) >= MAX_SPANS:
                self.incomplete = True
                return
            step = Span(
                id=len(self.spans),
                parent=outline.id,
                label=fact.step.function_name or "step",
                kind=fact.kind,
                status=fact.status,
                start_epoch_ms=place.start_epoch_ms,
                end_epoch_ms=place.end_epoch_ms,
                until_epoch_ms=fact.until_epoch_ms,
                timed=place.timed,
                depth=outline.depth + 1,
                workflow_id=workflow.workflow_id,
                function_id=fact.step.function_id,
                foldable=False,
                retries=fact.retries,
                note=place.note or fact.note,
            )
            if fact.child_id is None:
                self.spans.append(step)
            else:
                self._add_child(msgspec.structs.replace(step, workflow_id=fact.child_id), level + 1)

    def _add_child(self, outline: Span, level: int) -> None:
        branch = self._children.get(outline.workflow_id)
        seen = outline.workflow_id in self._seen
        if branch is not None and branch.workflow is not None and not seen and level <= MAX_LEVELS:
            self._add_workflow(outline, branch.workflow, branch.steps, level)
            return
        if seen:
            note = "shown above"
        elif branch is not None and branch.workflow is None:
            note = "no longer on record"
        else:
            note = "not loaded"
            self.incomplete = True
        self.spans.append(msgspec.structs.replace(outline, note=outline.note or note))


def _first_start(facts: Sequence[StepFacts], otherwise: int) -> int:
    return min((f.start_epoch_ms for f in facts if f.start_epoch_ms is not None), default=otherwise)


def _end(workflow: WorkflowRecord, facts: Sequence[StepFacts], start: int, now_epoch_ms: int) -> int | None:
    if workflow_status(workflow) not in ENDED:
        return None
    last = max([start, *(f.end_epoch_ms for f in facts if f.end_epoch_ms is not None)])
    end = ended_at(workflow, start, now_epoch_ms)
    if end is None:
        return last
    # On SQLite the times of workflows are whole seconds, those of steps are not.
    return last if end % _SECOND_MS == 0 and end < last < end + _SECOND_MS else end
