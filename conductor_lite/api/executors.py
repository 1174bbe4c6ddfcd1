"""Executors over HTTP: thin handlers and their rows of the table."""

from types import NoneType
from typing import cast

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.executors import (
    Executor,
    ExecutorStatus,
    RecoverUnknownExecutorInputBody,
    UnknownExecutor,
)
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
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


async def _list_unknown(call: Call[ApplicationPath, Nothing, Nothing]) -> list[UnknownExecutor]:
    found = await call.operations.executors.list_unknown(call.actor, call.path.app_name)
    return [
        UnknownExecutor(
            executor_id=unknown.executor_id,
            app_version=unknown.application_version,
            pending_count=unknown.pending_count,
            first_seen_at=timestamp(unknown.first_seen_at),
        )
        for unknown in found
    ]


async def _recover_unknown(call: Call[ApplicationPath, Nothing, RecoverUnknownExecutorInputBody]) -> None:
    await call.operations.executors.recover_unknown(
        call.actor, call.path.app_name, call.body.executor_id, call.body.app_version
    )


_APP = "/v2/orgs/{orgName}/apps/{appName}"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=f"{_APP}/executors",
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
    Operation(
        method="GET",
        path=f"{_APP}/unknown-executors",
        operation_id="listUnknownExecutors",
        summary="List unknown executors",
        tag="Executors",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[UnknownExecutor],
        handler=_list_unknown,
    ),
    Operation(
        method="POST",
        path=f"{_APP}/unknown-executors/recover",
        operation_id="recoverUnknownExecutor",
        summary="Recover what an unknown executor left behind",
        tag="Executors",
        permission=APPLICATION_WRITE,
        audit="executor.recover_unknown",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=RecoverUnknownExecutorInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_recover_unknown,
    ),
)
