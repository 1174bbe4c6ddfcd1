"""The things replies list, such as workflows, steps and queues, under our names for their fields.

Read-only values without behaviour; every field may be missing on the wire and then has its default.
"""

import msgspec

from conductor_lite.protocol.base import Integer


class WorkflowRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One workflow (``list_workflows``, ``list_queued_workflows``, ``get_workflow``).

    ``input``, ``output`` and ``error`` are text for people, which each SDK writes its own way; never assume
    JSON.
    """

    workflow_id: str = msgspec.field(default="", name="WorkflowUUID")
    #: ENQUEUED, PENDING, SUCCESS and so on; newer SDKs may send words we do not know.
    status: str | None = msgspec.field(default=None, name="Status")
    workflow_name: str | None = msgspec.field(default=None, name="WorkflowName")
    workflow_class_name: str | None = msgspec.field(default=None, name="WorkflowClassName")
    workflow_config_name: str | None = msgspec.field(default=None, name="WorkflowConfigName")
    authenticated_user: str | None = msgspec.field(default=None, name="AuthenticatedUser")
    assumed_role: str | None = msgspec.field(default=None, name="AssumedRole")
    authenticated_roles: str | None = msgspec.field(default=None, name="AuthenticatedRoles")
    input: str | None = msgspec.field(default=None, name="Input")
    output: str | None = msgspec.field(default=None, name="Output")
    error: str | None = msgspec.field(default=None, name="Error")
    created_at_epoch_ms: Integer | None = msgspec.field(default=None, name="CreatedAt")
    updated_at_epoch_ms: Integer | None = msgspec.field(default=None, name="UpdatedAt")
    queue_name: str | None = msgspec.field(default=None, name="QueueName")
    application_version: str | None = msgspec.field(default=None, name="ApplicationVersion")
    executor_id: str | None = msgspec.field(default=None, name="ExecutorID")
    timeout_ms: Integer | None = msgspec.field(default=None, name="WorkflowTimeoutMS")
    deadline_epoch_ms: Integer | None = msgspec.field(default=None, name="WorkflowDeadlineEpochMS")
    deduplication_id: str | None = msgspec.field(default=None, name="DeduplicationID")
    priority: Integer | None = msgspec.field(default=None, name="Priority")
    queue_partition_key: str | None = msgspec.field(default=None, name="QueuePartitionKey")
    #: The workflow that this one is a fork of.
    forked_from: str | None = msgspec.field(default=None, name="ForkedFrom")
    #: Whether other workflows are forks of this one; null from SDKs that do not say.
    was_forked_from: bool | None = msgspec.field(default=None, name="WasForkedFrom")
    parent_workflow_id: str | None = msgspec.field(default=None, name="ParentWorkflowID")
    dequeued_at_epoch_ms: Integer | None = msgspec.field(default=None, name="DequeuedAt")
    delay_until_epoch_ms: Integer | None = msgspec.field(default=None, name="DelayUntilEpochMS")
    completed_at_epoch_ms: Integer | None = msgspec.field(default=None, name="CompletedAt")
    #: JSON text of the workflow's custom attributes.
    attributes: str | None = msgspec.field(default=None, name="Attributes")
    schedule_name: str | None = msgspec.field(default=None, name="ScheduleName")
    application_name: str | None = msgspec.field(default=None, name="ApplicationName")


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step of a workflow (``list_steps``). Numbering starts at 1 in Python and at 0 in TypeScript."""

    function_id: Integer = 0
    function_name: str = ""
    output: str | None = None
    error: str | None = None
    child_workflow_id: str | None = None
    started_at_epoch_ms: Integer | None = None
    completed_at_epoch_ms: Integer | None = None


class EventRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event that a workflow has set (``get_workflow_events``)."""

    key: str = ""
    value: str | None = None


class NotificationRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message sent to a workflow (``get_workflow_notifications``)."""

    topic: str | None = None
    message: str | None = None
    created_at_epoch_ms: Integer | None = None
    consumed: bool = False


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of a workflow and what was written to it, in order (``get_workflow_streams``)."""

    key: str = ""
    values: list[str] = msgspec.field(default_factory=list)


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One queue registered in the application's database (``list_queues``, ``get_queue``).

    Null limits mean no limit. Queues made in code and never registered are not listed.
    """

    name: str = ""
    concurrency: Integer | None = None
    worker_concurrency: Integer | None = None
    rate_limit_max: Integer | None = None
    rate_limit_period_secs: float | None = msgspec.field(default=None, name="rate_limit_period_sec")
    priority_enabled: bool = False
    partition_queue: bool = False
    polling_interval_secs: float | None = msgspec.field(default=None, name="polling_interval_sec")
    application_name: str | None = None
    partition_concurrency: Integer | None = None
    partition_worker_concurrency: Integer | None = None
    partition_rate_limit_max: Integer | None = None
    partition_rate_limit_period_secs: float | None = msgspec.field(
        default=None, name="partition_rate_limit_period_sec"
    )


class ScheduleRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One schedule (``list_schedules``, ``get_schedule``)."""

    schedule_id: str = ""
    schedule_name: str = ""
    workflow_name: str = ""
    workflow_class_name: str | None = None
    #: The cron expression.
    cron: str = msgspec.field(default="", name="schedule")
    #: ACTIVE or PAUSED, so far.
    status: str | None = None
    #: Text for people; null also when it was not asked for.
    context: str | None = None
    #: As the SDK writes it, normally ISO 8601.
    last_fired_at: str | None = None
    automatic_backfill: bool = False
    cron_timezone: str | None = None
    queue_name: str | None = None
    application_name: str | None = None


class ApplicationVersionRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One version that the application has registered (``list_application_versions``)."""

    version_id: str = ""
    version_name: str = ""
    #: When the version was last made the latest.
    version_timestamp_epoch_ms: Integer | None = msgspec.field(default=None, name="version_timestamp")
    created_at_epoch_ms: Integer | None = msgspec.field(default=None, name="created_at")


class MetricRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How often one workflow or step ran in the period asked about (``get_metrics``)."""

    #: ``workflow_count`` or ``step_count``.
    metric_type: str = ""
    #: Name of the workflow or step.
    metric_name: str = ""
    value: Integer = 0


class WorkflowAggregateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one group of workflows (``get_workflow_aggregates``); those not selected are null."""

    #: What this group has in common, such as ``{"status": "ERROR", "name": "charge"}``.
    group: dict[str, str | None] = msgspec.field(default_factory=dict)
    count: Integer | None = None
    min_created_at_epoch_ms: Integer | None = msgspec.field(default=None, name="min_created_at")
    max_queue_wait_ms: Integer | None = None
    max_total_latency_ms: Integer | None = None


class StepAggregateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one group of steps (``get_step_aggregates``); those not selected are null."""

    group: dict[str, str | None] = msgspec.field(default_factory=dict)
    count: Integer | None = None
    max_duration_ms: Integer | None = None
