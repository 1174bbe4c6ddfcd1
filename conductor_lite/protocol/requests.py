"""What the conductor asks: one Struct per message type, each typed with the reply it brings.

Request ids are the codec's to add; choosing an executor and waiting are the fleet's.
"""

from collections.abc import Mapping

import msgspec

from conductor_lite.protocol import replies
from conductor_lite.protocol.base import Integer, Reply, Request, always_sent, message_type
from conductor_lite.protocol.bodies import (
    ForkBody,
    ForkFromFailureBody,
    QueuedWorkflowFilters,
    QueueFilters,
    RetentionBody,
    ScheduleFilters,
    StepAggregatesBody,
    WorkflowAggregatesBody,
    WorkflowFilters,
)


def _yes() -> bool:
    return True


class ExecutorInfo(Request[replies.ExecutorInfoReply], tag="executor_info", frozen=True, kw_only=True):
    """Asks who the executor is; the first message on every connection, and later the heartbeat."""


class Recovery(Request[replies.RecoveryReply], tag="recovery", frozen=True, kw_only=True):
    """Asks to re-enqueue what those executors left PENDING under the asked executor's own version."""

    executor_ids: list[str]


class ExistPendingWorkflows(
    Request[replies.ExistPendingWorkflowsReply], tag="exist_pending_workflows", frozen=True, kw_only=True
):
    """Asks whether an executor has PENDING workflows of a version; any executor of the application knows."""

    executor_id: str
    application_version: str


class ListWorkflows(Request[replies.ListWorkflowsReply], tag="list_workflows", frozen=True, kw_only=True):
    """Asks for workflows; give a ``limit``."""

    body: WorkflowFilters = always_sent(WorkflowFilters)


class ListQueuedWorkflows(
    Request[replies.ListQueuedWorkflowsReply], tag="list_queued_workflows", frozen=True, kw_only=True
):
    """Asks for workflows on queues; give a ``limit``."""

    body: QueuedWorkflowFilters = always_sent(QueuedWorkflowFilters)


class GetWorkflow(Request[replies.GetWorkflowReply], tag="get_workflow", frozen=True, kw_only=True):
    """Asks for one workflow."""

    workflow_id: str
    load_input: bool = always_sent(_yes)
    load_output: bool = always_sent(_yes)


class ListSteps(Request[replies.ListStepsReply], tag="list_steps", frozen=True, kw_only=True):
    """Asks for a workflow's steps."""

    workflow_id: str
    load_output: bool = always_sent(_yes)
    limit: Integer | None = None
    offset: Integer | None = None


class GetWorkflowEvents(
    Request[replies.GetWorkflowEventsReply], tag="get_workflow_events", frozen=True, kw_only=True
):
    """Asks for the events a workflow has set."""

    workflow_id: str


class GetWorkflowNotifications(
    Request[replies.GetWorkflowNotificationsReply],
    tag="get_workflow_notifications",
    frozen=True,
    kw_only=True,
):
    """Asks for the messages sent to a workflow."""

    workflow_id: str


class GetWorkflowStreams(
    Request[replies.GetWorkflowStreamsReply], tag="get_workflow_streams", frozen=True, kw_only=True
):
    """Asks for a workflow's streams."""

    workflow_id: str


class Cancel(Request[replies.CancelReply], tag="cancel", frozen=True, kw_only=True):
    """Asks to cancel one workflow, or several: ``workflow_ids`` wins when given."""

    workflow_id: str = always_sent(str)
    workflow_ids: list[str] | None = None
    cancel_children: bool = always_sent(bool)


class Resume(Request[replies.ResumeReply], tag="resume", frozen=True, kw_only=True):
    """Asks to let one workflow go on, or several: ``workflow_ids`` wins when given."""

    workflow_id: str = always_sent(str)
    workflow_ids: list[str] | None = None
    queue_name: str | None = None


class Delete(Request[replies.DeleteReply], tag="delete", frozen=True, kw_only=True):
    """Asks to delete one workflow, or several: ``workflow_ids`` wins when given."""

    workflow_id: str = always_sent(str)
    workflow_ids: list[str] | None = None
    delete_children: bool = always_sent(bool)


class Restart(Request[replies.RestartReply], tag="restart", frozen=True, kw_only=True):
    """Asks to start a workflow anew. Older SDKs only, and never Go; newer ones are asked to fork."""

    workflow_id: str


class ForkWorkflow(Request[replies.ForkWorkflowReply], tag="fork_workflow", frozen=True, kw_only=True):
    """Asks to run a workflow again from a step on, under a new id."""

    body: ForkBody


class ForkFromFailure(
    Request[replies.ForkFromFailureReply], tag="fork_from_failure", frozen=True, kw_only=True
):
    """Asks to run failed workflows again from where they failed."""

    body: ForkFromFailureBody


