"""Executors' records in the database: written behind the hot path, late rather than never."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from support.served import Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import StoreError
from conductor_lite.protocol import ListQueues, ListQueuesReply
from conductor_lite.store.executors import Executors
from conductor_lite.store.records import ExecutorRecord


async def recorded(scene: Served) -> dict[str, str]:
    """Status by executor id, as the database has it."""
    return {record.executor_id: record.status for record in await Executors(scene.conductor.db).all()}


async def await_recorded(scene: Served, expected: dict[str, str]) -> None:
    async def arrived() -> Any:
        return await recorded(scene) == expected

    await wait_until_async(arrived, 10, f"the records {expected}")


class FullDisk:
    """Makes writing executors' records fail until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self.failures = 0
        save, delete = Executors.save, Executors.delete

        async def failing_save(table: Executors, records: Sequence[ExecutorRecord]) -> frozenset[str]:
            self._check()
            return await save(table, records)

        async def failing_delete(table: Executors, app: str, keys: Sequence[tuple[str, str]]) -> None:
            self._check()
            await delete(table, app, keys)

        monkeypatch.setattr(Executors, "save", failing_save)
        monkeypatch.setattr(Executors, "delete", failing_delete)

    def _check(self) -> None:
        if self.full:
            self.failures += 1
            raise StoreError("The disk is full.")


def test_life_of_an_executor_is_on_record(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        await await_recorded(scene, {"a": "HEALTHY"})
        scene.workload.pending.add(("a", "1"))
        await executor.vanish()
        await await_recorded(scene, {"a": "DISCONNECTED"})
        await await_recorded(scene, {"a": "DEAD"})
        await scene.executor("b")
        await await_recorded(scene, {"b": "HEALTHY"})

    run(body)


def test_full_disk_keeps_nobody_from_connecting_or_being_recovered(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "conductor_lite")

    async def body(scene: Served) -> None:
        await scene.application_id()
        disk = FullDisk(monkeypatch)
        dying, heir = await scene.executor("dying"), await scene.executor("heir")
        scene.workload.pending.add(("dying", "1"))
        await dying.vanish()
        await scene.await_status("dying", None)
        assert scene.workload.pending == set()
        heir.answers(ListQueues, ListQueuesReply())
        await scene.ask(ListQueues())
        assert disk.failures
        assert await recorded(scene) == {}
        disk.full = False
        await await_recorded(scene, {"heir": "HEALTHY"})

    run(body)
    assert "will be tried again: The disk is full." in caplog.text


def test_records_that_could_not_be_written_are_written_when_the_conductor_stops(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        disk = FullDisk(monkeypatch)
        await scene.executor("a")
        # Nothing happens meanwhile that would make it try again.
        await wait_until_async(lambda: disk.failures >= 3, 5, "several failures")
        disk.full = False
        await scene.conductor.stop()
        assert await recorded(scene) == {"a": "DISCONNECTED"}

    run(body)


def test_last_seen_times_are_written_when_the_conductor_stops(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        executor.answers(ListQueues, ListQueuesReply())
        await await_recorded(scene, {"a": "HEALTHY"})
        await scene.ask(ListQueues())
        seen = scene.view("a").last_seen_at
        await scene.conductor.stop()
        (record,) = await Executors(scene.conductor.db).all()
        # The database keeps milliseconds.
        assert timedelta(0) <= seen - record.last_seen_at < timedelta(milliseconds=1)

    run(body)


def test_restart_gives_everyone_on_record_a_full_timeout(run: Run) -> None:
    async def first(scene: Served) -> None:
        await scene.executor("a")
        dead = await scene.executor("dead")
        await dead.vanish()
        scene.workload.pending.add(("dead", "1"))
        await scene.await_status("dead", "DISCONNECTED")

    async def second(scene: Served) -> None:
        scene.workload.pending.add(("a", "1"))
        assert scene.statuses() == {"a": "DISCONNECTED", "dead": "DISCONNECTED"}
        heir = await scene.executor("heir")
        returned = await scene.executor("a")
        await scene.await_status("dead", None)
        assert scene.statuses() == {"a": "HEALTHY", "heir": "HEALTHY"}
        assert heir.requests or returned.requests
        # Nobody recovered what the returned one is still working on.
        assert scene.workload.pending == {("a", "1")}

    run(first, executor_timeout_secs=2)
    run(second, executor_timeout_secs=2)
