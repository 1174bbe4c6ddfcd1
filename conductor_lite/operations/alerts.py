"""Alerts that fired, and what became of their messages. Judging and delivering are done by policies."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.operations.context import Context
from conductor_lite.operations.window import require_sane_window
from conductor_lite.store.alert_records import AlertHistory, AlertRecord, DeliveryRecord

__all__ = ["AlertHistory", "AlertRecord", "Alerts", "DeliveryRecord"]


class Alerts:
    """Operations on alerts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self,
        actor: Actor,
        application_name: str,
        *,
        limit: int = 100,
        offset: int = 0,
        rule_id: str | None = None,
    ) -> list[AlertHistory]:
        """List the firings of rules that watch an application, newest first; the latest thousand are kept.

        Args:
            actor: on whose behalf.
            application_name: whose.
            limit: most firings to list.
            offset: how many to pass over.
            rule_id: only those of one rule, which may be gone by now.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: ``limit`` or ``offset`` is out of its bounds.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        require_sane_window(limit, offset)
        return await self._context.alerts.list(application.id, limit=limit, offset=offset, rule_id=rule_id)

    async def firing(self, actor: Actor, application_name: str) -> dict[str, AlertRecord]:
        """The latest firing of each rule whose condition was not over when last looked at, by the rule's id.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        found = await self._context.alerts.open_rules()
        return {id_: alert for id_, alert in found.items() if alert.application_id == application.id}
