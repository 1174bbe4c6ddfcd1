"""Schedules over HTTP: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api import translation
from conductor_lite.api.fields import ApplicationPath, SchedulePath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.definitions import (
    BackfillInputBody,
    BackfillOutputBody,
    Schedule,
    ScheduleListQuery,
    TriggerOutputBody,
)
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.once import Caution
from conductor_lite.protocol import ScheduleFilters

_SCHEDULES = "/v2/orgs/{orgName}/apps/{appName}/schedules"
_SCHEDULE = f"{_SCHEDULES}/{{scheduleName}}"


async def _list(call: Call[ApplicationPath, ScheduleListQuery, Nothing]) -> list[Schedule]:
    query = call.query
    filters = ScheduleFilters(
        status=translation.none(query.status),
        workflow_name=translation.none(query.workflow_name),
        schedule_name_prefix=translation.none(query.schedule_name_prefix),
        load_context=query.load_context,
    )
    schedules = await call.operations.schedules.list(call.actor, call.path.app_name, filters)
    return [translation.schedule(schedule) for schedule in schedules]


async def _get(call: Call[SchedulePath, Nothing, Nothing]) -> Schedule:
    path = call.path
    return translation.schedule(
        await call.operations.schedules.get(call.actor, path.app_name, path.schedule_name)
    )


async def _pause(call: Call[SchedulePath, Nothing, Nothing]) -> None:
    await call.operations.schedules.pause(call.actor, call.path.app_name, call.path.schedule_name)


async def _resume(call: Call[SchedulePath, Nothing, Nothing]) -> None:
    await call.operations.schedules.resume(call.actor, call.path.app_name, call.path.schedule_name)


async def _trigger(call: Call[SchedulePath, Nothing, Nothing]) -> TriggerOutputBody:
    path = call.path
    workflow_id = await call.operations.schedules.trigger(call.actor, path.app_name, path.schedule_name)
    return TriggerOutputBody(workflow_id=workflow_id)


async def _backfill(call: Call[SchedulePath, Nothing, BackfillInputBody]) -> BackfillOutputBody:
    workflow_ids = await call.operations.schedules.backfill(
        call.actor,
        call.path.app_name,
        call.path.schedule_name,
        call.body.start_time,
        call.body.end_time,
    )
    return BackfillOutputBody(workflow_ids=list(workflow_ids))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_SCHEDULES,
        operation_id="listSchedules",
        summary="List schedules",
        tag="Schedules",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=ScheduleListQuery,
        body=Nothing,
        result=list[Schedule],
        handler=_list,
    ),
    Operation(
        method="GET",
        path=_SCHEDULE,
        operation_id="getSchedule",
        summary="Get schedule",
        tag="Schedules",
        permission=APPLICATION_READ,
        path_parameters=SchedulePath,
        query_parameters=Nothing,
        body=Nothing,
        result=Schedule,
        handler=_get,
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/pause",
        operation_id="pauseSchedule",
        summary="Pause schedule",
        tag="Schedules",
        permission=APPLICATION_WRITE,
        audit="schedule.pause",
        path_parameters=SchedulePath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_pause,
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/resume",
        operation_id="resumeSchedule",
        summary="Resume schedule",
        tag="Schedules",
        permission=APPLICATION_WRITE,
        audit="schedule.resume",
        path_parameters=SchedulePath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_resume,
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/trigger",
        operation_id="triggerSchedule",
        summary="Trigger schedule",
        tag="Schedules",
        permission=APPLICATION_WRITE,
        audit="schedule.trigger",
        caution=Caution(),
        path_parameters=SchedulePath,
        query_parameters=Nothing,
        body=Nothing,
        result=TriggerOutputBody,
        status=201,
        handler=_trigger,
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/backfill",
        operation_id="backfillSchedule",
        summary="Backfill schedule",
        tag="Schedules",
        permission=APPLICATION_WRITE,
        audit="schedule.backfill",
        caution=Caution(settles=True),
        path_parameters=SchedulePath,
        query_parameters=Nothing,
        body=BackfillInputBody,
        body_required=True,
        result=BackfillOutputBody,
        handler=_backfill,
    ),
)
