"""Calls that read workflows."""

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
from conductor_lite.client.call import Call, Listing


def list_workflows(app: str, query: WorkflowListQuery | None = None) -> Listing[Workflow]:
    """List workflows."""
    given = query or WorkflowListQuery()
    return Listing(
        operation_id="listWorkflows",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows",
        names={"appName": app},
        query=given,
        result=list[Workflow],
        identify=lambda item: item.workflow_id,
        page_size=_page_size(given),
    )


def search_workflows(
    app: str, body: WorkflowSearchBody | None = None, query: SourceQuery | None = None
) -> Listing[Workflow]:
    """Search workflows."""
    given = body or WorkflowSearchBody()
    return Listing(
        operation_id="searchWorkflows",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/search",
        names={"appName": app},
        query=query or SourceQuery(),
        body=given,
        result=list[Workflow],
        repeatable=True,
        identify=lambda item: item.workflow_id,
        page_size=_page_size(given),
    )


def get_workflow_aggregates(
    app: str, body: WorkflowAggregatesBody | None = None
) -> Call[list[WorkflowAggregate]]:
    """Get workflow aggregates."""
    return Call(
        operation_id="getWorkflowAggregates",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/aggregates",
        names={"appName": app},
        body=body,
        result=list[WorkflowAggregate],
        repeatable=True,
    )


def get_step_aggregates(app: str, body: StepAggregatesBody | None = None) -> Call[list[StepAggregate]]:
    """Get step aggregates."""
    return Call(
        operation_id="getStepAggregates",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/steps/aggregates",
        names={"appName": app},
        body=body,
        result=list[StepAggregate],
        repeatable=True,
    )


def get_workflow(app: str, workflow_id: str, query: SourceQuery | None = None) -> Call[Workflow]:
    """Get workflow."""
    return Call(
        operation_id="getWorkflow",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}",
        names={"appName": app, "workflowId": workflow_id},
        query=query or SourceQuery(),
        result=Workflow,
    )


def list_workflow_steps(app: str, workflow_id: str, query: StepPageQuery | None = None) -> Listing[Step]:
    """List workflow steps."""
    given = query or StepPageQuery()
    return Listing(
        operation_id="listWorkflowSteps",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/steps",
        names={"appName": app, "workflowId": workflow_id},
        query=given,
        result=list[Step],
        identify=lambda item: item.step_id,
    )


def list_workflow_events(app: str, workflow_id: str) -> Call[list[Event]]:
    """List workflow events."""
    return Call(
        operation_id="listWorkflowEvents",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/events",
        names={"appName": app, "workflowId": workflow_id},
        result=list[Event],
    )


def list_workflow_notifications(app: str, workflow_id: str) -> Call[list[Notification]]:
    """List workflow notifications."""
    return Call(
        operation_id="listWorkflowNotifications",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/notifications",
        names={"appName": app, "workflowId": workflow_id},
        result=list[Notification],
    )


def list_workflow_streams(app: str, workflow_id: str) -> Call[list[StreamEntry]]:
    """List workflow streams."""
    return Call(
        operation_id="listWorkflowStreams",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/streams",
        names={"appName": app, "workflowId": workflow_id},
        result=list[StreamEntry],
    )


def export_workflow(
    app: str, workflow_id: str, query: ExportQuery | None = None
) -> Call[ExportWorkflowOutputBody]:
    """Export workflow."""
    return Call(
        operation_id="exportWorkflow",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/export",
        names={"appName": app, "workflowId": workflow_id},
        query=query,
        result=ExportWorkflowOutputBody,
    )


def _page_size(given: WorkflowListQuery | WorkflowSearchBody) -> int:
    """Fewer at once when payloads come with them."""
    return 100 if given.load_input is True or given.load_output is True else 500
