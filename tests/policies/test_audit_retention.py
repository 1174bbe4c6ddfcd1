"""Entries of the audit log go when their time is up, and no sooner."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.wait import wait_until_async

from conductor_lite.auth.actor import local_actor
from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.fleet.changes import Changes
from conductor_lite.policies import audit_retention
from conductor_lite.policies.audit_retention import AuditRetention
from conductor_lite.server import open_conductor
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.organizations import Organizations
from conductor_lite.store.records import NewAuditEntry

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class _Clock(Clock):
    def now(self) -> datetime:
        return NOW


def _entry(age: timedelta, operation: str = "application.update", now: datetime = NOW) -> NewAuditEntry:
    return NewAuditEntry(
        organization_id="local",
        emitted_at=now - age,
        operation=operation,
        status="success",
        subject_type="user",
        subject_id="local",
        subject_display="local user",
    )


def _run(folder: Path, body: Callable[[Database], Awaitable[Any]]) -> None:
    async def whole() -> None:
        db = await Database.open(folder)
        try:
            await body(db)
        finally:
            await db.close()

    asyncio.run(whole())


def _policy(db: Database) -> AuditRetention:
    return AuditRetention(Organizations(db), AuditLog(db), Changes(), _Clock())


async def _operations(db: Database) -> list[str]:
    return [entry.operation for entry in await AuditLog(db).list("local", limit=10_000)]


def test_entries_older_than_the_organisation_keeps_them_are_deleted(tmp_path: Path) -> None:
    async def body(db: Database) -> None:
        second = timedelta(seconds=1)
        await AuditLog(db).append(
            [
                _entry(timedelta(days=90) + second, "too.old"),
                _entry(timedelta(days=90), "just.kept"),
                _entry(timedelta(days=8), "a.week.old"),
            ]
        )
        assert await _policy(db).prune() == 1
        assert await _operations(db) == ["a.week.old", "just.kept"]
        await Organizations(db).update("local", audit_log_retention_days=7)
        assert await _policy(db).prune() == 2
        assert await _policy(db).prune() == 0

    _run(tmp_path, body)


def test_many_are_deleted_a_few_at_a_time_so_that_writers_get_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = 0
    prune = AuditLog.prune

    async def counting(*args: object, **options: object) -> int:
        nonlocal batches
        deleted = await prune(*args, **options)  # type: ignore[arg-type]
        batches += 1
        return deleted

    monkeypatch.setattr(AuditLog, "prune", counting)

    async def body(db: Database) -> None:
        count = 3 * audit_retention.BATCH_SIZE + 7
        log = AuditLog(db)
        await log.append([_entry(timedelta(days=100))] * count)
        pruning = asyncio.create_task(_policy(db).prune())
        while not pruning.done():
            before = batches
            await log.append([_entry(timedelta(0), "meanwhile")])
            # The one under way, and the one that asked for its turn before this writer did.
            assert batches - before <= 2
        assert await pruning == count
        assert batches >= 4
        assert set(await _operations(db)) == {"meanwhile"}

    _run(tmp_path, body)


def test_a_server_prunes_when_it_starts(tmp_path: Path) -> None:
    async def whole() -> None:
        async with open_conductor(Settings(data_dir=tmp_path)) as conductor:
            now = datetime.now(UTC)
            await AuditLog(conductor.db).append([_entry(timedelta(days=91), now=now)])
            await conductor.start()
            try:

                async def is_empty() -> bool:
                    return not await conductor.operations.audit.list(local_actor(None))

                await wait_until_async(is_empty, 5, "the old entry to be deleted")
            finally:
                await conductor.stop()

    asyncio.run(whole())
