"""Changing workflows over HTTP: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api.fields import ApplicationPath, WorkflowPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
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
from conductor_lite.api.translation import none
from conductor_lite.auth.permissions import APPLICATION_WRITE
from conductor_lite.operations.once import Caution
from conductor_lite.protocol import ForkBody, ForkFromFailureBody

_WORKFLOWS = "/v2/orgs/{orgName}/apps/{appName}/workflows"
_WORKFLOW = f"{_WORKFLOWS}/{{workflowId}}"


async def _cancel(call: Call[WorkflowPath, Nothing, CancelWorkflowInputBody]) -> None:
    await call.operations.workflow_actions.cancel(
        call.actor,
        call.path.app_name,
        call.path.workflow_id,
        cancel_children=call.body.cancel_children,
    )


async def _resume(call: Call[WorkflowPath, Nothing, ResumeWorkflowInputBody]) -> None:
    await call.operations.workflow_actions.resume(
        call.actor, call.path.app_name, call.path.workflow_id, queue_name=none(call.body.queue_name)
    )


async def _restart(call: Call[WorkflowPath, Nothing, Nothing]) -> RestartWorkflowOutputBody:
    new_id = await call.operations.workflow_actions.restart(
        call.actor, call.path.app_name, call.path.workflow_id, call.attempt
    )
    return RestartWorkflowOutputBody(workflow_id=new_id)


async def _rewind(call: Call[WorkflowPath, Nothing, RewindWorkflowInputBody]) -> None:
    await call.operations.workflow_actions.rewind(call.actor, call.path.app_name, call.path.workflow_id)


async def _fork(call: Call[WorkflowPath, Nothing, ForkWorkflowInputBody]) -> ForkWorkflowOutputBody:
    body = ForkBody(
        workflow_id=call.path.workflow_id,
        start_step=call.body.start_step,
        application_version=none(call.body.app_version),
        new_workflow_id=none(call.body.new_workflow_id),
        queue_name=none(call.body.queue_name),
        queue_partition_key=none(call.body.queue_partition_key),
    )
    new_id = await call.operations.workflow_actions.fork(call.actor, call.path.app_name, body, call.attempt)
    return ForkWorkflowOutputBody(workflow_id=new_id)


async def _delete(call: Call[WorkflowPath, DeleteQuery, Nothing]) -> None:
    await call.operations.workflow_actions.delete(
        call.actor,
        call.path.app_name,
        call.path.workflow_id,
        delete_children=call.query.delete_children,
    )


async def _import(call: Call[ApplicationPath, Nothing, ImportWorkflowInputBody]) -> None:
    await call.operations.workflow_actions.import_(
        call.actor, call.path.app_name, call.body.serialized_workflow
    )


async def _bulk_cancel(call: Call[ApplicationPath, Nothing, BulkCancelInputBody]) -> None:
    await call.operations.workflow_actions.bulk_cancel(
        call.actor,
        call.path.app_name,
        call.body.workflow_ids,
        cancel_children=call.body.cancel_children,
    )


async def _bulk_resume(call: Call[ApplicationPath, Nothing, BulkResumeInputBody]) -> None:
    await call.operations.workflow_actions.bulk_resume(
        call.actor, call.path.app_name, call.body.workflow_ids, queue_name=none(call.body.queue_name)
    )


async def _bulk_delete(call: Call[ApplicationPath, Nothing, BulkDeleteInputBody]) -> None:
    await call.operations.workflow_actions.bulk_delete(
        call.actor,
        call.path.app_name,
        call.body.workflow_ids,
        delete_children=call.body.delete_children,
    )


async def _bulk_fork(
    call: Call[ApplicationPath, Nothing, BulkForkFromFailureBody],
) -> BulkForkFromFailureOutputBody:
    body = ForkFromFailureBody(
        workflow_ids=call.body.workflow_ids,
        application_version=none(call.body.app_version),
        queue_name=none(call.body.queue_name),
        queue_partition_key=none(call.body.queue_partition_key),
        from_last_failure=none(call.body.from_last_failure),
        from_last_step=none(call.body.from_last_step),
        from_step=none(call.body.from_step),
        from_step_name=none(call.body.from_step_name),
    )
    forks = await call.operations.workflow_actions.fork_from_failure(call.actor, call.path.app_name, body)
    return BulkForkFromFailureOutputBody(workflow_ids=forks)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="POST",
        path=f"{_WORKFLOW}/cancel",
        operation_id="cancelWorkflow",
        summary="Cancel workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.cancel",
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=CancelWorkflowInputBody,
        result=NoneType,
        status=204,
        handler=_cancel,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOW}/resume",
        operation_id="resumeWorkflow",
        summary="Resume workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.resume",
        caution=Caution(),
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=ResumeWorkflowInputBody,
        result=NoneType,
        status=204,
        handler=_resume,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOW}/restart",
        operation_id="restartWorkflow",
        summary="Restart workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.restart",
        caution=Caution(settles=True),
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=Nothing,
        result=RestartWorkflowOutputBody,
        status=201,
        handler=_restart,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOW}/rewind",
        operation_id="rewindWorkflow",
        summary="Rewind workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.rewind",
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=RewindWorkflowInputBody,
        result=NoneType,
        status=204,
        handler=_rewind,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOW}/fork",
        operation_id="forkWorkflow",
        summary="Fork workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.fork",
        caution=Caution(settles=True),
        path_parameters=WorkflowPath,
        query_parameters=Nothing,
        body=ForkWorkflowInputBody,
        result=ForkWorkflowOutputBody,
        status=201,
        handler=_fork,
    ),
    Operation(
        method="DELETE",
        path=_WORKFLOW,
        operation_id="deleteWorkflow",
        summary="Delete workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.delete",
        path_parameters=WorkflowPath,
        query_parameters=DeleteQuery,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/import",
        operation_id="importWorkflow",
        summary="Import workflow",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.import",
        caution=Caution(),
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=ImportWorkflowInputBody,
        body_required=True,
        result=NoneType,
        status=201,
        handler=_import,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/bulk-cancel",
        operation_id="bulkCancelWorkflows",
        summary="Cancel many workflows",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.bulk_cancel",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=BulkCancelInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_bulk_cancel,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/bulk-resume",
        operation_id="bulkResumeWorkflows",
        summary="Resume many workflows",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.bulk_resume",
        caution=Caution(in_parts=True),
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=BulkResumeInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_bulk_resume,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/bulk-delete",
        operation_id="bulkDeleteWorkflows",
        summary="Delete many workflows",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.bulk_delete",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=BulkDeleteInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_bulk_delete,
    ),
    Operation(
        method="POST",
        path=f"{_WORKFLOWS}/bulk-fork-from-failure",
        operation_id="bulkForkWorkflowsFromFailure",
        summary="Fork many workflows from where they failed",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="workflow.fork_from_failure",
        caution=Caution(in_parts=True),
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=BulkForkFromFailureBody,
        body_required=True,
        result=BulkForkFromFailureOutputBody,
        handler=_bulk_fork,
    ),
)
