"""Between the wire's records and the API's: nothing is lost, missing becomes null, numbers stay numbers."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from conductor_lite.api.fields import Moment, epoch_timestamp, timestamp
from conductor_lite.api.schemas.definitions import ApplicationVersion, Queue, Schedule
from conductor_lite.api.schemas.workflow_search import (
    StepAggregate,
    StepAggregatesBody,
    WorkflowAggregate,
    WorkflowAggregatesBody,
    WorkflowFilterBody,
    WorkflowSearchBody,
)
from conductor_lite.api.schemas.workflows import Notification, Step, Workflow
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    NotificationRecord,
    QueueRecord,
    ScheduleRecord,
    StepAggregateRecord,
    StepRecord,
    WorkflowAggregateRecord,
    WorkflowFilters,
    WorkflowRecord,
)
from conductor_lite.protocol import StepAggregatesBody as WireStepAggregatesBody
from conductor_lite.protocol import WorkflowAggregatesBody as WireWorkflowAggregatesBody

T = TypeVar("T")


def workflow(record: WorkflowRecord) -> Workflow:
    """One workflow."""
    return Workflow(
        workflow_id=record.workflow_id,
        status=record.status or "",
        workflow_name=record.workflow_name,
        workflow_class=record.workflow_class_name,
        workflow_config=record.workflow_config_name,
        user=record.authenticated_user,
        assumed_role=record.assumed_role,
        roles=record.authenticated_roles,
        input=record.input,
        output=record.output,
        error=record.error,
        created_at=epoch_timestamp(record.created_at_epoch_ms),
        updated_at=epoch_timestamp(record.updated_at_epoch_ms),
        queue_name=record.queue_name,
        app_version=record.application_version,
        executor_id=record.executor_id,
        timeout_ms=record.timeout_ms,
        deadline=epoch_timestamp(record.deadline_epoch_ms),
        deduplication_id=record.deduplication_id,
        priority=record.priority,
        queue_partition_key=record.queue_partition_key,
        forked_from=record.forked_from,
        was_forked_from=record.was_forked_from,
        parent_workflow_id=record.parent_workflow_id,
        dequeued_at=epoch_timestamp(record.dequeued_at_epoch_ms),
        delay_until=epoch_timestamp(record.delay_until_epoch_ms),
        completed_at=epoch_timestamp(record.completed_at_epoch_ms),
        attributes=record.attributes,
        schedule_name=record.schedule_name,
        application_name=record.application_name,
    )


def step(record: StepRecord) -> Step:
    """One step; its number is the SDK's own, which begins at 1 in Python and at 0 in TypeScript."""
    return Step(
        step_id=record.function_id,
        step_name=record.function_name,
        output=record.output,
        error=record.error,
        child_workflow_id=record.child_workflow_id,
        started_at=epoch_timestamp(record.started_at_epoch_ms),
        completed_at=epoch_timestamp(record.completed_at_epoch_ms),
    )


def notification(record: NotificationRecord) -> Notification:
    """One message that was sent to a workflow."""
    return Notification(
        topic=record.topic,
        message=record.message,
        created_at=epoch_timestamp(record.created_at_epoch_ms),
        consumed=record.consumed,
    )


def queue(record: QueueRecord) -> Queue:
    """One queue."""
    return Queue(**msgspec.structs.asdict(record))


def schedule(record: ScheduleRecord) -> Schedule:
    """One schedule."""
    return Schedule(
        schedule_id=record.schedule_id,
        schedule_name=record.schedule_name,
        workflow_name=record.workflow_name,
        workflow_class=record.workflow_class_name,
        cron_expression=record.cron,
        status=record.status or "",
        context=record.context,
        last_fired_at=_reported_time(record.last_fired_at),
        automatic_backfill=record.automatic_backfill,
        cron_timezone=record.cron_timezone,
        application_name=record.application_name,
    )


def version(record: ApplicationVersionRecord) -> ApplicationVersion:
    """One registered version."""
    return ApplicationVersion(
        version_id=record.version_id,
        version_name=record.version_name,
        version_timestamp=epoch_timestamp(record.version_timestamp_epoch_ms),
        created_at=epoch_timestamp(record.created_at_epoch_ms),
    )


