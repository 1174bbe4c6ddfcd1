"""Applications over HTTP: thin handlers and their rows of the table."""

from types import NoneType

import msgspec

from conductor_lite.api.fields import ApplicationPath, OrganizationPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.applications import Application, PatchAppInputBody, PutAppInputBody
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.applications import Application as OperationsApplication
from conductor_lite.operations.applications import ApplicationChanges

#: What the settings are called here.
_SETTINGS = {field.name: field.encode_name for field in msgspec.structs.fields(PatchAppInputBody)}


def _translate(application: OperationsApplication) -> Application:
    record = application.record
    return Application(
        id=record.id,
        name=record.name,
        org_id=record.organization_id,
        status="AVAILABLE" if application.available else "UNAVAILABLE",
        language=record.language,
        gc_time_threshold_ms=record.gc_time_threshold_ms,
        gc_rows_threshold=record.gc_rows_threshold,
        global_timeout_ms=record.global_timeout_ms,
        executor_timeout_secs=record.executor_timeout_secs,
        private_mode=record.private_mode,
        dbos_cloud=False,
        recover_unknown_executors=record.recover_unknown_executors,
        snapshots_enabled=record.snapshots_enabled,
        snapshot_interval_secs=record.snapshot_interval_secs,
        snapshot_keep_days=record.snapshot_keep_days,
        snapshot_keep_rows=record.snapshot_keep_rows,
        declared_settings=None
        if record.declared_settings is None
        else [_SETTINGS[name] for name in record.declared_settings if name in _SETTINGS],
    )


async def _list(call: Call[OrganizationPath, Nothing, Nothing]) -> list[Application]:
    return [_translate(application) for application in await call.operations.applications.list(call.actor)]


async def _get(call: Call[ApplicationPath, Nothing, Nothing]) -> Application:
    return _translate(await call.operations.applications.get(call.actor, call.path.app_name))


async def _register(call: Call[ApplicationPath, Nothing, PutAppInputBody]) -> None:
    private_mode = call.body.private_mode
    await call.operations.applications.register(
        call.actor,
        call.path.app_name,
        private_mode=None if private_mode is msgspec.UNSET else private_mode,
    )


async def _update(call: Call[ApplicationPath, Nothing, PatchAppInputBody]) -> None:
    changes = ApplicationChanges(**msgspec.structs.asdict(call.body))
    await call.operations.applications.update(call.actor, call.path.app_name, changes)


async def _delete(call: Call[ApplicationPath, Nothing, Nothing]) -> None:
    await call.operations.applications.delete(call.actor, call.path.app_name)


_APPS = "/v2/orgs/{orgName}/apps"
_APP = "/v2/orgs/{orgName}/apps/{appName}"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_APPS,
        operation_id="listApps",
        summary="List applications",
        tag="Applications",
        permission=APPLICATION_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Application],
        handler=_list,
    ),
    Operation(
        method="GET",
        path=_APP,
        operation_id="getApp",
        summary="Get application",
        tag="Applications",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=Application,
        handler=_get,
    ),
    Operation(
        method="PUT",
        path=_APP,
        operation_id="registerApp",
        summary="Register application",
        tag="Applications",
        permission=APPLICATION_WRITE,
        audit="application.create",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=PutAppInputBody,
        result=NoneType,
        status=204,
        handler=_register,
    ),
    Operation(
        method="PATCH",
        path=_APP,
        operation_id="updateApp",
        summary="Update application",
        tag="Applications",
        permission=APPLICATION_WRITE,
        audit="application.update",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=PatchAppInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_update,
    ),
    Operation(
        method="DELETE",
        path=_APP,
        operation_id="deleteApp",
        summary="Delete application",
        tag="Applications",
        permission=APPLICATION_WRITE,
        audit="application.delete",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete,
    ),
)
