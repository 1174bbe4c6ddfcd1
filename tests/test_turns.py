"""Long work on the event loop lets others have their turns, and what does not is seen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.wait import wait_until_async

from conductor_lite import loop_lag, turns
from conductor_lite.console import audit_files
from conductor_lite.loop_lag import LoopLag
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.records import NewAuditEntry


async def turns_of_others(work: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """What comes of it, and how often somebody else had a turn meanwhile."""
    count = 0

    async def others() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    task = asyncio.create_task(others())
    try:
        result = await work()
        return result, count
    finally:
        task.cancel()


def test_others_get_their_turn_after_a_moment_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def counting() -> Generator[None, None, str]:
        for _ in range(7):
            yield
        return "done"

    async def cut() -> list[bytes]:
        return [piece async for piece in turns.pieces(b"x" * (2 * turns.PIECE_SIZE + 1))]

    async def body() -> None:
        quick, count = await turns_of_others(lambda: turns.each(range(5), str))
        assert quick == ["0", "1", "2", "3", "4"]
        monkeypatch.setattr(turns, "TURN_SECS", 0.0)
        _, count = await turns_of_others(lambda: turns.each(range(50), str))
        assert count >= 49
        result, count = await turns_of_others(lambda: turns.to_the_end(counting()))
        assert result == "done"
        assert count >= 6
        cut_up, count = await turns_of_others(cut)
        assert [len(piece) for piece in cut_up] == [turns.PIECE_SIZE, turns.PIECE_SIZE, 1]
        assert count >= 1
        assert [piece async for piece in turns.pieces(b"")] == []

    asyncio.run(body())


def test_thousands_of_audit_entries_are_read_and_written_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECS", 0.0)

    async def body() -> None:
        db = await Database.open(tmp_path)
        log = AuditLog(db)
        entry = NewAuditEntry(
            organization_id="local",
            emitted_at=datetime(2026, 11, 26, tzinfo=UTC),
            operation="workflow.cancel",
            status="success",
            subject_type="user",
            subject_id="u",
            subject_display="u",
        )
        await log.append([entry] * 300)
        entries, count = await turns_of_others(lambda: log.list("local", limit=300))
        assert len(entries) == 300
        assert count >= 299
        await db.close()

        async def pages() -> Any:
            yield entries

        async def file() -> list[bytes]:
            return [part async for part in audit_files.written(pages(), "csv")]

        parts, count = await turns_of_others(file)
        assert count >= len(parts) - 2 >= 300 / audit_files._PART_SIZE - 1
        assert b"".join(parts).count(b"workflow.cancel") == 300
        assert isinstance(entries[0], AuditEntry)

    asyncio.run(body())


def test_what_holds_the_loop_up_is_told_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        lag = LoopLag()
        lag.start()
        await asyncio.sleep(0)
        time.sleep(4 * loop_lag.LOOK_SECS)  # noqa: ASYNC251 - holding it up is what this is about
        await wait_until_async(lambda: lag.worst_secs() >= 2 * loop_lag.LOOK_SECS, 10, "it to be seen")
        # Two stretches later nobody needs to know any more.
        monkeypatch.setattr(loop_lag, "STRETCH_SECS", 0.0)
        await wait_until_async(lambda: lag.worst_secs() < 2 * loop_lag.LOOK_SECS, 30, "it to be forgotten")
        lag.stop()
        lag.stop()

    asyncio.run(body())
