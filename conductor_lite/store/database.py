"""The database as the other store modules see it: readers, one writer at a time, one clear kind of error.

Holds no statements on tables; those live in one module per family.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from conductor_lite.begun import note_change
from conductor_lite.errors import StartupError, StoreError
from conductor_lite.store import checkpoints, revisions
from conductor_lite.store.checkpoints import Checkpoints
from conductor_lite.store.failures import translated

#: Name of the database inside the data folder.
DATABASE_NAME = "conductor.db"

_Result = TypeVar("_Result")


class Database:
    """One SQLite file, open. Made by `open`, ended by `close`.

    Args:
        path: the file, already at this version's schema revision.
        readers: most reads at the same time.
        busy_timeout_secs: how long a statement waits for a lock that another process holds.
    """

    def __init__(self, path: Path, *, readers: int, busy_timeout_secs: float) -> None:
        #: The database file; never changes.
        self.path = path
        #: Most reads at the same time; never changes.
        self._reader_count = readers
        #: When anything was last written before it was opened, by the calendar of then; None for a new one.
        self.last_written_at: datetime | None = None
        #: Whether `close` was called.
        self._closed = False
        #: Held from before BEGIN until after COMMIT or ROLLBACK.
        self._write_lock = asyncio.Lock()
        #: Writers that wait for the lock or hold it.
        self._writers = 0
        #: One connection, opened by the first write.
        self._writer = _engine(path, 1, busy_timeout_secs, begin="BEGIN IMMEDIATE", query_only=False)
        #: Keeps the write-ahead log short.
        self._checkpoints = Checkpoints(path, self._write_lock)
        #: How many reads may still start; `close` takes them all.
        self._read_slots = asyncio.Semaphore(readers)
        #: As many connections, opened as they are needed, which SQLite itself keeps from writing.
        self._readers = _engine(path, readers, busy_timeout_secs, begin="BEGIN", query_only=True)

    @classmethod
    async def open(cls, folder: Path, *, readers: int = 4, busy_timeout_secs: float = 5.0) -> Self:
        """Open ``folder/conductor.db``; make it when missing, migrate it when old.

        Args:
            folder: the data folder; made (mode 0700) when missing. The caller holds its lock (`DataFolder`).
            readers: most reads at the same time.
            busy_timeout_secs: how long a statement waits for a lock that another process holds.

        Raises:
            StartupError: the file there is not ours, damaged, unreadable, or written by a newer version.
        """
        path = folder / DATABASE_NAME
        last_written_at = _last_written_at(path)
        try:
            await asyncio.to_thread(revisions.prepare, path, busy_timeout_secs=busy_timeout_secs)
        except OSError as error:
            raise StartupError(
                f"{path} cannot be used: {error.strerror}. Give this user write access to the data folder, "
                "or choose another one."
            ) from error
        db = cls(path, readers=readers, busy_timeout_secs=busy_timeout_secs)
        db.last_written_at = last_written_at
        return db

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; everything read in one ``async with`` belongs to one instant.

        Raises:
            StoreError: the file is locked, damaged or unreadable, or the database is closed.
        """
        async with self._read_slots:
            self._refuse_when_closed()
            with translated(self.path):
                connection = await self._readers.connect()
                try:
                    yield connection
                finally:
                    await _uninterrupted(connection.close())

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """The connection for writing: one transaction, committed at the end, rolled back on any error.

        Writers queue up. Cancelling inside the block rolls back; cancelling during the commit lets it finish
        first, so whoever takes over the lock never meets a transaction half-way.

        Raises:
            StoreError: the file is locked, full, damaged or read-only, or the database is closed; nothing was
                written.
        """
        self._writers += 1
        try:
            async with self._write_lock:
                self._refuse_when_closed()
                with translated(self.path):
                    connection = await self._writer.connect()
                    try:
                        await connection.begin()
                        yield connection
                        # What fails before it has changed nothing.
                        note_change()
                        await _uninterrupted(connection.commit())
                        self._checkpoints.committed()
                    finally:
                        # Closing rolls back whatever is still open.
                        await _uninterrupted(connection.close())
        finally:
            self._writers -= 1

    @property
    def writes_waiting(self) -> int:
        """Transactions that wait for their turn to write."""
        return max(0, self._writers - 1)

    def sizes_bytes(self) -> tuple[int, int]:
        """Size of the file, and of the write-ahead log beside it."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return self.path.stat().st_size, log.stat().st_size if log.exists() else 0

    async def close(self) -> None:
        """Wait for running reads and writes, fold the write-ahead log into the file, close. May be repeated.

        Raises:
            StoreError: the log could not be folded in; it stays beside the file, and nothing is lost.
        """
        async with self._write_lock:
            if self._closed:
                return
            self._closed = True
            for _ in range(self._reader_count):
                await self._read_slots.acquire()
            for _ in range(self._reader_count):
                # Whoever still waits for a slot is to hear that the database is closed, not to hang.
                self._read_slots.release()
            await self._checkpoints.close()
            await self._readers.dispose()
            await self._writer.dispose()
            with translated(self.path):
                await asyncio.to_thread(revisions.fold_log, self.path)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreError(
                f"{self.path} is closed because the server is stopping. Try again once it is back."
            )


def _last_written_at(path: Path) -> datetime | None:
    times = []
    # After a crash what was written last stands in the log beside the database.
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _engine(path: Path, size: int, busy_timeout_secs: float, *, begin: str, query_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        # Errors go to the log, and some values are secrets.
        hide_parameters=True,
        # None keeps the driver from starting transactions of its own; the listener below does.
        connect_args={"isolation_level": None, "timeout": busy_timeout_secs},
    )
    pragmas = ["PRAGMA foreign_keys = ON", "PRAGMA synchronous = NORMAL"]
    if query_only:
        pragmas.append("PRAGMA query_only = ON")
    else:
        pragmas.append(f"PRAGMA wal_autocheckpoint = {checkpoints.MOST_PAGES}")
        pragmas.append(f"PRAGMA journal_size_limit = {checkpoints.MOST_BYTES}")

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(dbapi_connection: Any, _record: object) -> None:
        cursor = dbapi_connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def _uninterrupted(operation: Coroutine[Any, Any, _Result]) -> _Result:
    """Await to the end even when cancelled meanwhile, however often; the cancellation is raised after."""
    task = asyncio.ensure_future(operation)
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption from task.exception()
    return task.result()
