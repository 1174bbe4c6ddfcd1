"""Runs of retention: every statement on them."""

from datetime import datetime
from typing import Final, Literal, TypeAlias

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import NotFoundError
from conductor_lite.store.alert_schema import retention_runs
from conductor_lite.store.database import Database

RunStatus: TypeAlias = Literal["succeeded", "failed", "unanswered"]
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
#: No answer came in time; the executor may have done it all the same.
UNANSWERED: Final = "unanswered"

#: Runs kept for each application.
MAX_KEPT = 1_000


class NewRetentionRun(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of an executor and how it ended, before the store has numbered it."""

    #: The application whose workflows were cleared.
    application_id: str
    #: When the executor was asked.
    started_at: datetime
    #: Milliseconds to the answer, or to giving up.
    duration_ms: int
    #: ``succeeded``, ``failed`` or ``unanswered``.
    status: RunStatus
    #: What went wrong; None when nothing did.
    error: str | None
    #: Who was asked.
    executor_id: str
    #: Workflows that ended were deleted when created before this; None: whenever created.
    gc_cutoff_epoch_ms: int | None
    #: This many of the newest workflows were kept; None: all.
    gc_rows_threshold: int | None
    #: Workflows that had not ended were cancelled when created before this; None: none were.
    timeout_cutoff_epoch_ms: int | None


class RetentionRunRecord(NewRetentionRun, frozen=True, kw_only=True):
    """A run on record. Numbers grow with time."""

    id: int


class RetentionRuns:
    """The table of retention runs.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def append(self, run: NewRetentionRun) -> RetentionRunRecord:
        """Note a run, and drop the application's oldest ones beyond those kept.

        Raises:
            NotFoundError: the application was deleted meanwhile.
        """
        columns = retention_runs.c
        async with self._db.write() as connection:
            try:
                made = await connection.execute(retention_runs.insert().values(msgspec.structs.asdict(run)))
            except IntegrityError as error:
                raise NotFoundError("The application was deleted meanwhile.") from error
            oldest_kept = (
                select(columns.id)
                .where(columns.application_id == run.application_id)
                .order_by(columns.id.desc())
                .limit(1)
                .offset(MAX_KEPT - 1)
                .scalar_subquery()
            )
            await connection.execute(
                delete(retention_runs).where(
                    columns.application_id == run.application_id, columns.id < oldest_kept
                )
            )
            (run_id,) = made.inserted_primary_key or (0,)
        return RetentionRunRecord(id=run_id, **msgspec.structs.asdict(run))

    async def list(self, application_id: str, *, limit: int, offset: int = 0) -> list[RetentionRunRecord]:
        """An application's runs, newest first."""
        columns = retention_runs.c
        query = (
            select(retention_runs)
            .where(columns.application_id == application_id)
            .order_by(columns.id.desc())
            .limit(limit)
            .offset(offset)
        )
        async with self._db.read() as connection:
            return [RetentionRunRecord(**row._asdict()) for row in await connection.execute(query)]

    async def latest(self) -> dict[str, RetentionRunRecord]:
        """The last run of each application, by application."""
        newest = select(func.max(retention_runs.c.id)).group_by(retention_runs.c.application_id)
        query = select(retention_runs).where(retention_runs.c.id.in_(newest))
        async with self._db.read() as connection:
            found = [RetentionRunRecord(**row._asdict()) for row in await connection.execute(query)]
        return {run.application_id: run for run in found}
