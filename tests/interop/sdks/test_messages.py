"""Every message of the protocol is asked of a real application in every language, and every answer read."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from support.samples import LAUNCH_SECS, Sample
from support.served import APPLICATION, Served, served
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.errors import UnsupportedMessageError
from conductor_lite.protocol import (
    REQUEST_TYPES,
    Alert,
    BackfillSchedule,
    Cancel,
    Delete,
    ExecutorInfo,
    ExistPendingWorkflows,
    ExportWorkflow,
    ForkBody,
    ForkFromFailure,
    ForkFromFailureBody,
    ForkWorkflow,
    GetMetrics,
    GetQueue,
    GetSchedule,
    GetStepAggregates,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowEvents,
    GetWorkflowNotifications,
    GetWorkflowStreams,
    ImportWorkflow,
    ListApplicationVersions,
    ListQueuedWorkflows,
    ListQueues,
    ListSchedules,
    ListSteps,
    ListWorkflows,
    PauseSchedule,
    QueuedWorkflowFilters,
    Recovery,
    Reply,
    Request,
    Restart,
    Resume,
    ResumeSchedule,
    Retention,
    RetentionBody,
    SetLatestApplicationVersion,
    StepAggregatesBody,
    TriggerSchedule,
    WorkflowAggregatesBody,
    WorkflowFilters,
    WorkflowRecord,
    message_type,
)

#: What samples' alert handlers write into their logs.
ALERT = "three workflows failed"
R = TypeVar("R", bound=Reply)


class Interview:
    """Asks one application, and remembers what it was asked and what its SDK did not know.

    Args:
        served: the application.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self.asked: set[str] = set()

    async def ask(self, request: Request[R]) -> R:
        """Its answer; an error that it reports is raised."""
        self.asked.add(message_type(type(request)))
        return await self._served.ask(request)

    async def knows(self, request: Request[Reply]) -> bool:
        """Whether its SDK knows the message."""
        try:
            await self.ask(request)
        except UnsupportedMessageError:
            return False
        return True

    async def workflow(self, workflow_id: str) -> WorkflowRecord:
        """One workflow that must exist."""
        found = (await self.ask(GetWorkflow(workflow_id=workflow_id))).workflow
        assert found is not None, workflow_id
        return found

    async def await_status(self, workflow_id: str, status: str) -> None:
        async def has_it() -> bool:
            return (await self.workflow(workflow_id)).status == status

        await wait_until_async(has_it, 60, f"{workflow_id} to be {status}")


async def read_one_workflow(interview: Interview) -> None:
    order = await interview.workflow("order-1")
    assert (order.workflow_name, order.status) == ("order", "SUCCESS")
    assert "5" in (order.input or "")
    assert "done" in (order.output or "")
    assert order.application_version == "1.0.0"
    assert order.created_at_epoch_ms is not None
    assert order.updated_at_epoch_ms is not None
    assert abs(order.created_at_epoch_ms / 1000 - datetime.now(UTC).timestamp()) < 3600
    assert "out of stock" in ((await interview.workflow("failed-1")).error or "")
    assert (await interview.ask(GetWorkflow(workflow_id="nobody"))).workflow is None
    steps = (await interview.ask(ListSteps(workflow_id="order-1"))).steps
    assert steps is not None
    pauses = [step for step in steps if step.function_name.endswith("pause")]
    assert len(pauses) == 5
    for step in pauses:
        assert step.started_at_epoch_ms is not None
        assert step.completed_at_epoch_ms is not None
        assert step.completed_at_epoch_ms >= step.started_at_epoch_ms > 0
    failed = (await interview.ask(ListSteps(workflow_id="failed-1"))).steps
    assert failed is not None
    assert "out of stock" in (failed[0].error or "")
    (event,) = (await interview.ask(GetWorkflowEvents(workflow_id="order-1"))).events or []
    assert event.key == "state"
    assert "started" in (event.value or "")
    (note,) = (await interview.ask(GetWorkflowNotifications(workflow_id="order-1"))).notifications or []
    assert note.topic == "greeting"
    assert "hello" in (note.message or "")
    (stream,) = (await interview.ask(GetWorkflowStreams(workflow_id="order-1"))).streams or []
    assert (stream.key, stream.values) == ("progress", ["1", "2", "3", "4", "5"])


async def read_many_workflows(interview: Interview) -> None:
    filters = WorkflowFilters(
        workflow_name=["order", "fail"], status=["SUCCESS", "ERROR"], limit=10, sort_desc=True
    )
    listed = (await interview.ask(ListWorkflows(body=filters))).workflows
    assert {w.workflow_id for w in listed} == {"order-1", "order-2", "failed-1", "queued-1"}
    by_id = WorkflowFilters(workflow_ids=["order-2"], load_input=False, load_output=False)
    (order,) = (await interview.ask(ListWorkflows(body=by_id))).workflows
    assert (order.workflow_id, order.output) == ("order-2", None)
    queued = QueuedWorkflowFilters(queue_name="mail", limit=10)
    assert (await interview.ask(ListQueuedWorkflows(body=queued))).workflows == []
    groups = WorkflowAggregatesBody(group_by_status=True, group_by_name=True, select_count=True)
    counted = (await interview.ask(GetWorkflowAggregates(body=groups))).aggregates
    counts = {(g.group.get("name"), g.group.get("status")): g.count for g in counted}
    assert counts == {("order", "SUCCESS"): 3, ("fail", "ERROR"): 1}, counted
    step_groups = StepAggregatesBody(
        group_by_function_name=True, group_by_status=True, select_count=True, select_max_duration_ms=True
    )
    steps = (await interview.ask(GetStepAggregates(body=step_groups))).aggregates
    (pauses,) = [g for g in steps if (g.group.get("function_name") or "").endswith("pause")]
    assert pauses.count == 15
    assert pauses.max_duration_ms is not None
    now = datetime.now(UTC)
    hour = GetMetrics(
        start_time=(now - timedelta(hours=1)).isoformat(), end_time=(now + timedelta(hours=1)).isoformat()
    )
    metrics = {(m.metric_type, m.metric_name): m.value for m in (await interview.ask(hour)).metrics}
    assert metrics["workflow_count", "order"] == 3


