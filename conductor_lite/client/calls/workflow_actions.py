"""Calls that change workflows."""

from types import NoneType

from conductor_lite.api.schemas.workflow_actions import (
    BulkCancelInputBody,
    BulkDeleteInputBody,
    BulkForkFromFailureBody,
    BulkForkFromFailureOutputBody,
    BulkResumeInputBody,
    CancelWorkflowInputBody,
    DeleteQuery,
    ForkWorkflowInputBody,
    ForkWorkflowOutputBody,
    RestartWorkflowOutputBody,
    ResumeWorkflowInputBody,
    RewindWorkflowInputBody,
)
from conductor_lite.api.schemas.workflows import ImportWorkflowInputBody
from conductor_lite.client.call import Call


def cancel_workflow(app: str, workflow_id: str, body: CancelWorkflowInputBody | None = None) -> Call[None]:
    """Cancel workflow."""
    return Call(
        operation_id="cancelWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/cancel",
        names={"appName": app, "workflowId": workflow_id},
        body=body,
        result=NoneType,
        repeatable=True,
    )


def resume_workflow(app: str, workflow_id: str, body: ResumeWorkflowInputBody | None = None) -> Call[None]:
    """Resume workflow."""
    return Call(
        operation_id="resumeWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/resume",
        names={"appName": app, "workflowId": workflow_id},
        body=body,
        result=NoneType,
        keyed=True,
    )


def restart_workflow(app: str, workflow_id: str) -> Call[RestartWorkflowOutputBody]:
    """Restart workflow."""
    return Call(
        operation_id="restartWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/restart",
        names={"appName": app, "workflowId": workflow_id},
        result=RestartWorkflowOutputBody,
        keyed=True,
    )


def rewind_workflow(app: str, workflow_id: str, body: RewindWorkflowInputBody | None = None) -> Call[None]:
    """Rewind workflow."""
    return Call(
        operation_id="rewindWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/rewind",
        names={"appName": app, "workflowId": workflow_id},
        body=body,
        result=NoneType,
    )


def fork_workflow(
    app: str, workflow_id: str, body: ForkWorkflowInputBody | None = None
) -> Call[ForkWorkflowOutputBody]:
    """Fork workflow."""
    return Call(
        operation_id="forkWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}/fork",
        names={"appName": app, "workflowId": workflow_id},
        body=body,
        result=ForkWorkflowOutputBody,
        keyed=True,
    )


def delete_workflow(app: str, workflow_id: str, query: DeleteQuery | None = None) -> Call[None]:
    """Delete workflow."""
    return Call(
        operation_id="deleteWorkflow",
        method="DELETE",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/{workflowId}",
        names={"appName": app, "workflowId": workflow_id},
        query=query,
        result=NoneType,
    )


def import_workflow(app: str, body: ImportWorkflowInputBody) -> Call[None]:
    """Import workflow."""
    return Call(
        operation_id="importWorkflow",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/import",
        names={"appName": app},
        body=body,
        result=NoneType,
        keyed=True,
    )


def bulk_cancel_workflows(app: str, body: BulkCancelInputBody) -> Call[None]:
    """Cancel many workflows."""
    return Call(
        operation_id="bulkCancelWorkflows",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/bulk-cancel",
        names={"appName": app},
        body=body,
        result=NoneType,
        repeatable=True,
    )


def bulk_resume_workflows(app: str, body: BulkResumeInputBody) -> Call[None]:
    """Resume many workflows."""
    return Call(
        operation_id="bulkResumeWorkflows",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/bulk-resume",
        names={"appName": app},
        body=body,
        result=NoneType,
        keyed=True,
    )


def bulk_delete_workflows(app: str, body: BulkDeleteInputBody) -> Call[None]:
    """Delete many workflows."""
    return Call(
        operation_id="bulkDeleteWorkflows",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/bulk-delete",
        names={"appName": app},
        body=body,
        result=NoneType,
        repeatable=True,
    )


def bulk_fork_workflows_from_failure(
    app: str, body: BulkForkFromFailureBody
) -> Call[BulkForkFromFailureOutputBody]:
    """Fork many workflows from where they failed."""
    return Call(
        operation_id="bulkForkWorkflowsFromFailure",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/workflows/bulk-fork-from-failure",
        names={"appName": app},
        body=body,
        result=BulkForkFromFailureOutputBody,
        keyed=True,
    )
