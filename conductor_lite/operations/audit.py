"""The audit log: who did what, and what the conductor did by itself."""

from datetime import datetime

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.errors import FieldError, InvalidError
from conductor_lite.operations.context import Context
from conductor_lite.store.records import AuditEntry

__all__ = ["AuditEntry", "AuditLog"]

MAX_ENTRIES = 10_000


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
            InvalidError: ``limit`` or ``offset`` is out of its bounds. A listing is never cut short without a
                word: fewer entries than asked for mean that there are no more.
        """
        actor.require(ORGANIZATION_READ)
        _require_sane_window(limit, offset)
        return await self._context.audit_log.list(
            actor.organization_id,
            start=start,
            end=end,
            operation=operation,
            subject=subject,
            target=target,
            limit=limit,
            offset=offset,
        )


def _require_sane_window(limit: int, offset: int) -> None:
    bounds = (("limit", limit, 1, MAX_ENTRIES), ("offset", offset, 0, 2**63 - 1))
    errors = [
        FieldError(
            location=f"query.{name}", message=f"expected a whole number from {low} to {high}", value=value
        )
        for name, value, low, high in bounds
        if not low <= value <= high
    ]
    if errors:
        raise InvalidError("The listing cannot begin or end there.", tuple(errors))
