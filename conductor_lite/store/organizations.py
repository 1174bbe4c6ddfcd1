"""Organizations: reading who owns what. The first migration makes ``local``; nothing makes others yet."""

from typing import Any

from sqlalchemy import Row, select

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

    async def by_name(self, name: str) -> OrganizationRecord | None:
        """The organization of that name, or None."""
        async with self._db.read() as connection:
            row = (
                await connection.execute(select(organizations).where(organizations.c.name == name))
            ).one_or_none()
        return None if row is None else _record(row)


def _record(row: Row[Any]) -> OrganizationRecord:
    return OrganizationRecord(**row._asdict())
