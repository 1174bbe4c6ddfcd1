"""Reading workflows over HTTP: thin handlers and their rows of the table."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from conductor_lite.api import translation
from conductor_lite.api.fields import ApplicationPath, WorkflowPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.workflow_search import (
    SourceQuery,
    StepAggregate,
    StepAggregatesBody,
    WorkflowAggregate,
    WorkflowAggregatesBody,
    WorkflowListQuery,
    WorkflowSearchBody,
)
from conductor_lite.api.schemas.workflows import (
    Event,
    ExportQuery,
    ExportWorkflowOutputBody,
    Notification,
    Step,
    StepPageQuery,
    StreamEntry,
    Workflow,
)
from conductor_lite.api.served import SERVED_HEADERS, tell_source
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.protocol import WorkflowFilters
from conductor_lite.turns import each

UNSET = msgspec.UNSET

#: Workflows translated in one turn of the event loop: a millisecond's work.
_PART_SIZE = 125

_APP = "/v2/orgs/{orgName}/apps/{appName}"
_WORKFLOWS = f"{_APP}/workflows"
_WORKFLOW = f"{_WORKFLOWS}/{{workflowId}}"


async def _pages(
    call: Call[ApplicationPath, WorkflowListQuery, Nothing]
    | Call[ApplicationPath, SourceQuery, WorkflowSearchBody],
    filters: WorkflowFilters,
) -> AsyncGenerator[list[Workflow], None]:
    listing = await call.operations.snapshots.search(
        call.actor, call.path.app_name, filters, call.query.source
    )
    tell_source(call, listing.served)
    async with aclosing(listing.pages) as pages:
        async for page in pages:
            # In parts, between which the loop turns to others; a page without any is one too.
            for start in range(0, max(1, len(page)), _PART_SIZE):
                yield [translation.workflow(record) for record in page[start : start + _PART_SIZE]]


def _list(call: Call[ApplicationPath, WorkflowListQuery, Nothing]) -> AsyncGenerator[list[Workflow], None]:
    query = call.query
    filters = WorkflowFilters(
        status=None if query.status is UNSET else query.status,
        workflow_name=None if query.workflow_name is UNSET else query.workflow_name,
        limit=None if query.limit is UNSET else query.limit,
        offset=None if query.offset is UNSET else query.offset,
        sort_desc=query.sort_desc,
        load_input=query.load_input,
        load_output=query.load_output,
    )
    return _pages(call, filters)


def _search(
    call: Call[ApplicationPath, SourceQuery, WorkflowSearchBody],
) -> AsyncGenerator[list[Workflow], None]:
    return _pages(call, translation.search_filters(call.body))


async def _get(call: Call[WorkflowPath, SourceQuery, Nothing]) -> Workflow:
    path = call.path
    record, served = await call.operations.snapshots.get(
        call.actor, path.app_name, path.workflow_id, call.query.source
    )
    tell_source(call, served)
    return translation.workflow(record)


async def _steps(call: Call[WorkflowPath, StepPageQuery, Nothing]) -> list[Step]:
    steps = await call.operations.workflows.steps(
        call.actor,
        call.path.app_name,
        call.path.workflow_id,
        limit=None if call.query.limit is UNSET else call.query.limit,
        offset=None if call.query.offset is UNSET else call.query.offset,
    )
    return await each(steps, translation.step)


async def _events(call: Call[WorkflowPath, Nothing, Nothing]) -> list[Event]:
    events = await call.operations.workflows.events(call.actor, call.path.app_name, call.path.workflow_id)
    return [Event(key=event.key, value=event.value) for event in events]


async def _notifications(call: Call[WorkflowPath, Nothing, Nothing]) -> list[Notification]:
    notifications = await call.operations.workflows.notifications(
        call.actor, call.path.app_name, call.path.workflow_id
    )
    return await each(notifications, translation.notification)


async def _streams(call: Call[WorkflowPath, Nothing, Nothing]) -> list[StreamEntry]:
    streams = await call.operations.workflows.streams(call.actor, call.path.app_name, call.path.workflow_id)
    return [StreamEntry(key=stream.key, values=stream.values) for stream in streams]


async def _export(call: Call[WorkflowPath, ExportQuery, Nothing]) -> ExportWorkflowOutputBody:
    exported = await call.operations.workflows.export(
        call.actor,
        call.path.app_name,
        call.path.workflow_id,
        export_children=call.query.export_children,
    )
    return ExportWorkflowOutputBody(serialized_workflow=exported)


async def _aggregates(
    call: Call[ApplicationPath, Nothing, WorkflowAggregatesBody],
) -> list[WorkflowAggregate]:
    body = translation.workflow_aggregates(call.body)
    aggregates = await call.operations.workflows.aggregates(call.actor, call.path.app_name, body)
    return await each(aggregates, translation.workflow_aggregate)


async def _step_aggregates(call: Call[ApplicationPath, Nothing, StepAggregatesBody]) -> list[StepAggregate]:
    body = translation.step_aggregates(call.body)
    aggregates = await call.operations.workflows.step_aggregates(call.actor, call.path.app_name, body)
    return await each(aggregates, translation.step_aggregate)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_WORKFLOWS,
        operation_id="listWorkflows",
        summary="List workflows",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=WorkflowListQuery,
        body=Nothing,
        response_headers=SERVED_HEADERS,
        result=list[Workflow],
        paged_handler=_list,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/search",
        operation_id="searchWorkflows",
        summary="Search workflows",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=SourceQuery,
        body=WorkflowSearchBody,
        response_headers=SERVED_HEADERS,
        result=list[Workflow],
        paged_handler=_search,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/aggregates",
        operation_id="getWorkflowAggregates",
        summary="Get workflow aggregates",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=WorkflowAggregatesBody,
        result=list[WorkflowAggregate],
        handler=_aggregates,
    ),
    Operation(
        method="POST",
        path=f"{_APP}/steps/aggregates",
        operation_id="getStepAggregates",
        summary="Get step aggregates",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=StepAggregatesBody,
        result=list[StepAggregate],
        handler=_step_aggregates,
    ),
    Operation(
        method="GET",
        path=_WORKFLOW,
        operation_id="getWorkflow",
        summary="Get workflow",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=SourceQuery,
        body=Nothing,
        response_headers=SERVED_HEADERS,
        result=Workflow,
        handler=_get,
    ),
    Operation(
        method="GET",
        path=f"{_WORKFLOW}/steps",
        operation_id="listWorkflowSteps",
        summary="List workflow steps",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=StepPageQuery,
        body=Nothing,
        result=list[Step],
        handler=_steps,
    ),
    Operation(
        method="GET",
        path=f"{_WORKFLOW}/events",
        operation_id="listWorkflowEvents",
        summary="List workflow events",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Event],
        handler=_events,
    ),
    Operation(
        method="GET",
        path=f"{_WORKFLOW}/notifications",
        operation_id="listWorkflowNotifications",
        summary="List workflow notifications",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Notification],
        handler=_notifications,
    ),
    Operation(
        method="GET",
        path=f"{_WORKFLOW}/streams",
        operation_id="listWorkflowStreams",
        summary="List workflow streams",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[StreamEntry],
        handler=_streams,
    ),
    Operation(
        method="GET",
        path=f"{_WORKFLOW}/export",
        operation_id="exportWorkflow",
        summary="Export workflow",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=WorkflowPath,
        query_parameters=ExportQuery,
        body=Nothing,
        result=ExportWorkflowOutputBody,
        handler=_export,
    ),
)
