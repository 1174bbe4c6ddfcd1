"""Executors' records: every statement on that table. Who is connected right now is for ``fleet`` to know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, bindparam, delete, func, select, tuple_, update

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import ExecutorRecord
from conductor_lite.store.schema import applications, executors, forgotten_executors

_KEY = ("application_id", "executor_id", "application_version")
_REPLACED = tuple(
    column.name for column in executors.columns if column.name not in _KEY and column.name != "created_at"
)
#: The primary key against parameters that no column is named after, as SQLAlchemy's bulk updates require.
_MATCHES: tuple[ColumnElement[bool], ...] = tuple(
    executors.c[name] == bindparam(f"key_{name}") for name in _KEY
)
_WAS_FORGOTTEN: tuple[ColumnElement[bool], ...] = tuple(
    forgotten_executors.c[name] == bindparam(f"key_{name}") for name in _KEY
)
#: Forgotten executors that stay known, the latest: about 5 MB.
MAX_FORGOTTEN = 20_000
#: Identifiers asked for in one statement, below every database's limit on parameters.
_CHUNK = 500


class Executors:
    """The table of executors.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[ExecutorRecord]:
        """Every record, for the start of the server; by application, executor and version."""
        async with self._db.read() as connection:
            rows = await connection.execute(select(executors).order_by(*executors.primary_key))
            return [_record(row) for row in rows]

    async def list(self, application_id: str) -> list[ExecutorRecord]:
        """One application's records, by executor and version."""
        query = (
            select(executors)
            .where(executors.c.application_id == application_id)
            .order_by(*executors.primary_key)
        )
        async with self._db.read() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def save(self, records: Sequence[ExecutorRecord]) -> frozenset[str]:
        """Make or replace records, all in one transaction; ``created_at`` of an existing one is kept.

        A record whose application was deleted in the meantime is left out, for an application may be deleted
        at any moment and must not take the rest of a batch down with it.

        Returns:
            The identifiers of applications that no longer exist; empty when everything was saved.
        """
        if not records:
            return frozenset()
        wanted = sorted({record.application_id for record in records})
        async with self._db.write() as connection:
            present: set[str] = set()
            for start in range(0, len(wanted), _CHUNK):
                query = select(applications.c.id).where(applications.c.id.in_(wanted[start : start + _CHUNK]))
                present.update((await connection.execute(query.with_for_update(read=True))).scalars())
            values = [
                msgspec.structs.asdict(record) for record in records if record.application_id in present
            ]
            if values:
                statement = insert(connection, executors)
                await connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=list(_KEY),
                        set_={name: statement.excluded[name] for name in _REPLACED},
                    ),
                    values,
                )
        return frozenset(wanted) - present

    async def set_status(
        self, application_id: str, keys: Sequence[tuple[str, str]], status: str, now: datetime
    ) -> None:
        """Change the status of an application's executors; those without a record are passed over.

        Args:
            application_id: which application.
            keys: executor id and application version of each.
            status: ``HEALTHY``, ``DISCONNECTED`` or ``DEAD``.
            now: time to note as that of the change.
        """
        if not keys:
            return
        statement = update(executors).where(*_MATCHES).values(status=status, updated_at=now)
        async with self._db.write() as connection:
            await connection.execute(
                statement,
                [_parameters(application_id, executor_id, version) for executor_id, version in keys],
            )

    async def touch_many(self, items: Sequence[tuple[str, str, str, datetime]]) -> None:
        """Note last-seen times, all in one transaction; executors without a record are passed over.

        Args:
            items: application id, executor id, application version and last-seen time of each.
        """
        if not items:
            return
        statement = update(executors).where(*_MATCHES).values(last_seen_at=bindparam("seen_at"))
        async with self._db.write() as connection:
            await connection.execute(
                statement,
                [{**_parameters(*key), "seen_at": seen_at} for *key, seen_at in items],
            )

    async def delete(self, application_id: str, keys: Sequence[tuple[str, str]]) -> None:
        """Forget an application's executors, but for the names of the latest `MAX_FORGOTTEN`.

        Args:
            application_id: which application; one that was deleted is passed over.
            keys: executor id and application version of each.
        """
        if not keys:
            return
        parameters = [_parameters(application_id, executor_id, version) for executor_id, version in keys]
        async with self._db.write() as connection:
            present = select(applications.c.id).where(applications.c.id == application_id)
            if (await connection.execute(present.with_for_update(read=True))).first() is None:
                return
            await connection.execute(delete(executors).where(*_MATCHES), parameters)
            # Made anew, so that the one forgotten last has the highest number.
            await connection.execute(delete(forgotten_executors).where(*_WAS_FORGOTTEN), parameters)
            await connection.execute(
                forgotten_executors.insert(),
                [dict(zip(_KEY, (application_id, *key), strict=True)) for key in dict.fromkeys(keys)],
            )
            number = forgotten_executors.c.number
            newest = select(func.max(number)).scalar_subquery()
            await connection.execute(delete(forgotten_executors).where(number <= newest - MAX_FORGOTTEN))

    async def forgotten(
        self, application_id: str, keys: Sequence[tuple[str, str]]
    ) -> frozenset[tuple[str, str]]:
        """Which of some executors were on record of an application once.

        Args:
            application_id: which application.
            keys: executor id and application version of each.
        """
        found: set[tuple[str, str]] = set()
        columns = forgotten_executors.c
        named = tuple_(columns.executor_id, columns.application_version)
        ours = select(columns.executor_id, columns.application_version).where(
            columns.application_id == application_id
        )
        for start in range(0, len(keys), _CHUNK):
            async with self._db.read() as connection:
                rows = await connection.execute(ours.where(named.in_(keys[start : start + _CHUNK])))
                found.update((row[0], row[1]) for row in rows)
        return frozenset(found)


def _parameters(application_id: str, executor_id: str, application_version: str) -> dict[str, object]:
    return {
        "key_application_id": application_id,
        "key_executor_id": executor_id,
        "key_application_version": application_version,
    }


def _record(row: Row[Any]) -> ExecutorRecord:
    return ExecutorRecord(**row._asdict())
