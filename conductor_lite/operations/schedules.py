"""Schedules: list, get, pause, resume, trigger and backfill."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import ExecutorReportedError, FieldError, InvalidError, NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.operations.remembered import Recalled
from conductor_lite.protocol import (
    BackfillSchedule,
    GetSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    ScheduleFilters,
    ScheduleRecord,
    TriggerSchedule,
)
from conductor_lite.protocol.replies import SuccessReply
from conductor_lite.store.records import ApplicationRecord

#: Longest period of one backfill: an executor does nothing else until it has enqueued every run in it.
MAX_BACKFILL = timedelta(days=366)
_KIND = "schedules"
_EVERYTHING = ScheduleFilters()


class Schedules:
    """Operations on schedules, all carried out by an executor of the application."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self, actor: Actor, application_name: str, filters: ScheduleFilters
    ) -> list[ScheduleRecord]:
        """List schedules; their contexts only if ``filters`` say so, and never in private mode.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        load_context = bool(filters.load_context) and not application.private_mode
        body = msgspec.structs.replace(filters, load_context=load_context)
        schedules = (await self._context.ask(application, ListSchedules(body=body))).schedules
        if load_context:
            return schedules
        schedules = [_without_context(schedule) for schedule in schedules]
        if filters == _EVERYTHING:
            self._context.remembered.keep(application.id, _KIND, schedules, self._context.now())
        return schedules

    async def recall(self, actor: Actor, application_name: str) -> Recalled[ScheduleRecord]:
        """All of them, or as they were last told where no executor answers. Raises as ``list`` does."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._context.remembered.instead(
            application.id,
            _KIND,
            list[ScheduleRecord],
            lambda: self.list(actor, application_name, _EVERYTHING),
        )

    async def get(self, actor: Actor, application_name: str, schedule_name: str) -> ScheduleRecord:
        """Get one schedule; in private mode without its context.

        Raises as ``list`` does, and NotFoundError when there is no such schedule.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._find(application, schedule_name, load_context=not application.private_mode)

    async def pause(self, actor: Actor, application_name: str, schedule_name: str) -> None:
        """Pause a schedule; what it has started goes on.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application or schedule.
            DispatchError: no executor answered, or it reported an error.
        """
        async with self._acting(actor, application_name, "schedule.pause", schedule_name) as application:
            _require_success(await self._context.ask(application, PauseSchedule(schedule_name=schedule_name)))

    async def resume(self, actor: Actor, application_name: str, schedule_name: str) -> None:
        """Let a paused schedule run again. Raises as ``pause`` does."""
        async with self._acting(actor, application_name, "schedule.resume", schedule_name) as application:
            _require_success(
                await self._context.ask(application, ResumeSchedule(schedule_name=schedule_name))
            )

    async def trigger(self, actor: Actor, application_name: str, schedule_name: str) -> str:
        """Run a schedule's workflow once, now; returns the workflow's id. Raises as ``pause`` does."""
        async with self._acting(actor, application_name, "schedule.trigger", schedule_name) as application:
            reply = await self._context.ask(application, TriggerSchedule(schedule_name=schedule_name))
            if reply.workflow_id is None:
                message = "The executor did not start the workflow, and did not say why."
                raise ExecutorReportedError(message, message)
            return reply.workflow_id

    async def backfill(
        self, actor: Actor, application_name: str, schedule_name: str, start: datetime, end: datetime
    ) -> Sequence[str]:
        """Run a schedule's workflow for every time it was due between two times; returns the workflows' ids.

        Raises as ``pause`` does, and InvalidError when the end is not after the start, or too long after it.
        """
        async with self._acting(actor, application_name, "schedule.backfill", schedule_name) as application:
            _require_sane_period(start, end)
            request = BackfillSchedule(
                schedule_name=schedule_name, start=start.isoformat(), end=end.isoformat()
            )
            return (await self._context.ask(application, request)).workflow_ids

    @asynccontextmanager
    async def _acting(
        self, actor: Actor, application_name: str, operation: str, schedule_name: str
    ) -> AsyncIterator[ApplicationRecord]:
        context = self._context
        async with context.audited(actor, operation, "schedule", schedule_name) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            await self._find(application, schedule_name)
            yield application

    async def _find(
        self, application: ApplicationRecord, schedule_name: str, *, load_context: bool = False
    ) -> ScheduleRecord:
        request = GetSchedule(schedule_name=schedule_name, load_context=load_context)
        schedule = (await self._context.ask(application, request)).schedule
        if schedule is None:
            raise NotFoundError(f"{application.name} has no schedule {schedule_name!r}.")
        return schedule if load_context else _without_context(schedule)


def _require_sane_period(start: datetime, end: datetime) -> None:
    if end <= start:
        error = FieldError(location="body.endTime", message="expected a time after startTime")
        raise InvalidError("The times are the wrong way round.", (error,))
    if end - start > MAX_BACKFILL:
        message = f"expected a time at most {MAX_BACKFILL.days} days after startTime"
        error = FieldError(location="body.endTime", message=message)
        raise InvalidError("That is too long a period for one backfill; do it in parts.", (error,))


def _without_context(schedule: ScheduleRecord) -> ScheduleRecord:
    """The schedule without its payload: some SDKs send it although it was not asked for."""
    return msgspec.structs.replace(schedule, context=None)


def _require_success(reply: SuccessReply) -> None:
    if not reply.success:
        message = "The executor did not do it, and did not say why."
        raise ExecutorReportedError(message, message)
