"""Notification targets: every statement on them."""

from collections.abc import Collection

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import ConflictError
from conductor_lite.store.alert_records import NotificationTargetRecord
from conductor_lite.store.alert_schema import notification_targets
from conductor_lite.store.database import Database


class NotificationTargets:
    """The table of notification targets.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, application_id: str) -> list[NotificationTargetRecord]:
        """Whom to tell of an application's alerts, by name."""
        columns = notification_targets.c
        query = (
            select(notification_targets)
            .where(columns.application_id == application_id)
            .order_by(columns.name)
        )
        async with self._db.read() as connection:
            return [NotificationTargetRecord(**row._asdict()) for row in await connection.execute(query)]

    async def by_id(self, target_id: str) -> NotificationTargetRecord | None:
        """The target with that identifier, or None."""
        query = select(notification_targets).where(notification_targets.c.id == target_id)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else NotificationTargetRecord(**row._asdict())

    async def create(self, record: NotificationTargetRecord) -> None:
        """Store a new target.

        Raises:
            ConflictError: the application has one of that name, or is gone.
        """
        async with self._db.write() as connection:
            try:
                await connection.execute(notification_targets.insert().values(msgspec.structs.asdict(record)))
            except IntegrityError:
                # Not chained: the driver's error holds the values of the row, and so the address.
                taken = True
            else:
                taken = False
        if taken:
            raise ConflictError(
                f"The application has a notification target {record.name!r} already, or was deleted "
                "meanwhile. Choose another name, or delete that target first."
            )

    async def change_url(self, application_id: str, target_id: str, url: str) -> bool:
        """Give one of an application's targets another address.

        Returns:
            Whether there was one.
        """
        columns = notification_targets.c
        async with self._db.write() as connection:
            changed = await connection.execute(
                update(notification_targets)
                .where(columns.application_id == application_id, columns.id == target_id)
                .values(url=url)
            )
        return changed.rowcount == 1

    async def declare(self, application_id: str, target_ids: Collection[str], *, declared: bool) -> None:
        """Note of some of an application's targets whether they are declared in a file."""
        columns = notification_targets.c
        async with self._db.write() as connection:
            await connection.execute(
                update(notification_targets)
                .where(columns.application_id == application_id, columns.id.in_(target_ids))
                .values(declared=declared)
            )

    async def delete(self, application_id: str, target_id: str) -> bool:
        """Delete one of an application's targets.

        Returns:
            Whether there was one.
        """
        columns = notification_targets.c
        async with self._db.write() as connection:
            gone = await connection.execute(
                delete(notification_targets).where(
                    columns.application_id == application_id, columns.id == target_id
                )
            )
        return gone.rowcount == 1
