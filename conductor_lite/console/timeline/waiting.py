"""How long a workflow was delayed and queued before it began, as spans of a timeline. Pure."""

from collections.abc import Sequence

import msgspec

from conductor_lite.console.beginnings import put_back_at, worked_before
from conductor_lite.console.formatting import moment_of
from conductor_lite.console.timeline.spans import (
    SpanKind,
    SpanStatus,
    StepFacts,
    ended_at,
    moment,
    workflow_status,
)
from conductor_lite.protocol import WorkflowRecord


class Wait(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A time in which a workflow had not begun, or was to begin again."""

    #: ``delay`` or ``queue``.
    kind: SpanKind
    label: str
    status: SpanStatus
    start_epoch_ms: int
    #: None: not over yet.
    end_epoch_ms: int | None
    #: When it is to be over, if that is known and it is not.
    until_epoch_ms: int | None = None


def waits(
    workflow: WorkflowRecord, steps: Sequence[StepFacts], now_epoch_ms: int, *, anew: bool = False
) -> list[Wait]:
    """How long a workflow was delayed and queued, as far as that is on record.

    Args:
        workflow: enqueued, or not.
        steps: its own, understood.
        now_epoch_ms: tells what is over from what is not.
        anew: whether it was recovered or resumed, as `began_anew` tells.
    """
    created = moment(workflow.created_at_epoch_ms, now_epoch_ms)
    if created is None:
        return []
    # What a fork took over from its origin happened before it.
    starts = [s.start_epoch_ms for s in steps if s.start_epoch_ms is not None and s.start_epoch_ms >= created]
    first = min(starts, default=None)
    delay = _delay(workflow, created, first, now_epoch_ms)
    if delay is None:
        queue = _queue(workflow, steps, created, now_epoch_ms, first=first, anew=anew)
    elif delay.end_epoch_ms is None:
        queue = None
    else:
        queue = _queue(workflow, steps, delay.end_epoch_ms, now_epoch_ms, first=first, anew=anew)
    return [wait for wait in (delay, queue) if wait is not None]


def _delay(workflow: WorkflowRecord, created: int, first: int | None, now_epoch_ms: int) -> Wait | None:
    until, status = workflow.delay_until_epoch_ms, workflow_status(workflow)
    if until is None or until <= created:
        return None
    dequeued = moment(workflow.dequeued_at_epoch_ms, now_epoch_ms)
    over = ended_at(workflow, created, now_epoch_ms)
    end = max(created, min(time for time in (until, dequeued, first, over) if time is not None))
    told: SpanStatus = "cancelled" if status == "cancelled" and end == over else "succeeded"
    return Wait(
        kind="delay",
        label="Delay",
        status="delayed" if status == "delayed" else told,
        start_epoch_ms=created,
        end_epoch_ms=None if status == "delayed" else end,
        until_epoch_ms=until if status == "delayed" else None,
    )


def _queue(
    workflow: WorkflowRecord,
    steps: Sequence[StepFacts],
    begin: int,
    now_epoch_ms: int,
    *,
    first: int | None,
    anew: bool,
) -> Wait | None:
    status, dequeued = workflow_status(workflow), moment(workflow.dequeued_at_epoch_ms, now_epoch_ms)
    told: SpanStatus = "succeeded"
    end: int | None
    if status == "waiting":
        begin, end, told = _waits_since(workflow, steps, begin, anew=anew), None, status
    elif dequeued is None and first is None and status == "cancelled" and workflow.queue_name:
        end, told = ended_at(workflow, begin, now_epoch_ms), status
        if end is None or end == begin:
            return None
    elif dequeued is None or dequeued < begin or anew or _worked_before(dequeued, first):
        # Never queued; or dequeued anew after it had begun, and the first time is not on record.
        return None
    else:
        end = dequeued if first is None else max(begin, min(dequeued, first))
    label = f"Queue {workflow.queue_name}" if workflow.queue_name else "Queue"
    return Wait(kind="queue", label=label, status=told, start_epoch_ms=begin, end_epoch_ms=end)


def _waits_since(workflow: WorkflowRecord, steps: Sequence[StepFacts], begin: int, *, anew: bool) -> int:
    """With steps on record it has been recovered or resumed, and waits to begin again."""
    put_back = put_back_at(workflow) if anew else None
    since = begin if put_back is None else round(put_back.timestamp() * 1_000)
    return max([begin, since, *(step.end_epoch_ms for step in steps if step.end_epoch_ms is not None)])


def _worked_before(dequeued_epoch_ms: int, first_epoch_ms: int | None) -> bool:
    dequeued, first = moment_of(dequeued_epoch_ms), moment_of(first_epoch_ms)
    return dequeued is not None and worked_before(dequeued, first)
