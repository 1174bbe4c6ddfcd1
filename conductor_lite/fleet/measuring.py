"""Asks one executor what happened in a window of time, and what waits now. Keeps nothing.

Five questions at most, each answered from an index of the application's database. An SDK too old for them is
asked for listings instead (`measuring_listings`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec

from conductor_lite.errors import UnsupportedMessageError
from conductor_lite.protocol import (
    GetMetrics,
    GetStepAggregates,
    GetWorkflowAggregates,
    Reply,
    Request,
    StepAggregatesBody,
    WorkflowAggregateRecord,
    WorkflowAggregatesBody,
)
from conductor_lite.store.metric_families import Group, Label

R = TypeVar("R", bound=Reply)

AGGREGATES = "aggregates"
LISTINGS = "listings"

ENQUEUED = "ENQUEUED"
PENDING = "PENDING"
#: Which family counts workflows that ended so.
OUTCOMES: Mapping[str, str] = {
    "SUCCESS": "workflow_succeeded",
    "ERROR": "workflow_failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "workflow_failed",
    "CANCELLED": "workflow_cancelled",
}
_STEP_OUTCOMES = {"SUCCESS": "step_succeeded", "ERROR": "step_failed"}


class Ask(Protocol):
    """Asks one executor of one application."""

    async def __call__(self, request: Request[R]) -> R:
        """Raises what ``Fleet.ask`` raises."""


class Window(msgspec.Struct, frozen=True):
    """A stretch of time, in seconds since 1970; the end is not part of it."""

    start: int
    end: int

    @property
    def first(self) -> str:
        """Its first moment as filters have it. Not every SDK reads the Z that stands for UTC."""
        return datetime.fromtimestamp(self.start, UTC).isoformat()

    @property
    def last(self) -> str:
        """Its last millisecond, for filters that include their bound.

        Half of one is added, since SDKs that reckon in floating point would round it down to the one before.
        """
        return datetime.fromtimestamp(self.end - 0.0005, UTC).isoformat()

    @property
    def after(self) -> str:
        """The first moment after it."""
        return datetime.fromtimestamp(self.end, UTC).isoformat()


class Measured(msgspec.Struct, kw_only=True):
    """What is known of a window, or of now."""

    #: None stands for nothing.
    points: dict[Label, float] = {}
    #: Groups of which everything is known.
    groups: set[Group] = set()
    #: What it was worked out from.
    basis: str = AGGREGATES
    #: Whether the SDK has been seen to heed filters by time.
    is_trusted: bool = False

    def add(self, family: str, first: str | None, second: str | None, value: float | None) -> None:
        """Count something."""
        if value:
            label = Label(family, first or "", second or "")
            self.points[label] = self.points.get(label, 0.0) + value

    def top(self, family: str, first: str | None, second: str | None, value: float | None) -> None:
        """Take the largest of several values."""
        if value is not None:
            label = Label(family, first or "", second or "")
            self.points[label] = max(self.points.get(label, 0.0), value)


class UntrustedAnswerError(UnsupportedMessageError):
    """The SDK answers, and ignores the filters by time: it is from before they existed."""


async def measure(ask: Ask, application_name: str, window: Window, *, is_trusted: bool) -> Measured:
    """Ask what happened in a window, by aggregates.

    Args:
        ask: reaches the executor.
        application_name: whose work is counted, where several applications share a database.
        window: the stretch of time.
        is_trusted: whether this SDK is known to heed the filters; otherwise that is tried first.

    Raises:
        UnsupportedMessageError: the SDK is too old for this.
        DispatchError: no answer.
    """
    names = [application_name]
    measured = Measured()
    ended = await _aggregates(ask, _ended(names, window.first, window.last))
    # Between the end of the window and its beginning there is nothing, unless nobody looks at the times.
    if ended and not is_trusted and await _aggregates(ask, _ended(names, window.after, window.first)):
        raise UntrustedAnswerError("The SDK ignores filters by time; it is too old for aggregates.", "")
    measured.is_trusted = is_trusted or bool(ended)
    for row in ended:
        group = row.group
        family = OUTCOMES.get(group.get("status") or "")
        if family is not None:
            name, queue = group.get("name"), group.get("queue_name")
            measured.add(family, name, queue, row.count)
            measured.top("workflow_latency_secs", name, queue, secs(row.max_total_latency_ms))
    await _measure_dequeued(ask, names, window, measured)
    measured.groups.add(Group.FINISHED)
    body = WorkflowAggregatesBody(
        group_by_name=True,
        group_by_queue_name=True,
        select_count=True,
        start_time=window.first,
        end_time=window.last,
        application_name=names,
    )
    for row in await _aggregates(ask, body):
        measured.add("workflow_started", row.group.get("name"), row.group.get("queue_name"), row.count)
    measured.groups.add(Group.STARTED)
    await _measure_steps(ask, names, window, measured)
    return measured


async def measure_open(ask: Ask, application_name: str, now: datetime) -> Measured:
    """Ask what waits and runs now, by aggregates.

    Raises:
        UnsupportedMessageError: the SDK is too old for this.
        DispatchError: no answer.
    """
    body = WorkflowAggregatesBody(
        group_by_status=True,
        group_by_name=True,
        group_by_queue_name=True,
        select_count=True,
        select_min_created_at=True,
        status=[ENQUEUED, PENDING],
        application_name=[application_name],
    )
    measured = Measured(groups={Group.LEVELS})
    for row in await _aggregates(ask, body):
        created_ms = row.min_created_at_epoch_ms
        age_secs = None if created_ms is None else max(0.0, now.timestamp() - created_ms / 1000)
        add_open(measured, row.group.get("status"), row.group, row.count or 0, age_secs)
    return measured


def add_open(
    measured: Measured,
    status: str | None,
    group: Mapping[str, str | None],
    count: int,
    age_secs: float | None,
) -> None:
    """Count workflows that wait or run, and the age of the oldest of them."""
    name = group.get("name")
    if status == ENQUEUED:
        measured.add("workflow_enqueued", name, group.get("queue_name"), count)
        measured.top("workflow_enqueued_age_secs", name, group.get("queue_name"), age_secs)
    elif status == PENDING:
        measured.add("workflow_pending", name, None, count)
        measured.top("workflow_pending_age_secs", name, None, age_secs)


def secs(millis: int | None) -> float | None:
    """Seconds of milliseconds that may not be known; clocks that disagree make no negative ones."""
    return None if millis is None else max(0.0, millis / 1000)


async def _aggregates(ask: Ask, body: WorkflowAggregatesBody) -> list[WorkflowAggregateRecord]:
    return (await ask(GetWorkflowAggregates(body=body))).aggregates


def _ended(names: list[str], after: str, before: str) -> WorkflowAggregatesBody:
    return WorkflowAggregatesBody(
        group_by_status=True,
        group_by_name=True,
        group_by_queue_name=True,
        select_count=True,
        select_max_total_latency_ms=True,
        completed_after=after,
        completed_before=before,
        application_name=names,
    )


async def _measure_dequeued(ask: Ask, names: list[str], window: Window, measured: Measured) -> None:
    body = WorkflowAggregatesBody(
        group_by_name=True,
        group_by_queue_name=True,
        select_count=True,
        select_max_queue_wait_ms=True,
        dequeued_after=window.first,
        dequeued_before=window.last,
        application_name=names,
    )
    for row in await _aggregates(ask, body):
        name, queue = row.group.get("name"), row.group.get("queue_name")
        # Some SDKs note a start of those as well that never were on a queue.
        if queue:
            measured.add("workflow_dequeued", name, queue, row.count)
            measured.top("workflow_queue_wait_secs", name, queue, secs(row.max_queue_wait_ms))


async def _measure_steps(ask: Ask, names: list[str], window: Window, measured: Measured) -> None:
    body = StepAggregatesBody(
        group_by_function_name=True,
        group_by_status=True,
        select_count=True,
        select_max_duration_ms=True,
        completed_after=window.first,
        completed_before=window.last,
        application_name=names,
    )
    try:
        rows = (await ask(GetStepAggregates(body=body))).aggregates
    except UnsupportedMessageError:
        await measure_runs(ask, names, window, measured, {"step_count"})
        return
    for row in rows:
        family = _STEP_OUTCOMES.get(row.group.get("status") or "")
        if family is not None:
            name = row.group.get("function_name")
            measured.add(family, name, None, row.count)
            measured.top("step_duration_secs", name, None, secs(row.max_duration_ms))
    measured.groups.add(Group.STEPS)


async def measure_runs(
    ask: Ask, names: list[str], window: Window, measured: Measured, wanted: Iterable[str]
) -> None:
    """Ask for what nearly every SDK can count: workflows that began, and steps however they ended."""
    request = GetMetrics(start_time=window.first, end_time=window.after, application_names=names)
    try:
        records = (await ask(request)).metrics
    except UnsupportedMessageError:
        return
    families = {"workflow_count": "workflow_started", "step_count": "step_runs"}
    groups = {"workflow_count": Group.STARTED, "step_count": Group.STEP_RUNS}
    for kind in wanted:
        measured.groups.add(groups[kind])
        for record in records:
            if record.metric_type == kind:
                measured.add(families[kind], record.metric_name, None, record.value)
