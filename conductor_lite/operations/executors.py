"""Executors: who runs an application now, who is missing, and how recoveries are going."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import NotFoundError
from conductor_lite.fleet.liveness import ExecutorKey
from conductor_lite.fleet.unknown import UnknownExecutor
from conductor_lite.fleet.views import ExecutorView, RecoveryView, VersionView
from conductor_lite.operations.context import Context

__all__ = ["ExecutorView", "Executors", "RecoveryView", "UnknownExecutor", "VersionView"]


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
