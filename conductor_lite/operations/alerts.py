"""Alerts that fired, and what became of their messages. Judging and delivering are done by policies."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.operations.context import Context
from conductor_lite.operations.window import require_sane_window
from conductor_lite.store.alert_records import AlertHistory

__all__ = ["AlertHistory", "Alerts"]


class Alerts:
    """Operations on alerts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self, actor: Actor, application_name: str, *, limit: int = 100, offset: int = 0
    ) -> list[AlertHistory]:
        """List the firings of rules that watch an application, newest first; the latest thousand are kept.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: ``limit`` or ``offset`` is out of its bounds.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        require_sane_window(limit, offset)
        return await self._context.alerts.list(application.id, limit=limit, offset=offset)
