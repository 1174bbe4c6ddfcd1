"""Many executors at once: the work is shared out among them, and a crowd costs no more than it must."""

import asyncio
from collections import Counter

from support.executor import ScriptedExecutor
from support.served import APPLICATION, Run, Served
from support.wait import wait_until_async

from conductor_lite.protocol import ListQueues, ListQueuesReply, Recovery


async def _crowd(scene: Served, count: int) -> list[ScriptedExecutor]:
    executors = [ScriptedExecutor(f"e{number}", "1", scene.workload) for number in range(count)]
    await asyncio.gather(*(scene.connected(executor) for executor in executors))
    for executor in executors:
        executor.answers(ListQueues, ListQueuesReply())
    return executors


def test_idle_executors_are_asked_in_turn(run: Run) -> None:
    async def body(scene: Served) -> None:
        executors = await _crowd(scene, 3)
        for _ in range(6):
            await scene.ask(ListQueues())
        assert [executor.count(ListQueues) for executor in executors] == [2, 2, 2]

    run(body)


def test_asking_one_executor_by_its_id_changes_nobodys_turn(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _crowd(scene, 3)
        fleet = next(iter(scene.conductor.fleet._registry))
        line = list(fleet.connected)
        await scene.ask(ListQueues(), executor_id=line[0])
        assert list(fleet.connected) == line

    run(body)


def test_application_that_a_crowd_brings_along_is_registered_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _crowd(scene, 20)
        created = await scene.audit("application.create")
        assert [entry.target_id for entry in created] == [APPLICATION]

    run(body)


def test_those_who_vanish_together_are_recovered_by_few_messages(run: Run) -> None:
    async def body(scene: Served) -> None:
        survivor = await scene.executor("survivor")
        mortals = await _crowd(scene, 20)
        for mortal in mortals:
            mortal.connection.transport.abort()
            # A server does not notice all of them in the same instant either.
            await asyncio.sleep(0.002)

        def recovered() -> Counter[str]:
            return Counter(
                id_ for m in survivor.requests if isinstance(m, Recovery) for id_ in m.executor_ids
            )

        await wait_until_async(lambda: len(recovered()) == 20, 10, "the recovery of all")
        assert survivor.count(Recovery) <= 5

    run(body)
