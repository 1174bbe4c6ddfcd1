"""The audit log: who did what, and what the conductor did by itself."""

import builtins
from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.errors import FieldError, InvalidError
from conductor_lite.operations.context import Context
from conductor_lite.store.records import AuditEntry, AuditReach

__all__ = ["AuditEntry", "AuditFilters", "AuditLog", "KnownValues"]

MAX_ENTRIES = 10_000
#: Entries read at once where all are wanted.
_PAGE_SIZE = 1_000
#: Entries that are looked through for what can be filtered by.
_KNOWN_AMONG = 10_000


class AuditFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; those left at None do not narrow."""

    #: Not before this time.
    start: datetime | None = None
    #: Before this time.
    end: datetime | None = None
    operation: str | None = None
    #: ``success`` or ``failure``.
    status: str | None = None
    #: Identifier or name of who did it.
    subject: str | None = None
    #: Identifier of what it was done to.
    target: str | None = None


class KnownValues(msgspec.Struct, frozen=True, kw_only=True):
    """What entries can be narrowed to, as far as the latest ones tell."""

    operations: tuple[str, ...]
    subjects: tuple[str, ...]


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
        status: str | None = None,
        subject: str | None = None,
        target: str | None = None,
        newest_id: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[AuditEntry]:
        """List entries, newest first; those of `AuditFilters` where any of its fields is given.

        A limited actor sees those about its applications, and what it did itself.

        Args:
            actor: on whose behalf.
            start: as the other filters, in `AuditFilters`.
            end: likewise.
            operation: likewise.
            status: likewise.
            subject: likewise.
            target: likewise.
            newest_id: passes over those with greater numbers: pages of one listing stay what they are while
                new entries are written.
            limit: most entries to give.
            offset: entries to pass over first.

        Raises:
            ForbiddenError: organization.read is missing.
            InvalidError: ``limit`` or ``offset`` is out of its bounds. A listing is never cut short without a
                word: fewer entries than asked for mean that there are no more.
        """
        actor.require(ORGANIZATION_READ)
        _require_sane_window(limit, offset)
        return await self._context.audit_log.list(
            actor.organization_id,
            reach=_reach(actor),
            start=start,
            end=end,
            operation=operation,
            status=status,
            subject=subject,
            target=target,
            newest_id=newest_id,
            limit=limit,
            offset=offset,
        )

    async def everything(
        self, actor: Actor, filters: AuditFilters
    ) -> AsyncGenerator[builtins.list[AuditEntry], None]:
        """Yield all entries that match, newest first, some at a time; without those written meanwhile.

        Raises:
            ForbiddenError: organization.read is missing.
        """
        actor.require(ORGANIZATION_READ)
        reach = _reach(actor)
        last: AuditEntry | None = None
        while True:
            page = await self._context.audit_log.list(
                actor.organization_id,
                reach=reach,
                **msgspec.structs.asdict(filters),
                older_than=last,
                limit=_PAGE_SIZE,
            )
            if page:
                yield page
                last = page[-1]
            if len(page) < _PAGE_SIZE:
                return

    async def known(self, actor: Actor) -> KnownValues:
        """Tell what entries can be narrowed to.

        Raises:
            ForbiddenError: organization.read is missing.
        """
        actor.require(ORGANIZATION_READ)
        operations, subjects = await self._context.audit_log.known(
            actor.organization_id, reach=_reach(actor), among=_KNOWN_AMONG
        )
        return KnownValues(operations=operations, subjects=subjects)


def _reach(actor: Actor) -> AuditReach | None:
    """Which entries the actor may see; None for all of its organisation."""
    if actor.application_ids is None:
        return None
    return AuditReach(
        subject_type=actor.subject_type, subject_id=actor.subject_id, application_ids=actor.application_ids
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
