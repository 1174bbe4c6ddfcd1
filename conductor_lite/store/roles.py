"""Custom roles: every statement on them. The built-in roles stand in no table and are not known here."""

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import ConflictError, NotFoundError
from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import RoleRecord
from conductor_lite.store.schema import roles


class Roles:
    """The table of custom roles.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, organization_id: str) -> list[RoleRecord]:
        """The organization's custom roles, by name."""
        query = select(roles).where(roles.c.organization_id == organization_id).order_by(roles.c.name)
        async with self._db.read() as connection:
            return [RoleRecord(**row._asdict()) for row in await connection.execute(query)]

    async def create(self, record: RoleRecord) -> None:
        """Store a new role.

        Raises:
            ConflictError: the name is taken.
            NotFoundError: no such organization.
        """
        async with self._db.write() as connection:
            try:
                made = await connection.execute(
                    insert(connection, roles)
                    .values(msgspec.structs.asdict(record))
                    .on_conflict_do_nothing(index_elements=["organization_id", "name"])
                )
            except IntegrityError as error:
                raise NotFoundError(f"There is no organization {record.organization_id}.") from error
        if made.rowcount != 1:
            raise ConflictError(f"A role named {record.name} exists already. Choose another name.")

    async def delete(self, organization_id: str, name: str) -> bool:
        """Delete a role.

        Returns:
            Whether there was one.
        """
        async with self._db.write() as connection:
            gone = await connection.execute(
                delete(roles).where(roles.c.organization_id == organization_id, roles.c.name == name)
            )
        return gone.rowcount == 1
