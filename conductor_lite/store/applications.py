"""Applications and their settings: every statement on that table."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.errors import FieldError, InvalidError, NotFoundError
from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.schema import applications

#: The fields of an application that `Applications.update` may change.
SETTINGS = frozenset(
    {
        "executor_timeout_secs",
        "private_mode",
        "gc_time_threshold_ms",
        "gc_rows_threshold",
        "global_timeout_ms",
        "language",
        "recover_unknown_executors",
        "snapshots_enabled",
        "snapshot_interval_secs",
        "snapshot_keep_days",
        "snapshot_keep_rows",
    }
)


class Applications:
    """The table of applications.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[ApplicationRecord]:
        """Every organization's applications, for the start of the server."""
        async with self._db.read() as connection:
            return [_record(row) for row in await connection.execute(select(applications))]

    async def list(self, organization_id: str) -> list[ApplicationRecord]:
        """The organization's applications, by name."""
        query = (
            select(applications)
            .where(applications.c.organization_id == organization_id)
            .order_by(applications.c.name)
        )
        async with self._db.read() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def get(self, organization_id: str, name: str) -> ApplicationRecord | None:
        """The organization's application of that name, or None."""
        async with self._db.read() as connection:
            return await _one(connection, _by_name(organization_id, name))

    async def by_id(self, application_id: str) -> ApplicationRecord | None:
        """The application with that identifier, or None."""
        async with self._db.read() as connection:
            return await _one(connection, _by_id(application_id))

    async def register(
        self,
        organization_id: str,
        name: str,
        *,
        now: datetime,
        private_mode: bool | None = None,
        executor_timeout_secs: int | None = None,
    ) -> tuple[ApplicationRecord, bool]:
        """Make the application, or find it.

        Args:
            organization_id: who owns it.
            name: what its executors connect under.
            now: time to note as that of registration or change.
            private_mode: see `ApplicationRecord`; applied to one that is found too. None leaves it, or its
                default, alone.
            executor_timeout_secs: see `ApplicationRecord`, seconds; what a new one starts with, None for the
                default. One that is found keeps its own.

        Returns:
            The application as it is now, and whether this call made it. Of any number of calls at the same
            time exactly one makes it.

        Raises:
            NotFoundError: no such organization.
        """
        privacy = {} if private_mode is None else {"private_mode": private_mode}
        timeout = {} if executor_timeout_secs is None else {"executor_timeout_secs": executor_timeout_secs}
        new = msgspec.structs.replace(
            ApplicationRecord(
                id=str(uuid.uuid4()),
                organization_id=organization_id,
                name=name,
                created_at=now,
                updated_at=now,
            ),
            **privacy,
            **timeout,
        )
        async with self._db.write() as connection:
            try:
                made = await connection.execute(
                    insert(connection, applications)
                    .values(msgspec.structs.asdict(new))
                    .on_conflict_do_nothing(index_elements=["organization_id", "name"])
                )
            except IntegrityError as error:
                raise NotFoundError(f"There is no organization {organization_id}.") from error
            created = made.rowcount == 1
            record = (await connection.execute(_by_name(organization_id, name))).one()
            if not created:
                await _change(connection, _record(record), privacy, now)
                record = (await connection.execute(_by_name(organization_id, name))).one()
        return _record(record), created

    async def update(
        self, application_id: str, changes: Mapping[str, object], *, now: datetime
    ) -> ApplicationRecord | None:
        """Change settings; those not named stay.

        Args:
            application_id: which application.
            changes: new values by field name; only those in `SETTINGS`.
            now: time to note as that of the change.

        Returns:
            The application as it is now, or None when there is none.

        Raises:
            InvalidError: a field that is no setting, or a value of another type than the setting's.
        """
        _check(changes)
        async with self._db.write() as connection:
            before = await _one(connection, _by_id(application_id))
            if before is None:
                return None
            await _change(connection, before, changes, now)
            return await _one(connection, _by_id(application_id))

    async def delete(self, application_id: str) -> bool:
        """Delete an application and its executors' records, and take it off the keys limited to it.

        Returns:
            Whether there was one.
        """
        async with self._db.write() as connection:
            gone = await connection.execute(delete(applications).where(applications.c.id == application_id))
        return gone.rowcount == 1

    async def declare(self, application_id: str, settings: Collection[str] | None) -> None:
        """Note which settings are declared in a file; does nothing when the application is deleted.

        Args:
            application_id: which application.
            settings: their names; None when the application itself is not declared.
        """
        names = None if settings is None else tuple(sorted(settings))
        async with self._db.write() as connection:
            await connection.execute(
                update(applications)
                .where(applications.c.id == application_id)
                .values(declared_settings=names)
            )

    async def set_language(self, application_id: str, language: str | None) -> None:
        """Note the language of an application's SDK; does nothing when it is deleted or known already."""
        async with self._db.write() as connection:
            await connection.execute(
                update(applications)
                .where(
                    applications.c.id == application_id, applications.c.language.is_distinct_from(language)
                )
                .values(language=language)
            )


def _by_name(organization_id: str, name: str) -> Select[Any]:
    return select(applications).where(
        applications.c.organization_id == organization_id, applications.c.name == name
    )


def _by_id(application_id: str) -> Select[Any]:
    return select(applications).where(applications.c.id == application_id)


async def _one(connection: AsyncConnection, query: Select[Any]) -> ApplicationRecord | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _record(row)


async def _change(
    connection: AsyncConnection, before: ApplicationRecord, changes: Mapping[str, object], now: datetime
) -> None:
    """Write only what differs, so that repeating a request does not look like a change."""
    different = {field: value for field, value in changes.items() if getattr(before, field) != value}
    if different:
        await connection.execute(
            update(applications).where(applications.c.id == before.id).values(**different, updated_at=now)
        )


def _check(changes: Mapping[str, object]) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(ApplicationRecord)}
    wrong: list[FieldError] = []
    for field, value in changes.items():
        if field not in SETTINGS:
            wrong.append(FieldError(location=field, message="is not a setting of an application"))
            continue
        try:
            msgspec.convert(value, types[field])
        except msgspec.ValidationError as error:
            wrong.append(FieldError(location=field, message=str(error), value=value))
    if wrong:
        names = ", ".join(error.location for error in wrong)
        raise InvalidError(f"These settings cannot be changed like that: {names}.", tuple(wrong))


def _record(row: Row[Any]) -> ApplicationRecord:
    return ApplicationRecord(**row._asdict())
