"""Executors: who runs an application now, who is missing, and how recoveries are going."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.fleet.views import ExecutorView, RecoveryView, VersionView
from conductor_lite.operations.context import Context

__all__ = ["ExecutorView", "Executors", "RecoveryView", "VersionView"]


class Executors:
    """Operations on executors."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor, application_name: str) -> list[ExecutorView]:
        """List an application's executors: healthy ones first, then by when they were first seen.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        record = await self._context.application(actor, application_name)
        return self._context.fleet.executors(record.id)
