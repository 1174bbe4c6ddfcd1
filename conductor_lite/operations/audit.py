"""The audit log: who did what, and what the conductor did by itself."""

from datetime import datetime

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.operations.context import Context
from conductor_lite.store.records import AuditEntry

__all__ = ["AuditEntry", "AuditLog"]

MAX_ENTRIES = 1_000


class AuditLog:
    """Operations on the audit log."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self,
        actor: Actor,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        operation: str | None = None,
        subject: str | None = None,
        target: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[AuditEntry]:
        """List entries, newest first.

        Raises:
            ForbiddenError: organization.read is missing.
        """
        actor.require(ORGANIZATION_READ)
        return await self._context.audit_log.list(
            actor.organization_id,
            start=start,
            end=end,
            operation=operation,
            subject=subject,
            target=target,
            limit=min(limit, MAX_ENTRIES),
            offset=offset,
        )
