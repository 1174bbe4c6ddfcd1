"""Writes executors' records to the database in batches, behind the back of the hot path.

A full or locked disk stops nobody from connecting or being recovered: what could not be written stays noted
here and is tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from conductor_lite.errors import StoreError
from conductor_lite.fleet.registry import Executor
from conductor_lite.store.executors import Executors
from conductor_lite.store.records import ExecutorRecord

logger = logging.getLogger("conductor_lite.fleet")

#: Records per transaction: small enough that preparing one never holds up the event loop.
BATCH_SIZE = 200
#: Seconds between writing last-seen times.
SEEN_INTERVAL_SECS = 30.0
#: Least pause between two rounds of writing, in seconds.
_GATHER_SECS = 0.1
_FIRST_RETRY_SECS = 0.5
_LAST_RETRY_SECS = 15.0

#: For what is not noted, as None is for what is to be deleted.
_NOTHING = object()

_RowKey = tuple[str, str, str]


class Recorder:
    """One writer of executor records.

    Args:
        executors: the table.
        present: yields every executor now connected, for their last-seen times.
    """

    def __init__(self, executors: Executors, present: Callable[[], Iterable[Executor]]) -> None:
        self._executors = executors
        self._present = present
        # Newest wanted state of each row: a record to save, or None to delete it.
        self._wanted: dict[_RowKey, ExecutorRecord | None] = {}
        # What is being written; empty between two rounds.
        self._writing: dict[_RowKey, ExecutorRecord | None] = {}
        self._work = asyncio.Event()
        # Last-seen time last written, by row.
        self._seen_written: dict[_RowKey, datetime] = {}

    def save(self, record: ExecutorRecord) -> None:
        """Note that a record is to be written; the newest wins."""
        self._wanted[_row_key(record)] = record
        self._work.set()

    def delete(self, record: ExecutorRecord) -> None:
        """Note that a record is to be deleted."""
        row_key = _row_key(record)
        self._wanted[row_key] = None
        self._seen_written.pop(row_key, None)
        self._work.set()

    async def forgotten(
        self, application_id: str, keys: Sequence[tuple[str, str]]
    ) -> frozenset[tuple[str, str]]:
        """Which of some executors were on record of an application once, whether that is written or not.

        Args:
            application_id: which application.
            keys: executor id and application version of each.

        Raises:
            StoreError: the table cannot be read.
        """
        # Noted first: what is written while the table is read then stands in one of both.
        noted = {
            key
            for key in keys
            for wanted in (self._writing, self._wanted)
            if wanted.get((application_id, *key), _NOTHING) is None
        }
        return await self._executors.forgotten(application_id, keys) | noted

    def drop_application(self, application_id: str) -> None:
        """Forget what is noted for an application that was deleted together with its records."""
        for row_key in [row_key for row_key in self._wanted if row_key[0] == application_id]:
            del self._wanted[row_key]

    async def run(self) -> None:
        """Write for as long as the conductor runs."""
        retry_secs = _FIRST_RETRY_SECS
        while True:
            await self._work.wait()
            if await self.flush():
                retry_secs = _FIRST_RETRY_SECS
                # A lone record is written at once; those of a storm come together meanwhile.
                await asyncio.sleep(_GATHER_SECS)
            else:
                await asyncio.sleep(retry_secs)
                retry_secs = min(retry_secs * 2, _LAST_RETRY_SECS)

    async def run_seen(self) -> None:
        """Write last-seen times at intervals for as long as the conductor runs."""
        while True:
            await asyncio.sleep(SEEN_INTERVAL_SECS)
            await self.flush_seen()

    async def flush(self) -> bool:
        """Write everything noted so far. Returns whether it succeeded."""
        self._work.clear()
        remaining, self._wanted = self._wanted, {}
        self._writing = remaining
        try:
            while remaining:
                batch = dict(list(remaining.items())[:BATCH_SIZE])
                await self._write(batch)
                for row_key in batch:
                    del remaining[row_key]
        except StoreError as error:
            logger.error("Executor records were not written and will be tried again: %s", error)
            return False
        finally:
            if remaining:
                # Whatever was noted meanwhile is newer.
                self._wanted = remaining | self._wanted
                self._work.set()
        return True

    async def flush_seen(self) -> None:
        """Write the last-seen times that have changed."""
        items: list[tuple[str, str, str, datetime]] = []
        for executor in self._present():
            row_key = _row_key(executor.record)
            if self._seen_written.get(row_key) != executor.seen_at:
                items.append((*row_key, executor.seen_at))
        try:
            for start in range(0, len(items), BATCH_SIZE):
                batch = items[start : start + BATCH_SIZE]
                await self._executors.touch_many(batch)
                for *key, seen_at in batch:
                    self._seen_written[key[0], key[1], key[2]] = seen_at
        except StoreError as error:
            logger.warning("Last-seen times were not written: %s", error)

    async def _write(self, batch: dict[_RowKey, ExecutorRecord | None]) -> None:
        saves = [record for record in batch.values() if record is not None]
        deletes: dict[str, list[tuple[str, str]]] = {}
        for (application_id, executor_id, version), record in batch.items():
            if record is None:
                deletes.setdefault(application_id, []).append((executor_id, version))
        await self._executors.save(saves)
        for application_id, keys in deletes.items():
            await self._executors.delete(application_id, keys)


def _row_key(record: ExecutorRecord) -> _RowKey:
    return record.application_id, record.executor_id, record.application_version
