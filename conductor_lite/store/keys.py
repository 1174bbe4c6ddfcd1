"""API keys and the applications they are limited to: every statement on them. Hashes only, never secrets."""

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.errors import ConflictError, InvalidError, NotFoundError
from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import ApiKeyRecord
from conductor_lite.store.schema import api_key_applications, api_keys, applications, organizations


class ApiKeys:
    """The table of API keys.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, organization_id: str) -> list[ApiKeyRecord]:
        """The organization's keys, by name."""
        async with self._db.read() as connection:
            return await _select(connection, api_keys.c.organization_id == organization_id)

    async def by_id(self, key_id: str) -> ApiKeyRecord | None:
        """The key with that public id, or None."""
        async with self._db.read() as connection:
            return _first(await _select(connection, api_keys.c.id == key_id))

    async def by_name(self, organization_id: str, name: str) -> ApiKeyRecord | None:
        """The organization's key of that name, or None."""
        async with self._db.read() as connection:
            return _first(await _select(connection, *_named(organization_id, name)))

    async def create(self, record: ApiKeyRecord) -> None:
        """Store a new key.

        Raises:
            ConflictError: the name, or the public id, is taken.
            NotFoundError: no such organization, or one of the applications does not exist in it.
            InvalidError: the key claims every application and yet names some.
        """
        if record.all_applications and record.application_ids:
            raise InvalidError("A key covers either every application or the ones it names, not both.")
        async with self._db.write() as connection:
            await _refuse_unknown(connection, record)
            values = msgspec.structs.asdict(record)
            del values["application_ids"]
            made = await connection.execute(
                insert(connection, api_keys).values(values).on_conflict_do_nothing()
            )
            if made.rowcount != 1:
                raise ConflictError(
                    f"An API key named {record.name} exists already. Choose another name, or revoke that key."
                )
            if record.application_ids:
                await connection.execute(
                    api_key_applications.insert(),
                    [
                        {"key_id": record.id, "application_id": application_id}
                        for application_id in sorted(set(record.application_ids))
                    ],
                )

    async def rename(self, key_id: str, new_name: str) -> ApiKeyRecord | None:
        """Give a key another name; its secret stays as it is.

        Returns:
            The key as it is now; None when there is none with that public id.

        Raises:
            ConflictError: the new name is taken.
        """
        async with self._db.write() as connection:
            renaming = update(api_keys).where(api_keys.c.id == key_id).values(name=new_name)
            try:
                renamed = await connection.execute(renaming)
            except IntegrityError as error:
                raise ConflictError(
                    f"An API key named {new_name} exists already. Choose another name."
                ) from error
            if renamed.rowcount != 1:
                return None
            return _first(await _select(connection, api_keys.c.id == key_id))

    async def revoke(self, key_id: str) -> ApiKeyRecord | None:
        """Delete a key.

        Returns:
            The key as it was; None when there was none with that public id.
        """
        async with self._db.write() as connection:
            record = _first(await _select(connection, api_keys.c.id == key_id))
            if record is not None:
                await connection.execute(delete(api_keys).where(api_keys.c.id == key_id))
        return record


def _named(organization_id: str, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return api_keys.c.organization_id == organization_id, api_keys.c.name == name


async def _select(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[ApiKeyRecord]:
    limits: defaultdict[str, list[str]] = defaultdict(list)
    links = (
        select(api_key_applications)
        .join(api_keys, api_keys.c.id == api_key_applications.c.key_id)
        .where(*conditions)
        .order_by(api_key_applications.c.application_id)
    )
    for link in await connection.execute(links):
        limits[link.key_id].append(link.application_id)
    rows: Any = await connection.execute(select(api_keys).where(*conditions).order_by(api_keys.c.name))
    return [ApiKeyRecord(**row._asdict(), application_ids=tuple(limits[row.id])) for row in rows]


def _first(records: list[ApiKeyRecord]) -> ApiKeyRecord | None:
    return records[0] if records else None


async def _refuse_unknown(connection: AsyncConnection, record: ApiKeyRecord) -> None:
    owner = select(organizations.c.id).where(organizations.c.id == record.organization_id)
    if (await connection.execute(owner.with_for_update(read=True))).one_or_none() is None:
        raise NotFoundError(f"There is no organization {record.organization_id}.")
    known = select(applications.c.id).where(
        applications.c.organization_id == record.organization_id,
        applications.c.id.in_(record.application_ids),
    )
    found = set((await connection.execute(known.with_for_update(read=True))).scalars())
    missing = sorted(set(record.application_ids) - found)
    if missing:
        raise NotFoundError(f"There is no application {', '.join(missing)}. Register it first.")
