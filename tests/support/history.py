"""An application's workflows in memory, listed as an SDK lists them: scripted executors answer from it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from support.executor import ScriptedExecutor

from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListWorkflows,
    ListWorkflowsReply,
    WorkflowAggregateRecord,
    WorkflowFilters,
    WorkflowRecord,
)

_ONE_OF = {
    "workflow_ids": "workflow_id",
    "status": "status",
    "workflow_name": "workflow_name",
    "queue_name": "queue_name",
}
_FROM = {
    "start_time": "created_at_epoch_ms",
    "completed_after": "completed_at_epoch_ms",
    "dequeued_after": "dequeued_at_epoch_ms",
}
_UNTIL = {
    "end_time": "created_at_epoch_ms",
    "completed_before": "completed_at_epoch_ms",
    "dequeued_before": "dequeued_at_epoch_ms",
}


class History:
    """Workflows by id, and every filter that was asked for.

    Args:
        unknown_filters: names of filters that this SDK is too old to know.
    """

    def __init__(self, unknown_filters: Iterable[str] = ()) -> None:
        self.workflows: dict[str, WorkflowRecord] = {}
        self.asked: list[WorkflowFilters] = []
        self._unknown = set(unknown_filters)

    def answer_through(self, executor: ScriptedExecutor) -> None:
        """Let an executor list these workflows."""

        async def handler(request: ListWorkflows) -> ListWorkflowsReply:
            return ListWorkflowsReply(workflows=self.list(request.body))

        executor.on(ListWorkflows, handler)

    def count_through(self, executor: ScriptedExecutor) -> None:
        """Let an executor count these workflows by queue."""

        async def handler(request: GetWorkflowAggregates) -> GetWorkflowAggregatesReply:
            body = msgspec.convert(msgspec.structs.asdict(request.body), WorkflowFilters)
            counts = Counter(item.queue_name for item in self.list(body))
            return GetWorkflowAggregatesReply(
                aggregates=[
                    WorkflowAggregateRecord(group={"queue_name": queue}, count=count)
                    for queue, count in counts.items()
                ]
            )

        executor.on(GetWorkflowAggregates, handler)

    def add(self, workflow_id: str, created: int, status: str = "SUCCESS", **fields: Any) -> None:
        """Add a workflow, or put another in its place."""
        self.workflows[workflow_id] = WorkflowRecord(
            workflow_id=workflow_id, created_at_epoch_ms=created, status=status, **fields
        )

    def change(self, workflow_id: str, **fields: Any) -> None:
        """Change fields of a workflow."""
        self.workflows[workflow_id] = msgspec.structs.replace(self.workflows[workflow_id], **fields)

    def list(self, filters: WorkflowFilters) -> list[WorkflowRecord]:
        """What matches, in the order of creation."""
        self.asked.append(filters)
        found = [item for item in self.workflows.values() if self._matches(item, filters)]
        found.sort(key=lambda item: item.created_at_epoch_ms or 0, reverse=bool(filters.sort_desc))
        found = found[filters.offset or 0 :]
        return found[: filters.limit] if filters.limit else found

    def _matches(self, item: WorkflowRecord, filters: WorkflowFilters) -> bool:
        for name, field in _ONE_OF.items():
            wanted = getattr(filters, name)
            if wanted and getattr(item, field) not in ([wanted] if isinstance(wanted, str) else wanted):
                return False
        for bounds, later in ((_FROM, True), (_UNTIL, False)):
            for name, field in bounds.items():
                text, value = getattr(filters, name), getattr(item, field)
                if text is None or name in self._unknown:
                    continue
                bound = round(datetime.fromisoformat(text).timestamp() * 1_000)
                if value is None or (value < bound if later else value > bound):
                    return False
        return True
