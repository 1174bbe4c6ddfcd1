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
#: Pages of the log at which a commit does it all the same, so that the log stays within bounds whatever is
#: written: 64 MiB with SQLite's usual pages.
MOST_PAGES = 16_384
#: What is left of the log's file when it begins anew.
MOST_BYTES = MOST_PAGES * 4_096

_logger = logging.getLogger(__name__)


class Checkpoints:
    """Folds the log of one open database, as often as it is written to.

    Args:
        path: the database file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Opened by the first time, and used by one thread at a time.
        self._connection: sqlite3.Connection | None = None
        #: Since the log was last folded.
        self._commits = 0
        #: When that began, on the monotonic clock.
        self._begun_at = -EVERY_SECS
        #: Doing it; None before the first time.
        self._task: asyncio.Task[None] | None = None
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
            self._task = asyncio.create_task(asyncio.to_thread(self._fold))

    async def close(self) -> None:
        """Wait for what was begun. Nothing may be written any more."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fold(self) -> None:
        try:
            if self._connection is None:
                self._connection = _opened(self._path)
            # Waits for nobody, and does as much as it may.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            # The log keeps everything; whoever writes is told when the disk has no room for that either.
            if not self._failed:
                _logger.warning(
                    "The write-ahead log could not be folded in: %s", explain(error, self._path) or error
                )
            self._failed = True
        else:
            self._failed = False


def _opened(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=0, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
