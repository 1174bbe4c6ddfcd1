"""Application versions over HTTP: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api import translation
from conductor_lite.api.fields import ApplicationPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.definitions import ApplicationVersion, PatchLatestVersionInputBody
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE

_VERSIONS = "/v2/orgs/{orgName}/apps/{appName}/versions"


async def _list(call: Call[ApplicationPath, Nothing, Nothing]) -> list[ApplicationVersion]:
    versions = await call.operations.versions.list(call.actor, call.path.app_name)
    return [translation.version(version) for version in versions]


async def _set_latest(call: Call[ApplicationPath, Nothing, PatchLatestVersionInputBody]) -> None:
    await call.operations.versions.set_latest(call.actor, call.path.app_name, call.body.version_name)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_VERSIONS,
        operation_id="listAppVersions",
        summary="List application versions",
        tag="Applications",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[ApplicationVersion],
        handler=_list,
    ),
    Operation(
        method="PATCH",
        path=f"{_VERSIONS}/latest",
        operation_id="setLatestAppVersion",
        summary="Set latest application version",
        tag="Applications",
        permission=APPLICATION_WRITE,
        audit="application.set_latest_version",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=PatchLatestVersionInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_set_latest,
    ),
)
