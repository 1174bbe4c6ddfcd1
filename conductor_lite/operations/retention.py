"""Retention: run it now, list its runs, and look beforehand at what would go."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import (
    DeadlineExceededError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.operations.context import Context
from conductor_lite.operations.deadline import remaining_secs
from conductor_lite.operations.snapshots import Served, Source
from conductor_lite.operations.window import require_sane_window
from conductor_lite.protocol import GetWorkflowAggregates, WorkflowAggregatesBody
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.retention import RetentionRunRecord
from conductor_lite.store.snapshot_records import SnapshotSource

__all__ = ["Retention", "RetentionPreview", "RetentionRunRecord"]

#: Seconds that whoever asks for a run waits for its end; it goes on after that.
WAIT_SECS = 60.0

_GOING = ["PENDING", "ENQUEUED", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class RetentionPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do now, as an executor or the snapshots count. The first two may be the same ones."""

    #: Ended workflows that are too old; None when age does not matter.
    too_old_count: int | None
    #: About how many of the oldest are beyond the number to keep, those that go on included; None when any
    #: number is kept.
    too_many_count: int | None
    #: Workflows that go on for too long and would be cancelled; None when they may.
    timed_out_count: int | None
    #: All workflows.
    total_count: int
    #: Who counted.
    served: Served


class Retention:
    """Operations on retention."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self, actor: Actor, application_name: str) -> RetentionRunRecord:
        """Clear old workflows of an application away, now, by its settings.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            InvalidError: retention is off.
            ConflictError: a run is under way.
            NoHealthyExecutorError: no executor is there to ask.
            DeadlineExceededError: it takes long and goes on; its end will be among the runs.
        """
        context = self._context
        async with context.audited(
            actor, "application.retention", "application", application_name
        ) as details:
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            wait_secs = min(WAIT_SECS, remaining_secs() or WAIT_SECS)
            try:
                async with asyncio.timeout(wait_secs):
                    run = await context.retention.run(application)
            except TimeoutError:
                raise DeadlineExceededError(
                    f"The run was begun and has not ended within {wait_secs:g} s. It goes on; look at the "
                    "runs later."
                ) from None
            details.update(status=run.status, executor_id=run.executor_id, duration_ms=run.duration_ms)
            if run.error is not None:
                details["executor_error"] = run.error
        return run

    async def list(
        self, actor: Actor, application_name: str, *, limit: int = 100, offset: int = 0
    ) -> list[RetentionRunRecord]:
        """List an application's runs, newest first; the latest thousand are kept.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: ``limit`` or ``offset`` is out of its bounds.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        require_sane_window(limit, offset)
        return await self._context.retention_runs.list(application.id, limit=limit, offset=offset)

    async def preview(self, actor: Actor, application_name: str, source: Source = "auto") -> RetentionPreview:
        """Count what a run would do now, changing nothing.

        Args:
            actor: who asks.
            application_name: whose workflows.
            source: who counts: an executor, the snapshots, or these when no executor is connected that can.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or no snapshots of it.
            UnsupportedMessageError: the application's SDK is too old to count, and snapshots were not to be
                counted or are not there.
            DispatchError: no executor answered, and snapshots were not to be counted or are not there.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        if source != "snapshot":
            try:
                return await self._preview(application, _AskedCounts(self._context, application))
            except (NoHealthyExecutorError, UnsupportedMessageError):
                found = await self._context.snapshots.source(application.id)
                if source == "executor" or found is None:
                    raise
        else:
            found = await self._context.snapshots.source(application.id)
            if found is None:
                raise NotFoundError(f"No snapshots of {application.name} have been taken yet.")
        return await self._preview(application, _SnapshotCounts(self._context, application, found))

    async def _preview(
        self, application: ApplicationRecord, counts: "_AskedCounts | _SnapshotCounts"
    ) -> RetentionPreview:
        # By the very limits that a run would tell.
        told = self._context.retention.told_now(application)
        total, cutoff, rows = await counts.all(), told.gc_cutoff_epoch_ms, told.gc_rows_threshold
        timeout = told.timeout_cutoff_epoch_ms
        return RetentionPreview(
            total_count=total,
            too_old_count=None if cutoff is None else await counts.ended_before(cutoff),
            too_many_count=None if rows is None else max(0, total - rows),
            timed_out_count=None if timeout is None else await counts.going_before(timeout),
            served=counts.served,
        )


class _AskedCounts:
    """Counts by an executor."""

    served = Served(source="executor")

    def __init__(self, context: Context, application: ApplicationRecord) -> None:
        self._context = context
        self._application = application

    async def all(self) -> int:
        """All workflows."""
        return await self._count(None, None)

    async def ended_before(self, epoch_ms: int) -> int:
        """Those created before a time that have ended."""
        return await self._count(_ENDED, epoch_ms)

    async def going_before(self, epoch_ms: int) -> int:
        """Those created before a time that have not ended."""
        return await self._count(_GOING, epoch_ms)

    async def _count(self, statuses: Sequence[str] | None, made_before_epoch_ms: int | None) -> int:
        end_time = None
        if made_before_epoch_ms is not None:
            end_time = datetime.fromtimestamp(max(0, made_before_epoch_ms) / 1_000, UTC).isoformat()
        body = WorkflowAggregatesBody(
            group_by_status=True,
            select_count=True,
            status=None if statuses is None else [*statuses],
            end_time=end_time,
            application_name=[self._application.name],
        )
        reply = await self._context.ask(self._application, GetWorkflowAggregates(body=body))
        return sum(aggregate.count or 0 for aggregate in reply.aggregates)


class _SnapshotCounts:
    """Counts of what is on record here."""

    def __init__(self, context: Context, application: ApplicationRecord, source: SnapshotSource) -> None:
        self._snapshots = context.snapshots
        self._application = application
        self._number = source.number
        self.served = Served(source="snapshot", snapshot_at=source.synced_at)

    async def all(self) -> int:
        """All workflows."""
        return await self._snapshots.count(self._application.id)

    async def ended_before(self, epoch_ms: int) -> int:
        """Those created before a time that have ended."""
        return await self._snapshots.count_created(self._number, before_epoch_ms=epoch_ms, finished=True)

    async def going_before(self, epoch_ms: int) -> int:
        """Those created before a time that have not ended."""
        return await self._snapshots.count_created(self._number, before_epoch_ms=epoch_ms, finished=False)
