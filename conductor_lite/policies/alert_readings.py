"""What rules are judged by, asked of one executor: few questions, each bounded and with a deadline."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from conductor_lite.errors import DispatchError, UnsupportedMessageError
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    ListSchedules,
    ListWorkflows,
    ScheduleFilters,
    ScheduleRecord,
    WorkflowAggregatesBody,
    WorkflowFilters,
    WorkflowRecord,
)
from conductor_lite.store.records import ApplicationRecord, SlowQueue, SlowWorkflow, WorkflowFailure

#: Seconds that one question may take.
QUESTION_SECS = 10.0
#: Workflows looked at where the SDK is too old to count them.
MAX_LISTED = 1_000
#: Workflows looked at to tell those that were made long ago from those that have waited for as long.
MAX_LOOKED_AT = 100

_FAILED = ["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_EVERY = "*"


class Readings:
    """Asks one application for one round; what two rules want alike is asked once.

    Args:
        fleet: asks.
        application: whom.
        now: the time of day that the round goes by.
    """

    def __init__(self, fleet: Fleet, application: ApplicationRecord, now: datetime) -> None:
        self._fleet = fleet
        self._application = application
        self._now = now
        self._counted: dict[bytes, dict[str | None, int]] = {}
        self._schedules: list[ScheduleRecord] | None = None

    async def failed_count(self, rule: WorkflowFailure) -> int:
        """How many workflows failed within the rule's period.

        Raises:
            DispatchError: no executor answered, here and below.
        """
        body = WorkflowAggregatesBody(
            group_by_queue_name=True,
            select_count=True,
            status=_FAILED,
            completed_after=self._ago(rule.period_secs),
            workflow_name=_only(rule.workflow_name),
        )
        return sum((await self._count(body)).values())

    async def waiting(self, rule: SlowQueue) -> Mapping[str, int]:
        """How many workflows have waited for longer than the rule's threshold, by queue."""
        body = WorkflowAggregatesBody(
            group_by_queue_name=True,
            select_count=True,
            status=["ENQUEUED"],
            end_time=self._ago(rule.threshold_secs),
            queue_name=_only(rule.queue_name),
        )
        counts = {queue: count for queue, count in (await self._count(body)).items() if queue is not None}
        if any(counts.values()):
            for workflow in await self._late_comers(body, _epoch_ms(self._ago(rule.threshold_secs))):
                if workflow.queue_name in counts:
                    counts[workflow.queue_name] -= 1
        return {queue: count for queue, count in counts.items() if count > 0}

    async def _late_comers(self, body: WorkflowAggregatesBody, since_ms: int) -> list[WorkflowRecord]:
        """Of the oldest that were counted, those that were delayed, resumed or recovered, and came later."""
        try:
            listed = await self._list(_filters(body, MAX_LOOKED_AT))
        except DispatchError:
            # An application that can count and not list has no better to say for itself.
            return []
        return [workflow for workflow in listed if (_enqueued_at(workflow) or 0) > since_ms]

    async def slow_count(self, rule: SlowWorkflow) -> int:
        """How many workflows have run for longer than the rule's threshold.

        Those from a queue began when they left it, all others when they were made.
        """
        since, name = self._ago(rule.threshold_secs), _only(rule.workflow_name)
        direct = WorkflowAggregatesBody(
            group_by_queue_name=True,
            select_count=True,
            status=["PENDING"],
            end_time=since,
            workflow_name=name,
        )
        made_before = await self._count(direct)
        count = made_before.get(None, 0)
        if any(queue is not None for queue in made_before):
            # Only what was made before can have left its queue before: most rounds need one question.
            queued = msgspec.structs.replace(direct, dequeued_before=since)
            count += sum(number for queue, number in (await self._count(queued)).items() if queue is not None)
        return count

    async def schedules(self) -> list[ScheduleRecord]:
        """The application's schedules, without their contexts."""
        if self._schedules is None:
            filters = ScheduleFilters(load_context=False, application_name=self._application.name)
            reply = await self._fleet.ask(
                self._application.id, ListSchedules(body=filters), deadline_secs=QUESTION_SECS
            )
            self._schedules = reply.schedules
        return self._schedules

    async def _count(self, body: WorkflowAggregatesBody) -> dict[str | None, int]:
        body = msgspec.structs.replace(body, application_name=[self._application.name])
        question = msgspec.json.encode(body)
        counts = self._counted.get(question)
        if counts is None:
            try:
                counts = await self._aggregate(body)
            except UnsupportedMessageError:
                counts = await self._listed(body)
            self._counted[question] = counts
        return counts

    async def _aggregate(self, body: WorkflowAggregatesBody) -> dict[str | None, int]:
        reply = await self._fleet.ask(
            self._application.id, GetWorkflowAggregates(body=body), deadline_secs=QUESTION_SECS
        )
        counts: dict[str | None, int] = {}
        for aggregate in reply.aggregates:
            queue = aggregate.group.get("queue_name")
            counts[queue] = counts.get(queue, 0) + (aggregate.count or 0)
        return counts

    async def _listed(self, body: WorkflowAggregatesBody) -> dict[str | None, int]:
        counts: dict[str | None, int] = {}
        for workflow in await self._list(_filters(body, MAX_LISTED)):
            if _fits(workflow, body):
                counts[workflow.queue_name] = counts.get(workflow.queue_name, 0) + 1
        return counts

    async def _list(self, filters: WorkflowFilters) -> list[WorkflowRecord]:
        name = self._application.name
        body = msgspec.structs.replace(filters, application_name=[name])
        reply = await self._fleet.ask(
            self._application.id, ListWorkflows(body=body), deadline_secs=QUESTION_SECS
        )
        # Where several applications share a database, each is judged by its own work.
        ours = (None, name)
        return [workflow for workflow in reply.workflows if workflow.application_name in ours]

    def _ago(self, secs: int) -> str:
        try:
            return (self._now - timedelta(seconds=secs)).isoformat()
        except OverflowError:
            # Longer ago than any calendar tells: nothing is that old.
            return datetime(1970, 1, 1, tzinfo=self._now.tzinfo).isoformat()


