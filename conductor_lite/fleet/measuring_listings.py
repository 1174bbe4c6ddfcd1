"""The same as `measuring` for SDKs from before aggregates: counts from bounded listings. Keeps nothing.

A workflow is seen to end only if it began within the hour before and is among the newest thousand.
"""

from datetime import UTC, datetime

from conductor_lite.fleet.measuring import (
    ENQUEUED,
    LISTINGS,
    OUTCOMES,
    PENDING,
    Ask,
    Measured,
    Window,
    add_open,
    measure_runs,
    secs,
)
from conductor_lite.protocol import ListWorkflows, WorkflowFilters, WorkflowRecord
from conductor_lite.store.metric_families import Group

#: Workflows that one listing may hold.
MAX_LISTED = 1_000
#: Seconds before the end of a window in which those began that are seen to end in it.
LOOK_BACK_SECS = 3_600


async def measure_by_listings(ask: Ask, application_name: str, window: Window) -> Measured:
    """Ask what happened in a window.

    Raises:
        DispatchError: no answer.
    """
    measured = Measured(basis=LISTINGS)
    await measure_runs(ask, [application_name], window, measured, ("workflow_count", "step_count"))
    since = datetime.fromtimestamp(window.end - LOOK_BACK_SECS, UTC).isoformat()
    listed = await _list(ask, WorkflowFilters(start_time=since, sort_desc=True))
    if len(listed) >= MAX_LISTED and (listed[-1].created_at_epoch_ms or 0) >= window.start * 1000:
        # Not even those that began in the window are all there, so that counts would be too low.
        return measured
    for workflow in listed:
        if _belongs_to(workflow, application_name):
            _count_ended(measured, workflow, window)
    measured.groups.add(Group.FINISHED)
    return measured


async def measure_open_by_listings(ask: Ask, application_name: str, now: datetime) -> Measured:
    """Ask what waits and runs now, a thousand of each at most, the oldest first.

    Raises:
        DispatchError: no answer.
    """
    measured = Measured(groups={Group.LEVELS}, basis=LISTINGS)
    for status in (ENQUEUED, PENDING):
        for workflow in await _list(ask, WorkflowFilters(status=status, sort_desc=False)):
            # An SDK that ignores the filter must not make others wait.
            if workflow.status == status and _belongs_to(workflow, application_name):
                created_ms = workflow.created_at_epoch_ms
                age_secs = None if created_ms is None else max(0.0, now.timestamp() - created_ms / 1000)
                group = {"name": workflow.workflow_name, "queue_name": workflow.queue_name}
                add_open(measured, status, group, 1, age_secs)
    return measured


def _belongs_to(workflow: WorkflowRecord, application_name: str) -> bool:
    """Whether a workflow is the application's own, where several share a database; those of nobody are."""
    return workflow.application_name in (None, application_name)


async def _list(ask: Ask, filters: WorkflowFilters) -> list[WorkflowRecord]:
    values = {name: getattr(filters, name) for name in filters.__struct_fields__}
    values |= {"limit": MAX_LISTED, "load_input": False, "load_output": False}
    return (await ask(ListWorkflows(body=WorkflowFilters(**values)))).workflows


def _count_ended(measured: Measured, workflow: WorkflowRecord, window: Window) -> None:
    name, queue = workflow.workflow_name, workflow.queue_name
    created_ms, dequeued_ms = workflow.created_at_epoch_ms, workflow.dequeued_at_epoch_ms
    if queue and _is_inside(dequeued_ms, window):
        measured.add("workflow_dequeued", name, queue, 1)
        measured.top("workflow_queue_wait_secs", name, queue, _between_secs(created_ms, dequeued_ms))
    family = OUTCOMES.get(workflow.status or "")
    # From before the end was noted, the last change is the end.
    ended_ms = workflow.completed_at_epoch_ms or workflow.updated_at_epoch_ms
    if family is not None and _is_inside(ended_ms, window):
        measured.add(family, name, queue, 1)
        measured.top("workflow_latency_secs", name, queue, _between_secs(created_ms, ended_ms))


def _is_inside(epoch_ms: int | None, window: Window) -> bool:
    return epoch_ms is not None and window.start * 1000 <= epoch_ms < window.end * 1000


def _between_secs(begin_ms: int | None, end_ms: int | None) -> float | None:
    return None if begin_ms is None or end_ms is None else secs(end_ms - begin_ms)
