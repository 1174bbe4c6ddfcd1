"""What executors answer: one Struct per message type, each named after its request.

Encoding and decoding are the codec's; what a reply means for the fleet is the fleet's.
"""

from typing import Any

import msgspec

from conductor_lite.protocol.base import Reply
from conductor_lite.protocol.records import (
    ApplicationVersionRecord,
    EventRecord,
    MetricRecord,
    NotificationRecord,
    QueueRecord,
    ScheduleRecord,
    StepAggregateRecord,
    StepRecord,
    StreamRecord,
    WorkflowAggregateRecord,
    WorkflowRecord,
)


class SuccessReply(Reply, frozen=True, kw_only=True):
    """An answer that says only whether it worked; when it did not, ``error_message`` says why."""

    success: bool = False


class ExecutorInfoReply(Reply, tag="executor_info", frozen=True, kw_only=True):
    """Who the executor is. An empty ``executor_id`` means that it did not say."""

    executor_id: str = ""
    application_version: str = ""
    hostname: str | None = None
    #: ``python``, ``typescript``, ``go`` or ``java``.
    language: str | None = None
    dbos_version: str | None = None
    #: Whatever the application's author chose to tell; any JSON inside.
    executor_metadata: dict[str, Any] | None = None


class RecoveryReply(SuccessReply, tag="recovery", frozen=True, kw_only=True):
    """Whether the request was carried out, which is not whether anything was recovered.

    An executor asked about workflows of another application version than its own also answers success, and
    one whose database fails half-way may too. Ask ``exist_pending_workflows`` for the truth.
    """


class ExistPendingWorkflowsReply(Reply, tag="exist_pending_workflows", frozen=True, kw_only=True):
    """Whether any workflow of that executor and version is PENDING.

    With an ``error_message``, ``exist`` means nothing: an executor that could not read its database answers
    ``exist: false`` as well.
    """

    exist: bool = False


class ListWorkflowsReply(Reply, tag="list_workflows", frozen=True, kw_only=True):
    """The workflows that match."""

    workflows: list[WorkflowRecord] = msgspec.field(default_factory=list, name="output")


class ListQueuedWorkflowsReply(Reply, tag="list_queued_workflows", frozen=True, kw_only=True):
    """The workflows on queues that match."""

    workflows: list[WorkflowRecord] = msgspec.field(default_factory=list, name="output")


class GetWorkflowReply(Reply, tag="get_workflow", frozen=True, kw_only=True):
    """The workflow, or null when there is none of that id."""

    workflow: WorkflowRecord | None = msgspec.field(default=None, name="output")


class ListStepsReply(Reply, tag="list_steps", frozen=True, kw_only=True):
    """The workflow's steps in order, or null when there is no such workflow."""

    steps: list[StepRecord] | None = msgspec.field(default=None, name="output")


class GetWorkflowEventsReply(Reply, tag="get_workflow_events", frozen=True, kw_only=True):
    """The workflow's events; null when they could not be read."""

    events: list[EventRecord] | None = None


class GetWorkflowNotificationsReply(Reply, tag="get_workflow_notifications", frozen=True, kw_only=True):
    """The messages sent to the workflow; null when they could not be read."""

    notifications: list[NotificationRecord] | None = None


class GetWorkflowStreamsReply(Reply, tag="get_workflow_streams", frozen=True, kw_only=True):
    """The workflow's streams; null when they could not be read."""

    streams: list[StreamRecord] | None = None


class CancelReply(SuccessReply, tag="cancel", frozen=True, kw_only=True):
    """Success also for workflows that do not exist or have already ended."""


class ResumeReply(SuccessReply, tag="resume", frozen=True, kw_only=True):
    """Whether the workflows were put back to run."""


class DeleteReply(SuccessReply, tag="delete", frozen=True, kw_only=True):
    """Whether the workflows were deleted."""


class RestartReply(SuccessReply, tag="restart", frozen=True, kw_only=True):
    """Whether the workflow was started anew."""


class ForkWorkflowReply(Reply, tag="fork_workflow", frozen=True, kw_only=True):
    """The id of the fork; null when there is none."""

    new_workflow_id: str | None = None


class ForkFromFailureReply(Reply, tag="fork_from_failure", frozen=True, kw_only=True):
    """The ids of the forks, in the order asked; null when none were made."""

    forked_workflow_ids: list[str] | None = None


class ExportWorkflowReply(Reply, tag="export_workflow", frozen=True, kw_only=True):
    """A whole workflow as base64 of gzip, in a format of its SDK's own."""

    serialized_workflow: str | None = None


class ImportWorkflowReply(SuccessReply, tag="import_workflow", frozen=True, kw_only=True):
    """Whether the workflow was written to the application's database."""


class ListQueuesReply(Reply, tag="list_queues", frozen=True, kw_only=True):
    """The queues registered in the application's database."""

    queues: list[QueueRecord] = msgspec.field(default_factory=list, name="output")


class GetQueueReply(Reply, tag="get_queue", frozen=True, kw_only=True):
    """The queue, or null when none of that name is registered."""

    queue: QueueRecord | None = msgspec.field(default=None, name="output")


class ListSchedulesReply(Reply, tag="list_schedules", frozen=True, kw_only=True):
    """The schedules that match."""

    schedules: list[ScheduleRecord] = msgspec.field(default_factory=list, name="output")


class GetScheduleReply(Reply, tag="get_schedule", frozen=True, kw_only=True):
    """The schedule, or null when there is none of that name."""

    schedule: ScheduleRecord | None = msgspec.field(default=None, name="output")


class PauseScheduleReply(SuccessReply, tag="pause_schedule", frozen=True, kw_only=True):
    """Whether the schedule was paused."""


class ResumeScheduleReply(SuccessReply, tag="resume_schedule", frozen=True, kw_only=True):
    """Whether the schedule runs again."""


class TriggerScheduleReply(Reply, tag="trigger_schedule", frozen=True, kw_only=True):
    """The id of the workflow that was started at once."""

    workflow_id: str | None = None


class BackfillScheduleReply(Reply, tag="backfill_schedule", frozen=True, kw_only=True):
    """The ids of the workflows enqueued for the times that were missed."""

    workflow_ids: list[str] = msgspec.field(default_factory=list)


class ListApplicationVersionsReply(Reply, tag="list_application_versions", frozen=True, kw_only=True):
    """The versions that the application has registered."""

    versions: list[ApplicationVersionRecord] = msgspec.field(default_factory=list, name="output")


class SetLatestApplicationVersionReply(
    SuccessReply, tag="set_latest_application_version", frozen=True, kw_only=True
):
    """Whether the version is now the latest."""


class GetMetricsReply(Reply, tag="get_metrics", frozen=True, kw_only=True):
    """Counts of workflows and steps by name."""

    metrics: list[MetricRecord] = msgspec.field(default_factory=list)


class GetWorkflowAggregatesReply(Reply, tag="get_workflow_aggregates", frozen=True, kw_only=True):
    """One record per group of workflows."""

    aggregates: list[WorkflowAggregateRecord] = msgspec.field(default_factory=list, name="output")


class GetStepAggregatesReply(Reply, tag="get_step_aggregates", frozen=True, kw_only=True):
    """One record per group of steps."""

    aggregates: list[StepAggregateRecord] = msgspec.field(default_factory=list, name="output")


class RetentionReply(SuccessReply, tag="retention", frozen=True, kw_only=True):
    """Whether garbage collection and the global timeout were carried out."""


class AlertReply(SuccessReply, tag="alert", frozen=True, kw_only=True):
    """Whether the application's alert handler took the alert."""
