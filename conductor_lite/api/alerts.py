"""Alerts and notification targets over HTTP: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.alerts import (
    Alert,
    AlertDelivery,
    AlertsQuery,
    CreateNotificationTargetInputBody,
    NotificationTarget,
)
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.alerts import AlertHistory
from conductor_lite.operations.notification_targets import NotificationTarget as Target


class TargetPath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one notification target."""

    target_id: str


def _alert(history: AlertHistory) -> Alert:
    alert = history.alert
    return Alert(
        id=str(alert.id),
        app_id=alert.application_id,
        rule_id=alert.rule_id,
        rule_type=alert.rule_type,
        message=alert.message,
        metadata=alert.alert_metadata,
        fired_at=timestamp(alert.fired_at),
        resolved_at=None if alert.resolved_at is None else timestamp(alert.resolved_at),
        deliveries=[
            AlertDelivery(
                kind=delivery.kind,
                channel=delivery.channel,
                receiver_id=delivery.receiver_id,
                receiver_name=delivery.receiver_name,
                state=delivery.state,
                attempts=delivery.attempts,
                created_at=timestamp(delivery.created_at),
                next_attempt_at=None if delivery.ended_at else timestamp(delivery.next_attempt_at),
                ended_at=None if delivery.ended_at is None else timestamp(delivery.ended_at),
                error=delivery.error,
            )
            for delivery in history.deliveries
        ],
    )


def _target(target: Target) -> NotificationTarget:
    return NotificationTarget(
        id=target.id,
        app_id=target.application_id,
        name=target.name,
        url=target.shown_url,
        created_at=timestamp(target.created_at),
        declared=target.declared,
    )


async def _list_alerts(call: Call[ApplicationPath, AlertsQuery, Nothing]) -> list[Alert]:
    found = await call.operations.alerts.list(
        call.actor, call.path.app_name, limit=call.query.limit, offset=call.query.offset
    )
    return [_alert(history) for history in found]


async def _list_targets(call: Call[ApplicationPath, Nothing, Nothing]) -> list[NotificationTarget]:
    found = await call.operations.notification_targets.list(call.actor, call.path.app_name)
    return [_target(target) for target in found]


async def _create_target(
    call: Call[ApplicationPath, Nothing, CreateNotificationTargetInputBody],
) -> NotificationTarget:
    return _target(
        await call.operations.notification_targets.create(
            call.actor, call.path.app_name, name=call.body.name, url=call.body.url
        )
    )


async def _delete_target(call: Call[TargetPath, Nothing, Nothing]) -> None:
    await call.operations.notification_targets.delete(call.actor, call.path.app_name, call.path.target_id)


async def _test_target(call: Call[TargetPath, Nothing, Nothing]) -> None:
    await call.operations.notification_targets.test(call.actor, call.path.app_name, call.path.target_id)


_APPLICATION = "/v2/orgs/{orgName}/apps/{appName}"
_TARGETS = f"{_APPLICATION}/notification-targets"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=f"{_APPLICATION}/alerts",
        operation_id="listAlerts",
        summary="List alerts that fired",
        tag="Alerting",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=AlertsQuery,
        body=Nothing,
        result=list[Alert],
        handler=_list_alerts,
    ),
    Operation(
        method="GET",
        path=_TARGETS,
        operation_id="listNotificationTargets",
        summary="List notification targets",
        tag="Alerting",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[NotificationTarget],
        handler=_list_targets,
    ),
    Operation(
        method="POST",
        path=_TARGETS,
        operation_id="createNotificationTarget",
        summary="Create notification target",
        tag="Alerting",
        permission=APPLICATION_WRITE,
        audit="notification_target.create",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=CreateNotificationTargetInputBody,
        body_required=True,
        result=NotificationTarget,
        status=201,
        handler=_create_target,
    ),
    Operation(
        method="DELETE",
        path=f"{_TARGETS}/{{targetId}}",
        operation_id="deleteNotificationTarget",
        summary="Delete notification target",
        tag="Alerting",
        permission=APPLICATION_WRITE,
        audit="notification_target.delete",
        path_parameters=TargetPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete_target,
    ),
    Operation(
        method="POST",
        path=f"{_TARGETS}/{{targetId}}/test",
        operation_id="testNotificationTarget",
        summary="Send a test message",
        tag="Alerting",
        permission=APPLICATION_WRITE,
        audit="notification_target.test",
        path_parameters=TargetPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_test_target,
    ),
)
