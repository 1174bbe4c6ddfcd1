"""Workflows in memory that a scripted executor answers for, with filters and actions as the SDK has them.

For tests that need thousands of workflows, a certain time of creation, or a fault halfway.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
from support.executor import ScriptedExecutor

from conductor_lite.protocol import (
    Cancel,
    CancelReply,
    Delete,
    DeleteReply,
    ForkFromFailure,
    ForkFromFailureReply,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    GetWorkflowReply,
    ImportWorkflow,
    ImportWorkflowReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    ListWorkflows,
    ListWorkflowsReply,
    QueueRecord,
    Reply,
    Resume,
    ResumeReply,
    WorkflowAggregateRecord,
    WorkflowRecord,
)

FIRST_EPOCH_MS = 1_790_000_000_000
_EQUAL = {
    "status": "status",
    "workflow_name": "workflow_name",
    "queue_name": "queue_name",
    "application_version": "application_version",
    "executor_id": "executor_id",
    "authenticated_user": "authenticated_user",
    "parent_workflow_id": "parent_workflow_id",
    "forked_from": "forked_from",
    "schedule_name": "schedule_name",
    "application_name": "application_name",
    "workflow_ids": "workflow_id",
}
_FROM = {"start_time": "created_at_epoch_ms", "completed_after": "completed_at_epoch_ms"}
_UNTIL = {"end_time": "created_at_epoch_ms", "completed_before": "completed_at_epoch_ms"}


class Shelf:
    """The workflows of one application."""

    def __init__(self) -> None:
        self.workflows: dict[str, WorkflowRecord] = {}
        #: Called with each request that changes something, before it does; may raise, or change the shelf.
        self.before: Callable[[Any], None] = lambda request: None

    def add(self, workflow_id: str, **values: Any) -> WorkflowRecord:
        """Put one workflow there; each is created a second after the one before."""
        record = WorkflowRecord(
            **{
                "workflow_id": workflow_id,
                "status": "SUCCESS",
                "workflow_name": "order",
                "created_at_epoch_ms": FIRST_EPOCH_MS + len(self.workflows) * 1_000,
                **values,
            }
        )
        self.workflows[workflow_id] = record
        return record

    def fill(self, count: int, prefix: str = "wf", **values: Any) -> None:
        """Put many there."""
        for number in range(count):
            self.add(f"{prefix}-{number:05}", **values)

    def statuses(self) -> Counter[str | None]:
        """How many have each status."""
        return Counter(record.status for record in self.workflows.values())

    def serve(self, executor: ScriptedExecutor) -> ScriptedExecutor:
        """Let an executor answer for these."""
        for kind, handler in (
            (ListWorkflows, self._list),
            (GetWorkflow, self._get),
            (GetWorkflowAggregates, self._aggregates),
            (Cancel, self._cancel),
            (Resume, self._resume),
            (Delete, self._delete),
            (ForkFromFailure, self._fork),
            (ImportWorkflow, self._import),
            (ListQueues, self._queues),
            (ListApplicationVersions, self._versions),
        ):
            executor.on(kind, handler)
        return executor

    async def _list(self, request: ListWorkflows) -> Reply:
        body = request.body
        found = [record for record in self.workflows.values() if _matches(record, body)]
        found.sort(key=lambda record: record.created_at_epoch_ms or 0, reverse=bool(body.sort_desc))
        first = body.offset or 0
        last = None if body.limit is None else first + body.limit
        return ListWorkflowsReply(workflows=found[first:last])

    async def _get(self, request: GetWorkflow) -> Reply:
        return GetWorkflowReply(workflow=self.workflows.get(request.workflow_id))

    async def _aggregates(self, request: GetWorkflowAggregates) -> Reply:
        body = request.body
        fields = {"status": body.group_by_status, "workflow_name": body.group_by_name}
        names = {"status": "status", "workflow_name": "name"}
        groups: Counter[tuple[tuple[str, str | None], ...]] = Counter()
        for record in self.workflows.values():
            if _matches(record, body):
                groups[
                    tuple((names[field], getattr(record, field)) for field, on in fields.items() if on)
                ] += 1
        records = [WorkflowAggregateRecord(group=dict(group), count=count) for group, count in groups.items()]
        return GetWorkflowAggregatesReply(aggregates=records)

    async def _cancel(self, request: Cancel) -> Reply:
        self.before(request)
        for record in self._named(request.workflow_ids):
            if record.status not in ("SUCCESS", "ERROR"):
                self._change(record, status="CANCELLED", queue_name=None)
        return CancelReply(success=True)

    async def _resume(self, request: Resume) -> Reply:
        self.before(request)
        missing = [id_ for id_ in request.workflow_ids or () if id_ not in self.workflows]
        if missing:
            return ResumeReply(success=False, error_message=f"workflow {missing[0]} does not exist")
        for record in self._named(request.workflow_ids):
            if record.status not in ("SUCCESS", "ERROR"):
                self._change(record, status="ENQUEUED")
        return ResumeReply(success=True)

    async def _delete(self, request: Delete) -> Reply:
        self.before(request)
        for record in self._named(request.workflow_ids):
            del self.workflows[record.workflow_id]
        return DeleteReply(success=True)

    async def _fork(self, request: ForkFromFailure) -> Reply:
        self.before(request)
        forks = []
        for record in self._named(request.body.workflow_ids):
            fork = f"fork-of-{record.workflow_id}"
            # Fails again at once: a job must not run after its own forks.
            self.add(fork, status="ERROR", forked_from=record.workflow_id)
            self._change(record, was_forked_from=True)
            forks.append(fork)
        return ForkFromFailureReply(forked_workflow_ids=forks)

    async def _import(self, request: ImportWorkflow) -> Reply:
        self.before(request)
        if not request.serialized_workflow.startswith("H4sI"):
            return ImportWorkflowReply(success=False, error_message="ValueError: not gzip")
        self.add(f"imported-{len(request.serialized_workflow)}")
        return ImportWorkflowReply(success=True)

    async def _queues(self, request: ListQueues) -> Reply:
        names = sorted({record.queue_name for record in self.workflows.values() if record.queue_name})
        return ListQueuesReply(queues=[QueueRecord(name=name) for name in names])

    async def _versions(self, request: ListApplicationVersions) -> Reply:
        return ListApplicationVersionsReply(versions=[])

    def _named(self, ids: list[str] | None) -> list[WorkflowRecord]:
        return [self.workflows[id_] for id_ in ids or () if id_ in self.workflows]

    def _change(self, record: WorkflowRecord, **values: Any) -> None:
        self.workflows[record.workflow_id] = msgspec.structs.replace(record, **values)


def _matches(record: WorkflowRecord, body: Any) -> bool:
    return all(_fits(record, name, getattr(body, name)) for name in body.__struct_fields__)


def _fits(record: WorkflowRecord, name: str, wanted: Any) -> bool:
    if wanted is None or wanted == []:
        return True
    if name in _EQUAL:
        return getattr(record, _EQUAL[name]) in _several(wanted)
    if name == "workflow_id_prefix":
        return record.workflow_id.startswith(tuple(_several(wanted)))
    if name == "has_parent":
        return (record.parent_workflow_id is not None) is wanted
    if name == "was_forked_from":
        return bool(record.was_forked_from) is wanted
    if name == "queues_only":
        return not wanted or record.queue_name is not None
    if name == "attributes":
        given = json.loads(record.attributes or "{}")
        return all(given.get(key) == value for key, value in wanted.items())
    if name in _FROM:
        return (getattr(record, _FROM[name]) or 0) >= _epoch_ms(wanted)
    if name in _UNTIL:
        return (getattr(record, _UNTIL[name]) or 0) <= _epoch_ms(wanted)
    # How many, in what order, grouped by what: no filters.
    return True


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _epoch_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000)
