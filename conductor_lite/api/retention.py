"""Retention over HTTP: thin handlers and their rows of the table."""

from conductor_lite.api.fields import ApplicationPath, epoch_timestamp, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.retention import RetentionPreview, RetentionQuery, RetentionRun
from conductor_lite.api.schemas.workflow_search import SourceQuery
from conductor_lite.api.served import SERVED_HEADERS, tell_source
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.retention import RetentionRunRecord


def _translate(run: RetentionRunRecord) -> RetentionRun:
    return RetentionRun(
        id=str(run.id),
        started_at=timestamp(run.started_at),
        duration_ms=run.duration_ms,
        status=run.status,
        error=run.error,
        executor_id=run.executor_id,
        gc_cutoff=epoch_timestamp(run.gc_cutoff_epoch_ms),
        gc_rows_threshold=run.gc_rows_threshold,
        timeout_cutoff=epoch_timestamp(run.timeout_cutoff_epoch_ms),
    )


async def _list(call: Call[ApplicationPath, RetentionQuery, Nothing]) -> list[RetentionRun]:
    runs = await call.operations.retention.list(
        call.actor, call.path.app_name, limit=call.query.limit, offset=call.query.offset
    )
    return [_translate(run) for run in runs]


async def _run(call: Call[ApplicationPath, Nothing, Nothing]) -> RetentionRun:
    return _translate(await call.operations.retention.run(call.actor, call.path.app_name))


async def _preview(call: Call[ApplicationPath, SourceQuery, Nothing]) -> RetentionPreview:
    preview = await call.operations.retention.preview(call.actor, call.path.app_name, call.query.source)
    tell_source(call, preview.served)
    return RetentionPreview(**{name: getattr(preview, name) for name in RetentionPreview.__struct_fields__})


_RETENTION = "/v2/orgs/{orgName}/apps/{appName}/retention"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_RETENTION,
        operation_id="listRetentionRuns",
        summary="List retention runs",
        tag="Retention",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=RetentionQuery,
        body=Nothing,
        result=list[RetentionRun],
        handler=_list,
    ),
    Operation(
        method="POST",
        path=_RETENTION,
        operation_id="runRetention",
        summary="Run retention now",
        tag="Retention",
        permission=APPLICATION_WRITE,
        audit="application.retention",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=RetentionRun,
        handler=_run,
    ),
    Operation(
        method="GET",
        path=f"{_RETENTION}/preview",
        operation_id="previewRetention",
        summary="Preview retention",
        tag="Retention",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=SourceQuery,
        body=Nothing,
        result=RetentionPreview,
        response_headers=SERVED_HEADERS,
        handler=_preview,
    ),
)
