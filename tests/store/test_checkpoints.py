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


def test_the_log_begins_anew_although_it_is_never_folded_in_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)
    monkeypatch.setattr(checkpoints, "LONG_PAGES", 1)
    fold = checkpoints.Checkpoints._fold

    async def body(db: Database) -> None:
        loop = asyncio.get_running_loop()
        # Of each round: whether it was tried, and whether all of it may be folded in.
        tried, nobody_reads = asyncio.Event(), threading.Event()

        def in_part(self: checkpoints.Checkpoints) -> int:
            if tried.is_set():
                nobody_reads.wait(60)
            pages = fold(self)
            loop.call_soon_threadsafe(tried.set)
            return pages

        monkeypatch.setattr(checkpoints.Checkpoints, "_fold", in_part)
        log = db.path.with_name(f"{db.path.name}-wal")
        # The salts in its header are others each time that it begins anew.
        salts: list[bytes] = []
        for _ in range(4):
            tried.clear()
            nobody_reads.clear()
            db._checkpoints._commits = 0
            async with db.read() as connection:
                # What is written from here on is not to be folded in.
                await connection.execute(text("SELECT count(*) FROM meta"))
                await _write(db, checkpoints.EVERY_COMMITS)
                await tried.wait()
            nobody_reads.set()
            assert db._checkpoints._task is not None
            await db._checkpoints._task
            salts.append(log.read_bytes()[16:24])
        assert len(set(salts)) == len(salts)

    run(body)


def test_a_database_is_closed_while_folding_in_waits_for_its_turn(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)
    monkeypatch.setattr(checkpoints, "LONG_PAGES", 1)

    async def body(db: Database) -> None:
        await _write(db, checkpoints.EVERY_COMMITS)
        async with db.write():
            await wait_until_async(lambda: db._checkpoints._is_waiting, 60, "the log to wait for its turn")
            closing = asyncio.create_task(db.close())
            # In line behind what waits, which is then in its turn.
            await asyncio.sleep(0)
        await asyncio.wait_for(closing, 60)

    run(body)


def test_a_database_is_closed_before_folding_in_gets_in_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_SECS", 0.0)
    monkeypatch.setattr(checkpoints, "LONG_PAGES", 1)
    begun, goes_on = threading.Event(), threading.Event()
    opened = checkpoints._opened

    def held(path: Path) -> sqlite3.Connection:
        begun.set()
        goes_on.wait(60)
        return opened(path)

    async def body(db: Database) -> None:
        monkeypatch.setattr(checkpoints, "_opened", held)
        await _write_until(db, begun.is_set, "the log to be folded in")
        async with db.write():
            closing = asyncio.create_task(db.close())
            await asyncio.sleep(0)
            goes_on.set()
            await wait_until_async(lambda: db._checkpoints._is_waiting, 60, "the log to wait for its turn")
        # Its turn comes after the closing's, which lets nobody write any more.
        await asyncio.wait_for(closing, 60)

    run(body)


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
