"""Executors: who runs an application now, who is missing, and how recoveries are going."""

from datetime import datetime, timedelta

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import NotFoundError
from conductor_lite.fleet.liveness import ExecutorKey
from conductor_lite.fleet.unknown import UnknownExecutor
from conductor_lite.fleet.views import ExecutorView, RecoveryView, VersionView
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.context import Context
from conductor_lite.operations.overview import RECOVERY_OPERATION

__all__ = ["ExecutorView", "Executors", "PastRecovery", "RecoveryView", "UnknownExecutor", "VersionView"]

#: Most past recoveries that are given; when there were more, the newest.
_MAX_RECOVERIES = 200
#: A recovery is on record when it is over, and some take long.
_LONG_RECOVERY = timedelta(minutes=10)


class PastRecovery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The time within which dead executors' workflows were put back on their queues."""

    application_version: str
    #: When the first of the executors was declared dead.
    dead_at: datetime
    #: When the last answer came.
    answered_at: datetime


class Executors:
    """Operations on executors."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list_unknown(self, actor: Actor, application_name: str) -> list[UnknownExecutor]:
        """List who owns pending workflows without being on record, as the last sweep has found, oldest first.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        record = await self._context.application(actor, application_name)
        return self._context.fleet.unknown.of(record.id)

    async def list(self, actor: Actor, application_name: str) -> list[ExecutorView]:
        """List an application's executors: healthy ones first, then by when they were first seen.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        record = await self._context.application(actor, application_name)
        return self._context.fleet.executors(record.id)

    async def recoveries(
        self, actor: Actor, application_name: str, span: tuple[datetime, datetime] | None
    ) -> tuple[PastRecovery, ...]:
        """Tell when the application's executors were recovered within a span of time, as far as is on record.

        Whoever may see the application may see this, for it tells nobody's doings. Without a span nothing is
        looked up.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        if span is None:
            return ()
        record = await self._context.application(actor, application_name)
        entries = await self._context.audit_log.list(
            actor.organization_id,
            # Another application of that name may have been here before.
            start=max(span[0], record.created_at),
            end=span[1] + _LONG_RECOVERY,
            operation=RECOVERY_OPERATION,
            target=application_name,
            limit=_MAX_RECOVERIES,
        )
        return tuple(_past_recovery(entry) for entry in entries)

    async def recover_unknown(
        self, actor: Actor, application_name: str, executor_id: str, application_version: str
    ) -> None:
        """Recover what an executor left behind that is not on record, as if it had just died.

        Whoever asks must know that it does not run: a living process's workflows would run twice.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application, or the sweep has not found this executor.
        """
        context = self._context
        operation = "executor.recover_unknown"
        async with context.audited(actor, operation, "application", application_name) as details:
            details["executor_id"] = executor_id
            details["application_version"] = application_version
            actor.require(APPLICATION_WRITE)
            record = await context.application(actor, application_name)
            key = ExecutorKey(executor_id, application_version)
            found = {
                ExecutorKey(unknown.executor_id, unknown.application_version)
                for unknown in context.fleet.unknown.of(record.id)
            }
            if key not in found or not context.fleet.adopt(record.id, key):
                raise NotFoundError(
                    f"{application_name} has no unknown executor {executor_id!r} of version "
                    f"{application_version!r} that owns pending workflows."
                )


def _past_recovery(entry: AuditEntry) -> PastRecovery:
    """Read what ``fleet.recovery.outcome_details`` wrote."""
    details = entry.details
    took_secs = details.get("recovery_secs")
    took = timedelta(seconds=took_secs if isinstance(took_secs, int | float) else 0)
    return PastRecovery(
        application_version=str(details.get("application_version", "")),
        dead_at=entry.emitted_at - took,
        answered_at=entry.emitted_at,
    )
