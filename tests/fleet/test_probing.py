"""The second heartbeat: executors that answer pings but no requests are shown, asked last, and never dead."""

import asyncio

import pytest
from support.executor import ScriptedExecutor
from support.served import Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import NoExecutorAnsweredError
from conductor_lite.fleet.changes import application_topic
from conductor_lite.protocol import Cancel, ExecutorInfo, ListQueues, ListQueuesReply

PROBING = {"probe_interval_secs": 0.3, "request_timeout_secs": 1}


async def executor_of(scene: Served, executor_id: str) -> ScriptedExecutor:
    executor = await scene.executor(executor_id)
    executor.answers(ListQueues, ListQueuesReply())
    return executor


def test_round_trip_of_an_idle_executor_is_measured_and_its_last_sign_of_life_noted(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await executor_of(scene, "a")
        assert scene.view("a").round_trip_ms is None
        seen = scene.view("a").last_seen_at
        await wait_until_async(lambda: scene.view("a").round_trip_ms is not None, 5, "a measurement")
        assert 0 < (scene.view("a").round_trip_ms or 0) < 1_000
        assert scene.view("a").last_seen_at > seen
        assert executor.count(ExecutorInfo) >= 2

    run(body, **PROBING)


def test_executor_that_stops_answering_is_shown_asked_last_and_not_dead(run: Run) -> None:
    async def body(scene: Served) -> None:
        stuck, well = await executor_of(scene, "stuck"), await executor_of(scene, "well")
        stuck.ignores(ExecutorInfo, ListQueues)
        changes = scene.conductor.operations.changes
        topic = application_topic(await scene.application_id())
        told = changes.subscribe(frozenset([topic]))
        async with asyncio.timeout(60):
            while scene.view("stuck").responsive:
                assert await anext(told) == {topic}
        await told.aclose()
        (version,) = scene.conductor.fleet.versions(await scene.application_id())
        assert (version.healthy, version.unresponsive, version.dead) == (2, 1, 0)
        for _ in range(4):
            await scene.ask(ListQueues())
        assert (stuck.count(ListQueues), well.count(ListQueues)) == (0, 4)
        assert scene.statuses() == {"stuck": "HEALTHY", "well": "HEALTHY"}
        # When it is the only one it is asked all the same, and being heard again makes it responsive.
        await well.leave()
        await scene.await_status("well", None)
        stuck.answers(ListQueues, ListQueuesReply())
        await scene.ask(ListQueues())
        assert scene.view("stuck").responsive

    run(body, **PROBING)


def test_unresponsive_executor_becomes_responsive_by_a_probe(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await executor_of(scene, "a")
        executor.ignores(ExecutorInfo)
        await wait_until_async(lambda: not scene.view("a").responsive, 8, "it to be found out")
        executor.answers(ExecutorInfo, executor.info)
        await wait_until_async(lambda: scene.view("a").responsive, 8, "it to be heard again")

    run(body, **PROBING)


def test_executor_that_answers_others_meanwhile_is_slow_and_not_unresponsive(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await executor_of(scene, "a")
        executor.ignores(Cancel)
        asking = asyncio.create_task(scene.ask(Cancel()))
        await wait_until_async(lambda: executor.count(Cancel), 5, "the slow request")
        await scene.ask(ListQueues())
        with pytest.raises(NoExecutorAnsweredError):
            await asking
        assert scene.view("a").responsive

    run(body)


def test_new_connection_is_responsive_until_it_proves_otherwise(run: Run) -> None:
    async def body(scene: Served) -> None:
        stuck = await scene.executor("a")
        with pytest.raises(NoExecutorAnsweredError):
            await scene.ask(Cancel())
        assert not scene.view("a").responsive
        await scene.executor("a")
        assert scene.view("a").responsive
        assert (await stuck.closing())[0] == 4000

    run(body)