async def change_workflows(interview: Interview) -> None:
    fork = await interview.ask(
        ForkWorkflow(body=ForkBody(workflow_id="order-1", start_step=1, new_workflow_id="fork-1"))
    )
    assert fork.new_workflow_id == "fork-1"
    assert (await interview.workflow("fork-1")).forked_from == "order-1"
    assert (await interview.ask(Cancel(workflow_id="fork-1"))).success
    await interview.await_status("fork-1", "CANCELLED")
    assert (await interview.ask(Resume(workflow_id="fork-1"))).success
    await interview.await_status("fork-1", "SUCCESS")
    again = ForkFromFailureBody(workflow_ids=["failed-1"], from_last_failure=True)
    forks = (await interview.ask(ForkFromFailure(body=again))).forked_workflow_ids
    assert forks is not None
    await interview.await_status(forks[0], "ERROR")
    exported = (await interview.ask(ExportWorkflow(workflow_id="order-2"))).serialized_workflow
    assert exported
    assert (await interview.ask(Delete(workflow_id="order-2"))).success
    assert (await interview.ask(GetWorkflow(workflow_id="order-2"))).workflow is None
    assert (await interview.ask(ImportWorkflow(serialized_workflow=exported))).success
    assert (await interview.workflow("order-2")).status == "SUCCESS"


async def look_after_schedules(interview: Interview) -> None:
    (schedule,) = (await interview.ask(ListSchedules())).schedules
    assert (schedule.schedule_name, schedule.cron, schedule.status) == ("nightly", "0 0 3 * * *", "ACTIVE")
    assert schedule.workflow_name.endswith("tick")
    assert (await interview.ask(PauseSchedule(schedule_name="nightly"))).success
    paused = (await interview.ask(GetSchedule(schedule_name="nightly"))).schedule
    assert paused is not None
    assert paused.status == "PAUSED"
    assert (await interview.ask(ResumeSchedule(schedule_name="nightly"))).success
    assert (await interview.ask(GetSchedule(schedule_name="unheard-of"))).schedule is None
    triggered = (await interview.ask(TriggerSchedule(schedule_name="nightly"))).workflow_id
    assert triggered
    await interview.await_status(triggered, "SUCCESS")
    days = BackfillSchedule(schedule_name="nightly", start="2026-01-01T00:00:00Z", end="2026-01-03T00:00:00Z")
    assert len((await interview.ask(days)).workflow_ids) == 2


async def look_after_the_application(interview: Interview, sample: Sample) -> None:
    info = await interview.ask(ExecutorInfo())
    assert (info.language, info.application_version) == (sample.language.name, "1.0.0")
    pending = ExistPendingWorkflows(executor_id="nobody", application_version="1.0.0")
    assert (await interview.ask(pending)).exist is False
    assert (await interview.ask(Recovery(executor_ids=["nobody"]))).success
    (queue,) = (await interview.ask(ListQueues())).queues
    assert (queue.name, queue.worker_concurrency) == ("mail", 2)
    assert (await interview.ask(GetQueue(name="mail"))).queue == queue
    assert (await interview.ask(GetQueue(name="unheard-of"))).queue is None
    (version,) = (await interview.ask(ListApplicationVersions())).versions
    assert version.version_name == "1.0.0"
    assert version.created_at_epoch_ms is not None
    assert (await interview.ask(SetLatestApplicationVersion(version_name="1.0.0"))).success
    assert (await interview.ask(Alert(name="Test", message=ALERT, metadata={"c": "d"}))).success
    knows_restart = await interview.knows(Restart(workflow_id="order-1"))
    assert knows_restart is ("restart" not in sample.language.unknown)
    limits = RetentionBody(gc_rows_threshold=1_000_000, timeout_cutoff_epoch_ms=1)
    assert (await interview.ask(Retention(body=limits))).success


def test_every_message_is_understood_and_every_answer_can_be_read(sample: Sample, tmp_path: Path) -> None:
    async def scenario(stack: ExitStack) -> None:
        async with served(Settings(data_dir=tmp_path, port=0, dev=True)) as scene:
            await scene.application_id()
            process = stack.enter_context(
                sample.start(scene.ws_url, name=APPLICATION, workflows=2, step_ms=20)
            )
            await asyncio.to_thread(process.wait_for_line, "ready", LAUNCH_SECS)
            await wait_until_async(lambda: "HEALTHY" in scene.statuses().values(), 30, "it to connect")
            interview = Interview(scene)
            for workflow_id in ("order-1", "order-2", "queued-1"):
                await interview.await_status(workflow_id, "SUCCESS")
            await interview.await_status("failed-1", "ERROR")
            await read_one_workflow(interview)
            await read_many_workflows(interview)
            await change_workflows(interview)
            await look_after_schedules(interview)
            await look_after_the_application(interview, sample)
            await asyncio.to_thread(process.wait_for_line, ALERT, 10)
            assert interview.asked == REQUEST_TYPES.keys()

    with ExitStack() as stack:
        asyncio.run(scenario(stack))
