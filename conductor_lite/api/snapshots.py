"""The state of snapshots over HTTP: thin handlers and their rows of the table. `workflows` reads them."""

from datetime import datetime
from types import NoneType

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.snapshots import SnapshotStatus
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


async def _status(call: Call[ApplicationPath, Nothing, Nothing]) -> SnapshotStatus:
    status = await call.operations.snapshots.status(call.actor, call.path.app_name)
    return SnapshotStatus(
        workflow_count=status.workflows,
        synced_at=_moment(status.synced_at),
        full_pass_at=_moment(status.full_pass_at),
        full_pass_pending=status.full_pass_pending,
        error=status.error,
    )


async def _request_full_pass(call: Call[ApplicationPath, Nothing, Nothing]) -> None:
    await call.operations.snapshots.request_full_pass(call.actor, call.path.app_name)


_SNAPSHOTS = "/v2/orgs/{orgName}/apps/{appName}/snapshots"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_SNAPSHOTS,
        operation_id="getSnapshotStatus",
        summary="Get the state of snapshots",
        tag="Workflows",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=SnapshotStatus,
        handler=_status,
    ),
    Operation(
        method="POST",
        path=f"{_SNAPSHOTS}/full-pass",
        operation_id="requestFullPass",
        summary="Compare all snapshots with the application",
        tag="Workflows",
        permission=APPLICATION_WRITE,
        audit="snapshots.full_pass",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_request_full_pass,
    ),
)
