"""Calls about the state of snapshots."""

from types import NoneType

from conductor_lite.api.schemas.snapshots import SnapshotStatus
from conductor_lite.client.call import Call


def get_snapshot_status(app: str) -> Call[SnapshotStatus]:
    """Get the state of snapshots."""
    return Call(
        operation_id="getSnapshotStatus",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/snapshots",
        names={"appName": app},
        result=SnapshotStatus,
    )


def request_full_pass(app: str) -> Call[None]:
    """Compare all snapshots with the application."""
    return Call(
        operation_id="requestFullPass",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/snapshots/full-pass",
        names={"appName": app},
        result=NoneType,
        repeatable=True,
    )
