"""What applications told last of their schedules: in memory, on record, and over a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, served
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.errors import NoExecutorAnsweredError, NoHealthyExecutorError, StoreError
from conductor_lite.operations.remembered import BATCH_SIZE, Remembered
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    ListSchedules,
    ListSchedulesReply,
    QueueRecord,
    ScheduleFilters,
    ScheduleRecord,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.definitions import Definition, Definitions
from conductor_lite.store.schema import definitions

NOW = datetime(2026, 11, 26, 12, 3, 4, 567_000, tzinfo=UTC)
KIND, SHAPE = "schedules", list[ScheduleRecord]


def schedule(name: str, **more: str) -> ScheduleRecord:
    return ScheduleRecord(schedule_name=name, workflow_name="report", cron="0 3 * * *", **more)


async def nobody() -> list[ScheduleRecord]:
    raise NoHealthyExecutorError("No executor is connected.")


async def silence() -> list[ScheduleRecord]:
    raise NoExecutorAnsweredError("None answered in time.")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Database, str]]:
    db = await Database.open(folder)
    try:
        applications = Applications(db)
        record = next(iter(await applications.all()), None)
        if record is None:
            record, _ = await applications.register("local", "shop", now=NOW)
        yield db, record.id
    finally:
        await db.close()


def test_what_is_written_down_is_there_after_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with opened(tmp_path) as (db, id_):
            remembered = Remembered(Definitions(db))
            with pytest.raises(NoHealthyExecutorError):
                await remembered.instead(id_, KIND, SHAPE, nobody)
            remembered.keep(id_, KIND, [schedule("old")], NOW - timedelta(minutes=1))
            remembered.keep(id_, KIND, [schedule("nightly", cron_timezone="Europe/Paris")], NOW)
            remembered.keep("gone", KIND, [schedule("of a deleted application")], NOW)
            await remembered.round()
            # Nothing is written twice.
            async with db.write() as connection:
                await connection.execute(update(definitions).values(told_at=NOW + timedelta(hours=1)))
            await remembered.round()
            again = Remembered(Definitions(db))
            recalled = await again.instead(id_, KIND, SHAPE, nobody)
            assert recalled.items == [schedule("nightly", cron_timezone="Europe/Paris")]
            assert recalled.served.source == "snapshot"
            assert recalled.served.snapshot_at == NOW + timedelta(hours=1)
            assert recalled.trouble == ""
            assert (await again.instead(id_, KIND, SHAPE, silence)).trouble == "None answered in time."
            with pytest.raises(NoHealthyExecutorError):
                await again.instead("gone", KIND, SHAPE, nobody)

    asyncio.run(body())


def test_what_cannot_be_read_any_more_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with opened(tmp_path) as (db, id_):
            store = Definitions(db)
            for items in (b'[{"schedule_name": 7}]', b"[", b"\xff"):
                await store.keep([Definition(application_id=id_, kind=KIND, items=items, told_at=NOW)])
                with pytest.raises(NoHealthyExecutorError):
                    await Remembered(store).instead(id_, KIND, SHAPE, nobody)
                assert "cannot be read any more" in caplog.text
                caplog.clear()

    asyncio.run(body())


def test_what_the_database_refused_is_written_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with opened(tmp_path) as (db, id_):
            store, kept = Definitions(db), Definitions.keep
            remembered = Remembered(store)
            kinds = [f"kind-{number}" for number in range(BATCH_SIZE + 1)]
            for kind in kinds:
                remembered.keep(id_, kind, [], NOW)

            async def full(*_: object) -> None:
                raise StoreError("The disk is full.")

            monkeypatch.setattr(Definitions, "keep", full)
            with pytest.raises(StoreError):
                await remembered.round()
            await remembered.stop()
            assert "The disk is full." in caplog.text

            async def renewed_meanwhile(store: Definitions, lists: list[Definition]) -> None:
                await kept(store, lists)
                remembered.keep(id_, kinds[0], [schedule("newer")], NOW)

            monkeypatch.setattr(Definitions, "keep", renewed_meanwhile)
            await remembered.round()
            monkeypatch.setattr(Definitions, "keep", kept)
            async with db.read() as connection:
                rows = {row.kind: row.items for row in await connection.execute(select(definitions))}
            assert rows == dict.fromkeys(kinds, b"[]")
            await remembered.stop()
            found = await store.get(id_, kinds[0])
            assert found is not None
            assert b"newer" in found.items

    asyncio.run(body())


def test_an_application_that_is_away_is_known_to_a_conductor_started_anew(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True)
    nightly = schedule("nightly", context="a payload")
    versions = [
        ApplicationVersionRecord(version_name=name, version_timestamp_epoch_ms=at)
        for name, at in (("1", 1_000), ("2", 2_000))
    ]

    async def before() -> None:
        async with served(settings) as scene:
            executor = ScriptedExecutor("exec-1")
            executor.answers(ListSchedules, ListSchedulesReply(schedules=[nightly]))
            executor.answers(ListQueues, ListQueuesReply(queues=[QueueRecord(name=name) for name in "ba"]))
            executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=versions))
            await scene.application_id()
            await scene.connected(executor)
            operations = scene.conductor.operations
            await operations.schedules.list(LOCAL, APPLICATION, ScheduleFilters())
            await operations.queues.list(LOCAL, APPLICATION)
            await operations.versions.list(LOCAL, APPLICATION)

    async def after() -> None:
        async with served(settings) as scene:
            operations = scene.conductor.operations
            schedules = await operations.schedules.recall(LOCAL, APPLICATION)
            assert [item.schedule_name for item in schedules.items] == ["nightly"]
            assert [item.context for item in schedules.items] == [None]
            assert schedules.served.source == "snapshot"
            assert schedules.served.snapshot_at is not None
            assert [item.name for item in (await operations.queues.recall(LOCAL, APPLICATION)).items] == [
                "a",
                "b",
            ]
            found = (await operations.versions.recall(LOCAL, APPLICATION)).items
            assert [item.version_name for item in found] == ["2", "1"]
            await operations.applications.delete(LOCAL, APPLICATION)

            async def none_is_left() -> bool:
                async with scene.conductor.db.read() as connection:
                    return not (await connection.execute(select(definitions.c.kind))).all()

            await wait_until_async(none_is_left, 30, "the lists to go with their application")

    asyncio.run(before())
    asyncio.run(after())
