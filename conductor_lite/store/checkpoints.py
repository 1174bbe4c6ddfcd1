"""Folds the write-ahead log into the database file beside those who write. Holds no statements on tables.

SQLite would do it within the commit that makes the log long, and everyone who wants to write would wait for
the disk meanwhile. A connection of its own only gets in the way of itself.
"""

import asyncio
import logging
import sqlite3
import time
from pathlib import Path

from conductor_lite.store.failures import explain

#: Commits after which the log is folded in, and seconds that must lie between two times.
EVERY_COMMITS = 16
EVERY_SECS = 0.2
#: Pages of the log at which it is begun anew, for which writers wait until what came last is folded in: 8 MiB
#: with SQLite's usual pages.
LONG_PAGES = 2_048
#: Pages at which a commit folds it in all the same, so that the log stays within bounds whatever happens.
MOST_PAGES = 16_384
#: What is left of the log's file when it begins anew.
MOST_BYTES = MOST_PAGES * 4_096

_logger = logging.getLogger(__name__)


class Checkpoints:
    """Folds the log of one open database, as often as it is written to.

    Args:
        path: the database file.
        write_lock: held by whoever writes.
    """

    def __init__(self, path: Path, write_lock: asyncio.Lock) -> None:
        self._path = path
        self._write_lock = write_lock
        #: Opened by the first time, and used by one thread at a time.
        self._connection: sqlite3.Connection | None = None
        #: Since the log was last folded.
        self._commits = 0
        #: When that began, on the monotonic clock.
        self._begun_at = -EVERY_SECS
        #: Doing it; None before the first time.
        self._task: asyncio.Task[None] | None = None
        #: Whether it waits for its turn among those who write.
        self._is_waiting = False
        self._is_closed = False
        #: Whether the last time failed, which is told once.
        self._failed = False

    def committed(self) -> None:
        """Note that something was written; begins to fold the log when it is time."""
        self._commits += 1
        if self._commits < EVERY_COMMITS or (self._task is not None and not self._task.done()):
            return
        now = time.monotonic()
        if now - self._begun_at >= EVERY_SECS:
            self._commits, self._begun_at = 0, now
            self._task = asyncio.create_task(self._fold_in())

    async def close(self) -> None:
        """Wait for what was begun. The caller holds the lock for writing, and nobody writes after it."""
        self._is_closed = True
        if self._task is not None:
            if self._is_waiting:
                self._task.cancel()
            await asyncio.wait([self._task])
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _fold_in(self) -> None:
        if await asyncio.to_thread(self._fold) < LONG_PAGES or self._is_closed:
            return
        # Who writes next begins the log anew where all of it is folded in, so nobody may add to it meanwhile.
        # That is little: most was done just now.
        self._is_waiting = True
        async with self._write_lock:
            self._is_waiting = False
            await asyncio.to_thread(self._fold)

    def _fold(self) -> int:
        """Fold in what may be; gives how many pages the log has."""
        try:
            if self._connection is None:
                self._connection = _opened(self._path)
            # Waits for nobody, and does as much as it may.
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            # The log keeps everything; whoever writes is told when the disk has no room for that either.
            if not self._failed:
                _logger.warning(
                    "The write-ahead log could not be folded in: %s", explain(error, self._path) or error
                )
            self._failed = True
            return 0
        self._failed = False
        return int(pages)


def _opened(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=0, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