def workflow_aggregate(record: WorkflowAggregateRecord) -> WorkflowAggregate:
    """Figures of one group, whose keys are the SDK's own; what was not asked for is left out."""
    return WorkflowAggregate(
        group=record.group,
        count=_given(record.count),
        min_created_at=_given(epoch_timestamp(record.min_created_at_epoch_ms)),
        max_queue_wait_ms=_given(record.max_queue_wait_ms),
        max_total_latency_ms=_given(record.max_total_latency_ms),
    )


def step_aggregate(record: StepAggregateRecord) -> StepAggregate:
    """Figures of one group of steps."""
    return StepAggregate(
        group=record.group,
        count=_given(record.count),
        max_duration_ms=_given(record.max_duration_ms),
    )


def search_filters(body: WorkflowSearchBody) -> WorkflowFilters:
    """The wire's filters of a search."""
    return WorkflowFilters(
        **_filters(body),
        queues_only=none(body.queues_only),
        limit=none(body.limit),
        offset=none(body.offset),
        sort_desc=none(body.sort_desc),
        load_input=none(body.load_input),
        load_output=none(body.load_output),
    )


def workflow_aggregates(body: WorkflowAggregatesBody) -> WireWorkflowAggregatesBody:
    """The wire's request for figures over workflows."""
    return WireWorkflowAggregatesBody(
        **_filters(body),
        group_by_status=none(body.group_by_status),
        group_by_name=none(body.group_by_workflow_name),
        group_by_queue_name=none(body.group_by_queue_name),
        group_by_executor_id=none(body.group_by_executor_id),
        group_by_application_version=none(body.group_by_app_version),
        group_by_application_name=none(body.group_by_application_name),
        select_count=none(body.select_count),
        select_min_created_at=none(body.select_min_created_at),
        select_max_queue_wait_ms=none(body.select_max_queue_wait_ms),
        select_max_total_latency_ms=none(body.select_max_total_latency_ms),
        time_bucket_size_ms=none(body.time_bucket_size_ms),
    )


def step_aggregates(body: StepAggregatesBody) -> WireStepAggregatesBody:
    """The wire's request for figures over steps."""
    return WireStepAggregatesBody(
        group_by_function_name=none(body.group_by_function_name),
        group_by_status=none(body.group_by_status),
        select_count=none(body.select_count),
        select_max_duration_ms=none(body.select_max_duration_ms),
        time_bucket_size_ms=none(body.time_bucket_size_ms),
        status=none(body.status),
        function_name=none(body.step_name),
        workflow_id_prefix=none(body.workflow_id_prefix),
        completed_after=_iso(body.completed_after),
        completed_before=_iso(body.completed_before),
    )


def _filters(body: WorkflowFilterBody) -> dict[str, Any]:
    return {
        # An empty list filters nothing, like one that is not given.
        "workflow_ids": body.workflow_ids or None,
        "workflow_id_prefix": body.workflow_id_prefix or None,
        "workflow_name": body.workflow_name or None,
        "status": body.status or None,
        "authenticated_user": body.user or None,
        "application_version": body.app_version or None,
        "executor_id": body.executor_id or None,
        "queue_name": body.queue_name or None,
        "schedule_name": body.schedule_name or None,
        "forked_from": body.forked_from or None,
        "parent_workflow_id": body.parent_workflow_id or None,
        "was_forked_from": none(body.was_forked_from),
        "has_parent": none(body.has_parent),
        "attributes": none(body.attributes),
        "start_time": _iso(body.start_time),
        "end_time": _iso(body.end_time),
        "completed_after": _iso(body.completed_after),
        "completed_before": _iso(body.completed_before),
        "dequeued_after": _iso(body.dequeued_after),
        "dequeued_before": _iso(body.dequeued_before),
    }


def none(value: T | msgspec.UnsetType) -> T | None:
    """A value that may have been left out, as the wire says it."""
    return None if isinstance(value, msgspec.UnsetType) else value


def _given(value: T | None) -> T | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value


def _iso(moment: Moment | msgspec.UnsetType) -> str | None:
    return None if isinstance(moment, msgspec.UnsetType) else moment.astimezone(UTC).isoformat()


def _reported_time(text: str | None) -> str | None:
    """A time that an SDK wrote as text; one that is not ISO 8601 is passed on rather than lost."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
