"""What applications last told of their queues, schedules and versions: every statement on it. No meaning."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import exists, select

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.schema import applications, definitions

_columns = definitions.c


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A list of one kind, as an application told it."""

    application_id: str
    kind: str
    #: The list as JSON; its shape is known to whoever keeps it.
    items: bytes
    told_at: datetime


class Definitions:
    """The table of definitions, one list of each kind by application.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, lists: Sequence[Definition]) -> None:
        """Keep lists in place of older ones, in one transaction, save those of deleted applications."""
        async with self._db.write() as connection:
            for item in lists:
                is_there = select(exists().where(applications.c.id == item.application_id))
                if not (await connection.execute(is_there)).scalar_one():
                    continue
                told = {"items": item.items, "told_at": item.told_at}
                await connection.execute(
                    insert(connection, definitions)
                    .values(application_id=item.application_id, kind=item.kind, **told)
                    .on_conflict_do_update(index_elements=["application_id", "kind"], set_=told)
                )

    async def get(self, application_id: str, kind: str) -> Definition | None:
        """The list of one kind, or None when none was ever kept."""
        query = select(definitions).where(_columns.application_id == application_id, _columns.kind == kind)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Definition(**row._asdict())
