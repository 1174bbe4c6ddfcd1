"""Organizations: who owns what. The first migration makes ``local``; nothing makes others yet."""

from typing import Any

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import ConflictError
from conductor_lite.store.database import Database
from conductor_lite.store.records import OrganizationRecord
from conductor_lite.store.schema import organizations


class Organizations:
    """The table of organizations.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[OrganizationRecord]:
        """Every organization, by name."""
        async with self._db.read() as connection:
            rows = await connection.execute(select(organizations).order_by(organizations.c.name))
            return [_record(row) for row in rows]

    async def by_id(self, organization_id: str) -> OrganizationRecord | None:
        """The organization with that identifier, or None."""
        return await self._one(organizations.c.id == organization_id)

    async def by_name(self, name: str) -> OrganizationRecord | None:
        """The organization of that name, or None."""
        return await self._one(organizations.c.name == name)

    async def update(
        self, organization_id: str, *, name: str | None = None, audit_log_retention_days: int | None = None
    ) -> OrganizationRecord | None:
        """Change what is given; None leaves it as it is.

        Args:
            organization_id: which organization.
            name: its new name.
            audit_log_retention_days: days that entries of its audit log are kept.

        Returns:
            The organization as it is now, or None when there is none.

        Raises:
            ConflictError: another organization has that name.
        """
        given = {"name": name, "audit_log_retention_days": audit_log_retention_days}
        changes = {field: value for field, value in given.items() if value is not None}
        which = organizations.c.id == organization_id
        async with self._db.write() as connection:
            if changes:
                try:
                    await connection.execute(update(organizations).where(which).values(changes))
                except IntegrityError as error:
                    raise ConflictError(f"An organization named {name} exists already.") from error
            row = (await connection.execute(select(organizations).where(which))).one_or_none()
        return None if row is None else _record(row)

    async def _one(self, condition: ColumnElement[bool]) -> OrganizationRecord | None:
        async with self._db.read() as connection:
            row = (await connection.execute(select(organizations).where(condition))).one_or_none()
        return None if row is None else _record(row)


def _record(row: Row[Any]) -> OrganizationRecord:
    return OrganizationRecord(**row._asdict())
