"""Executors over HTTP: a thin handler and its row of the table."""

from typing import cast

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.executors import Executor, ExecutorStatus
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.operations.executors import ExecutorView


def _translate(view: ExecutorView) -> Executor:
    return Executor(
        executor_id=view.executor_id,
        app_id=view.application_id,
        app_version=view.application_version,
        status=cast(ExecutorStatus, view.status),
        # No executor tells the identifier of its host, only the name.
        host_id=None,
        hostname=view.hostname,
        created_at=timestamp(view.created_at),
        updated_at=timestamp(view.updated_at),
        language=view.language,
        dbos_version=view.dbos_version,
        executor_metadata=view.executor_metadata,
    )


async def _list(call: Call[ApplicationPath, Nothing, Nothing]) -> list[Executor]:
    views = await call.operations.executors.list(call.actor, call.path.app_name)
    return [_translate(view) for view in views]


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/executors",
        operation_id="listExecutors",
        summary="List executors",
        tag="Executors",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Executor],
        handler=_list,
    ),
)
