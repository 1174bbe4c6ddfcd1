"""What was asked for under idempotency keys lately: every statement on it. No meaning."""

from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select, update

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import IdempotencyRecord
from conductor_lite.store.schema import idempotency_keys

_columns = idempotency_keys.c
#: Rows that one request clears away at most: others wait for the writer meanwhile.
_CLEARED_AT_ONCE = 200


class IdempotencyKeys:
    """The table of idempotency keys.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(
        self,
        organization_id: str,
        subject: str,
        key: str,
        *,
        request_digest: str,
        new_id: str,
        now: datetime,
        expired_before: datetime,
        keep: int,
    ) -> tuple[IdempotencyRecord, bool]:
        """Note that something is asked for, unless it is noted already.

        Args:
            organization_id: where.
            subject: who asks.
            key: as made up by whoever asks.
            request_digest: of what is asked.
            new_id: id for what it may make.
            now: when it is asked for.
            expired_before: what was asked for earlier is forgotten.
            keep: how many are kept; the oldest leave first.

        Returns:
            What is noted under that key, and whether this call noted it.
        """
        one = and_(
            _columns.organization_id == organization_id, _columns.subject == subject, _columns.key == key
        )
        async with self._db.write() as connection:
            newest = (await connection.execute(select(func.max(_columns.id)))).scalar() or 0
            # Only the oldest are looked at, so that a full table costs no more than an empty one.
            oldest = select(_columns.id).order_by(_columns.id).limit(_CLEARED_AT_ONCE)
            leaves = or_(_columns.begun_at < expired_before, _columns.id <= newest - keep)
            await connection.execute(delete(idempotency_keys).where(_columns.id.in_(oldest), leaves))
            await connection.execute(delete(idempotency_keys).where(one, _columns.begun_at < expired_before))
            made = await connection.execute(
                insert(connection, idempotency_keys)
                .values(
                    organization_id=organization_id,
                    subject=subject,
                    key=key,
                    request_digest=request_digest,
                    new_id=new_id,
                    begun_at=now,
                )
                .on_conflict_do_nothing()
            )
            row = (await connection.execute(select(idempotency_keys).where(one))).one()
        return IdempotencyRecord(**row._asdict()), made.rowcount == 1

    async def finish(self, id_: int, answer: bytes) -> None:
        """Keep what was answered."""
        async with self._db.write() as connection:
            await connection.execute(update(idempotency_keys).where(_columns.id == id_).values(answer=answer))

    async def forget(self, id_: int) -> None:
        """Nothing was done: the same key may be used for another attempt."""
        async with self._db.write() as connection:
            await connection.execute(delete(idempotency_keys).where(_columns.id == id_))
