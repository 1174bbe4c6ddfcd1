"""The audit log: appending, reading newest first, pruning. Entries are never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import member_of, members_of
from conductor_lite.store.records import AuditEntry, AuditReach, NewAuditEntry
from conductor_lite.store.schema import applications, audit_log
from conductor_lite.turns import each


class AuditLog:
    """The table of audit entries.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def append(self, entries: Sequence[NewAuditEntry]) -> None:
        """Add entries, all in one transaction, numbered in the order given."""
        if not entries:
            return
        async with self._db.write() as connection:
            await connection.execute(audit_log.insert(), [msgspec.structs.asdict(entry) for entry in entries])

    async def list(
        self,
        organization_id: str,
        *,
        reach: AuditReach | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        operation: str | None = None,
        status: str | None = None,
        subject: str | None = None,
        target: str | None = None,
        newest_id: int | None = None,
        older_than: AuditEntry | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[AuditEntry]:
        """An organization's entries, newest first.

        Args:
            organization_id: whose.
            reach: only what is within it.
            start: not before this time.
            end: before this time.
            operation: only this operation.
            status: only those that ended so.
            subject: only by this actor, told by identifier or name.
            target: only upon the thing with this identifier.
            newest_id: only those up to this number, so that what happens meanwhile moves nothing.
            older_than: only those that come after this one.
            limit: most entries to give.
            offset: entries to pass over first.

        Source: API operation ``listAuditLogs``.
        """
        columns = audit_log.c
        query = select(audit_log).where(columns.organization_id == organization_id)
        if start is not None:
            query = query.where(columns.emitted_at >= start)
        if end is not None:
            query = query.where(columns.emitted_at < end)
        if operation is not None:
            query = query.where(columns.operation == operation)
        if status is not None:
            query = query.where(columns.status == status)
        if newest_id is not None:
            query = query.where(columns.id <= newest_id)
        if older_than is not None:
            at = older_than.emitted_at
            query = query.where(
                columns.emitted_at <= at, or_(columns.emitted_at < at, columns.id < older_than.id)
            )
        if subject is not None:
            query = query.where(or_(columns.subject_id == subject, columns.subject_display == subject))
        if target is not None:
            query = query.where(columns.target_id == target)
        query = query.order_by(columns.emitted_at.desc(), columns.id.desc()).limit(limit).offset(offset)
        async with self._db.read() as connection:
            if reach is not None:
                query = query.where(_within(connection, reach))
            return await each(await connection.execute(query), _entry)

    async def known(
        self, organization_id: str, *, among: int, reach: AuditReach | None = None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The operations and the names of who did them, each once and sorted, among the newest entries.

        Args:
            organization_id: whose.
            reach: only what is within it.
            among: how many entries are looked at.
        """
        columns = audit_log.c
        newest = (
            select(columns.operation, columns.subject_display)
            .where(columns.organization_id == organization_id)
            .order_by(columns.emitted_at.desc(), columns.id.desc())
            .limit(among)
        )
        async with self._db.read() as connection:
            if reach is not None:
                newest = newest.where(_within(connection, reach))
            pairs = list(await connection.execute(select(newest.subquery()).distinct()))
        return tuple(sorted({pair[0] for pair in pairs})), tuple(sorted({pair[1] for pair in pairs}))

    async def count(
        self,
        organization_id: str,
        *,
        start: datetime,
        end: datetime,
        operation: str,
        status: str,
        target: str,
    ) -> int:
        """How often an operation ended with ``status`` upon one target, from ``start`` to before ``end``."""
        columns = audit_log.c
        query = select(func.count()).where(
            columns.organization_id == organization_id,
            columns.emitted_at >= start,
            columns.emitted_at < end,
            columns.operation == operation,
            columns.status == status,
            columns.target_id == target,
        )
        async with self._db.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def prune(self, organization_id: str, before: datetime, *, limit: int = 1_000) -> int:
        """Delete an organization's oldest entries.

        Args:
            organization_id: whose.
            before: only entries older than this.
            limit: most entries to delete; writers wait meanwhile, so ask again rather than for more.

        Returns:
            How many there were; fewer than ``limit`` when no others are left.
        """
        columns = audit_log.c
        oldest = (
            select(columns.id)
            .where(columns.organization_id == organization_id, columns.emitted_at < before)
            .order_by(columns.emitted_at, columns.id)
            .limit(limit)
        )
        async with self._db.write() as connection:
            gone = await connection.execute(delete(audit_log).where(columns.id.in_(oldest)))
        return gone.rowcount


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**row._asdict())


def _within(connection: AsyncConnection, reach: AuditReach) -> ColumnElement[bool]:
    columns = audit_log.c
    own = and_(columns.subject_type == reach.subject_type, columns.subject_id == reach.subject_id)
    if not reach.application_ids:
        return own
    seen = members_of(connection, sorted(reach.application_ids))

    def is_of_application(name: ColumnElement[Any]) -> ColumnElement[bool]:
        # Looked up by its name for each entry, so that it does not matter how many there are.
        return (
            select(applications.c.id)
            .where(
                applications.c.organization_id == columns.organization_id,
                applications.c.name == name,
                applications.c.created_at <= columns.emitted_at,
                applications.c.id.in_(seen),
            )
            .correlate(audit_log)
            .exists()
        )

    return or_(
        own,
        and_(columns.target_type == "application", is_of_application(columns.target_id)),
        is_of_application(member_of(connection, columns.details, "application_name")),
    )
