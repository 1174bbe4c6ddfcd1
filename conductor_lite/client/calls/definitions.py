"""Calls about what an application defines besides workflows: queues and schedules."""

from types import NoneType

from conductor_lite.api.schemas.definitions import (
    BackfillInputBody,
    BackfillOutputBody,
    Queue,
    Schedule,
    ScheduleListQuery,
    TriggerOutputBody,
)
from conductor_lite.client.call import Call


def list_queues(app: str) -> Call[list[Queue]]:
    """List queues."""
    return Call(
        operation_id="listQueues",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/queues",
        names={"appName": app},
        result=list[Queue],
    )


def get_queue(app: str, queue: str) -> Call[Queue]:
    """Get queue."""
    return Call(
        operation_id="getQueue",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/queues/{queueName}",
        names={"appName": app, "queueName": queue},
        result=Queue,
    )


def list_schedules(app: str, query: ScheduleListQuery | None = None) -> Call[list[Schedule]]:
    """List schedules."""
    return Call(
        operation_id="listSchedules",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules",
        names={"appName": app},
        query=query,
        result=list[Schedule],
    )


def get_schedule(app: str, schedule: str) -> Call[Schedule]:
    """Get schedule."""
    return Call(
        operation_id="getSchedule",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules/{scheduleName}",
        names={"appName": app, "scheduleName": schedule},
        result=Schedule,
    )


def pause_schedule(app: str, schedule: str) -> Call[None]:
    """Pause schedule."""
    return Call(
        operation_id="pauseSchedule",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules/{scheduleName}/pause",
        names={"appName": app, "scheduleName": schedule},
        result=NoneType,
        repeatable=True,
    )


def resume_schedule(app: str, schedule: str) -> Call[None]:
    """Resume schedule."""
    return Call(
        operation_id="resumeSchedule",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules/{scheduleName}/resume",
        names={"appName": app, "scheduleName": schedule},
        result=NoneType,
    )


def trigger_schedule(app: str, schedule: str) -> Call[TriggerOutputBody]:
    """Trigger schedule."""
    return Call(
        operation_id="triggerSchedule",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules/{scheduleName}/trigger",
        names={"appName": app, "scheduleName": schedule},
        result=TriggerOutputBody,
        keyed=True,
    )


def backfill_schedule(app: str, schedule: str, body: BackfillInputBody) -> Call[BackfillOutputBody]:
    """Backfill schedule."""
    return Call(
        operation_id="backfillSchedule",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/schedules/{scheduleName}/backfill",
        names={"appName": app, "scheduleName": schedule},
        body=body,
        result=BackfillOutputBody,
        keyed=True,
    )