def _filters(body: WorkflowAggregatesBody, limit: int) -> WorkflowFilters:
    """Those that were counted: of those that ended the newest first, of others the oldest."""
    return WorkflowFilters(
        status=body.status,
        completed_after=body.completed_after,
        dequeued_before=body.dequeued_before,
        end_time=body.end_time,
        workflow_name=body.workflow_name,
        queue_name=body.queue_name,
        sort_desc=body.completed_after is not None,
        limit=limit,
        load_input=False,
        load_output=False,
    )


def _enqueued_at(workflow: WorkflowRecord) -> int | None:
    """Since when a workflow waits in its queue, as well as its application tells."""
    times = (workflow.created_at_epoch_ms, workflow.updated_at_epoch_ms, workflow.delay_until_epoch_ms)
    return max((time for time in times if time is not None), default=None)


def _fits(workflow: WorkflowRecord, body: WorkflowAggregatesBody) -> bool:
    # An SDK too old to count may also be too old for these two filters, and pass over them.
    completed, dequeued = workflow.completed_at_epoch_ms, _dequeued_by(workflow)
    if body.completed_after is not None and completed is None:
        completed = workflow.updated_at_epoch_ms
    return (body.completed_after is None or (completed or 0) >= _epoch_ms(body.completed_after)) and (
        body.dequeued_before is None or (dequeued is not None and dequeued <= _epoch_ms(body.dequeued_before))
    )


def _dequeued_by(workflow: WorkflowRecord) -> int | None:
    """When a workflow that runs had left its queue; None where its application does not tell.

    SDKs that keep no such time note when a status last changed, which was then or, after a recovery, later:
    too late a time raises no false alarm.
    """
    created, changed = workflow.created_at_epoch_ms or 0, workflow.updated_at_epoch_ms
    if workflow.dequeued_at_epoch_ms is not None:
        return workflow.dequeued_at_epoch_ms
    return changed if changed is not None and changed > created else None


def _epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def _only(name: str) -> list[str] | None:
    return None if name == _EVERY else [name]
