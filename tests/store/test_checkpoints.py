"""The write-ahead log: folded in beside those who write, within bounds, and whatever goes wrong with that."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from conductor_lite.store import checkpoints
from conductor_lite.store.database import Database
from tests.support.wait import wait_until_async

Run = Callable[[Callable[[Database], Awaitable[Any]]], Any]


async def _write(db: Database, commits: int = 1) -> None:
    for _ in range(commits):
        async with db.write() as connection:
            await connection.execute(
                text("INSERT INTO meta (name, value) VALUES (:name, :value)"),
                {"name": uuid4().hex, "value": "x" * 5_000},
            )


async def _write_until(db: Database, condition: Callable[[], bool], what: str) -> None:
    async def holds() -> bool:
        await _write(db)
        return condition()

    await wait_until_async(holds, 60, what)


def test_the_log_is_folded_in_while_the_database_is_written_to(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)

    async def body(db: Database) -> None:
        before = db.path.stat().st_size
        await _write_until(db, lambda: db.path.stat().st_size > before, "the file to grow")
        # Long before those who write would have done it.
        assert db.sizes_bytes()[1] < checkpoints.MOST_BYTES // 2
        async with db.write() as connection:
            pages = (await connection.execute(text("PRAGMA wal_autocheckpoint"))).scalar_one()
            left = (await connection.execute(text("PRAGMA journal_size_limit"))).scalar_one()
        assert (pages, left) == (checkpoints.MOST_PAGES, checkpoints.MOST_BYTES)

    run(body)
    assert [path.name for path in folder.iterdir()] == ["conductor.db"]


def test_writers_go_on_while_the_log_is_folded_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)
    begun, goes_on = threading.Event(), threading.Event()
    times: list[bool] = []

    opened = checkpoints._opened

    def held(path: Path) -> sqlite3.Connection:
        begun.set()
        times.append(goes_on.wait(60))
        return opened(path)

    async def body(db: Database) -> None:
        monkeypatch.setattr(checkpoints, "_opened", held)
        await _write_until(db, begun.is_set, "the log to be folded in")
        await _write(db, 2 * checkpoints.EVERY_COMMITS)
        closing = asyncio.create_task(db.close())
        assert not closing.done()
        goes_on.set()
        await closing

    run(body)
    # Never twice at a time.
    assert times == [True]


def test_a_failure_is_told_once_and_stops_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)
    tries: list[int] = []

    def fails(_path: Path) -> sqlite3.Connection:
        tries.append(1)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    async def body(db: Database) -> None:
        monkeypatch.setattr(checkpoints, "_opened", fails)
        for times in (1, 2):
            await _write_until(db, lambda times=times: len(tries) >= times, "another try")
        async with db.read() as connection:
            rows = (await connection.execute(text("SELECT count(*) FROM meta"))).scalar_one()
        assert rows > 2 * checkpoints.EVERY_COMMITS

    with caplog.at_level(logging.WARNING, checkpoints.__name__):
        run(body)
    assert [record.message.count("Check the disk") for record in caplog.records] == [1]
