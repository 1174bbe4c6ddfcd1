"""Calls about applications, their executors and their versions."""

from types import NoneType

from conductor_lite.api.schemas.applications import Application, PatchAppInputBody, PutAppInputBody
from conductor_lite.api.schemas.definitions import ApplicationVersion, PatchLatestVersionInputBody
from conductor_lite.api.schemas.executors import Executor, RecoverUnknownExecutorInputBody, UnknownExecutor
from conductor_lite.client.call import Call


def list_apps() -> Call[list[Application]]:
    """List applications."""
    return Call(
        operation_id="listApps",
        method="GET",
        path="/v2/orgs/{orgName}/apps",
        result=list[Application],
    )


def get_app(app: str) -> Call[Application]:
    """Get application."""
    return Call(
        operation_id="getApp",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}",
        names={"appName": app},
        result=Application,
    )


def register_app(app: str, body: PutAppInputBody | None = None) -> Call[None]:
    """Register application."""
    return Call(
        operation_id="registerApp",
        method="PUT",
        path="/v2/orgs/{orgName}/apps/{appName}",
        names={"appName": app},
        body=body,
        result=NoneType,
    )


def update_app(app: str, body: PatchAppInputBody) -> Call[None]:
    """Update application."""
    return Call(
        operation_id="updateApp",
        method="PATCH",
        path="/v2/orgs/{orgName}/apps/{appName}",
        names={"appName": app},
        body=body,
        result=NoneType,
        repeatable=True,
    )


def delete_app(app: str) -> Call[None]:
    """Delete application."""
    return Call(
        operation_id="deleteApp",
        method="DELETE",
        path="/v2/orgs/{orgName}/apps/{appName}",
        names={"appName": app},
        result=NoneType,
    )


def list_executors(app: str) -> Call[list[Executor]]:
    """List executors."""
    return Call(
        operation_id="listExecutors",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/executors",
        names={"appName": app},
        result=list[Executor],
    )


def list_unknown_executors(app: str) -> Call[list[UnknownExecutor]]:
    """List unknown executors."""
    return Call(
        operation_id="listUnknownExecutors",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/unknown-executors",
        names={"appName": app},
        result=list[UnknownExecutor],
    )


def recover_unknown_executor(app: str, body: RecoverUnknownExecutorInputBody) -> Call[None]:
    """Recover what an unknown executor left behind."""
    return Call(
        operation_id="recoverUnknownExecutor",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/unknown-executors/recover",
        names={"appName": app},
        body=body,
        result=NoneType,
    )


def list_app_versions(app: str) -> Call[list[ApplicationVersion]]:
    """List application versions."""
    return Call(
        operation_id="listAppVersions",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/versions",
        names={"appName": app},
        result=list[ApplicationVersion],
    )


def set_latest_app_version(app: str, body: PatchLatestVersionInputBody) -> Call[None]:
    """Set latest application version."""
    return Call(
        operation_id="setLatestAppVersion",
        method="PATCH",
        path="/v2/orgs/{orgName}/apps/{appName}/versions/latest",
        names={"appName": app},
        body=body,
        result=NoneType,
        repeatable=True,
    )
