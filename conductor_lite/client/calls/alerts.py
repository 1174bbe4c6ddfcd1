"""Calls about alerts that fired and whom they are sent to."""

from types import NoneType

from conductor_lite.api.schemas.alerts import (
    Alert,
    AlertsQuery,
    CreateNotificationTargetInputBody,
    NotificationTarget,
)
from conductor_lite.client.call import Call, Listing


def list_alerts(app: str, query: AlertsQuery | None = None) -> Listing[Alert]:
    """List alerts that fired."""
    return Listing(
        operation_id="listAlerts",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/alerts",
        names={"appName": app},
        query=query or AlertsQuery(),
        result=list[Alert],
        identify=lambda item: item.id,
    )


def list_notification_targets(app: str) -> Call[list[NotificationTarget]]:
    """List notification targets."""
    return Call(
        operation_id="listNotificationTargets",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/notification-targets",
        names={"appName": app},
        result=list[NotificationTarget],
    )


def create_notification_target(app: str, body: CreateNotificationTargetInputBody) -> Call[NotificationTarget]:
    """Create notification target."""
    return Call(
        operation_id="createNotificationTarget",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/notification-targets",
        names={"appName": app},
        body=body,
        result=NotificationTarget,
    )


def delete_notification_target(app: str, target_id: str) -> Call[None]:
    """Delete notification target."""
    return Call(
        operation_id="deleteNotificationTarget",
        method="DELETE",
        path="/v2/orgs/{orgName}/apps/{appName}/notification-targets/{targetId}",
        names={"appName": app, "targetId": target_id},
        result=NoneType,
    )


def test_notification_target(app: str, target_id: str) -> Call[None]:
    """Send a test message."""
    return Call(
        operation_id="testNotificationTarget",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/notification-targets/{targetId}/test",
        names={"appName": app, "targetId": target_id},
        result=NoneType,
    )