class ExportWorkflow(Request[replies.ExportWorkflowReply], tag="export_workflow", frozen=True, kw_only=True):
    """Asks for a whole workflow in a form that an executor of the same SDK can import."""

    workflow_id: str
    export_children: bool = always_sent(bool)


class ImportWorkflow(Request[replies.ImportWorkflowReply], tag="import_workflow", frozen=True, kw_only=True):
    """Asks to write an exported workflow into the application's database."""

    serialized_workflow: str


class ListQueues(Request[replies.ListQueuesReply], tag="list_queues", frozen=True, kw_only=True):
    """Asks for the registered queues."""

    body: QueueFilters = always_sent(QueueFilters)


class GetQueue(Request[replies.GetQueueReply], tag="get_queue", frozen=True, kw_only=True):
    """Asks for one registered queue."""

    name: str


class ListSchedules(Request[replies.ListSchedulesReply], tag="list_schedules", frozen=True, kw_only=True):
    """Asks for schedules."""

    body: ScheduleFilters = always_sent(ScheduleFilters)


class GetSchedule(Request[replies.GetScheduleReply], tag="get_schedule", frozen=True, kw_only=True):
    """Asks for one schedule."""

    schedule_name: str
    load_context: bool = always_sent(_yes)


class PauseSchedule(Request[replies.PauseScheduleReply], tag="pause_schedule", frozen=True, kw_only=True):
    """Asks to pause a schedule."""

    schedule_name: str


class ResumeSchedule(Request[replies.ResumeScheduleReply], tag="resume_schedule", frozen=True, kw_only=True):
    """Asks to let a paused schedule run again."""

    schedule_name: str


class TriggerSchedule(
    Request[replies.TriggerScheduleReply], tag="trigger_schedule", frozen=True, kw_only=True
):
    """Asks to run a schedule's workflow once, now."""

    schedule_name: str


class BackfillSchedule(
    Request[replies.BackfillScheduleReply], tag="backfill_schedule", frozen=True, kw_only=True
):
    """Asks to run a schedule's workflow for every time it was due between two times (ISO 8601)."""

    schedule_name: str
    start: str
    end: str


class ListApplicationVersions(
    Request[replies.ListApplicationVersionsReply],
    tag="list_application_versions",
    frozen=True,
    kw_only=True,
):
    """Asks for the versions that the application has registered."""


class SetLatestApplicationVersion(
    Request[replies.SetLatestApplicationVersionReply],
    tag="set_latest_application_version",
    frozen=True,
    kw_only=True,
):
    """Asks to make a version the one that new work goes to."""

    version_name: str


class GetMetrics(Request[replies.GetMetricsReply], tag="get_metrics", frozen=True, kw_only=True):
    """Asks how often each workflow and step ran between two times (ISO 8601)."""

    start_time: str
    end_time: str
    metric_class: str = always_sent(lambda: "workflow_step_count")
    #: The names of the applications sharing the database that are to be counted; null for all.
    application_names: list[str] | None = msgspec.field(default=None, name="application_name")


class GetWorkflowAggregates(
    Request[replies.GetWorkflowAggregatesReply], tag="get_workflow_aggregates", frozen=True, kw_only=True
):
    """Asks for figures over groups of workflows."""

    body: WorkflowAggregatesBody


class GetStepAggregates(
    Request[replies.GetStepAggregatesReply], tag="get_step_aggregates", frozen=True, kw_only=True
):
    """Asks for figures over groups of steps."""

    body: StepAggregatesBody


class Retention(Request[replies.RetentionReply], tag="retention", frozen=True, kw_only=True):
    """Asks to delete old workflows and to time out those that have gone on too long."""

    body: RetentionBody


class Alert(Request[replies.AlertReply], tag="alert", frozen=True, kw_only=True):
    """Hands an alert to the application's own alert handler."""

    name: str
    message: str
    metadata: dict[str, str] = always_sent(dict[str, str])


#: Every request class under the wire's name for it.
REQUEST_TYPES: Mapping[str, type[Request[Reply]]] = {
    message_type(kind): kind
    for kind in (
        ExecutorInfo,
        Recovery,
        ExistPendingWorkflows,
        ListWorkflows,
        ListQueuedWorkflows,
        GetWorkflow,
        ListSteps,
        GetWorkflowEvents,
        GetWorkflowNotifications,
        GetWorkflowStreams,
        Cancel,
        Resume,
        Delete,
        Restart,
        ForkWorkflow,
        ForkFromFailure,
        ExportWorkflow,
        ImportWorkflow,
        ListQueues,
        GetQueue,
        ListSchedules,
        GetSchedule,
        PauseSchedule,
        ResumeSchedule,
        TriggerSchedule,
        BackfillSchedule,
        ListApplicationVersions,
        SetLatestApplicationVersion,
        GetMetrics,
        GetWorkflowAggregates,
        GetStepAggregates,
        Retention,
        Alert,
    )
}
