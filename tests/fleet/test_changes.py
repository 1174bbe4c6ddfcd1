"""Telling listeners that something changed: topics merge, nobody waits, nobody is left behind."""

import asyncio

from conductor_lite.fleet.changes import APPLICATIONS, AUDIT, KEYS, Changes


def test_topics_merge_while_nobody_reads() -> None:
    async def body() -> None:
        changes = Changes()
        listening = changes.subscribe(frozenset([APPLICATIONS, AUDIT]))
        turn = asyncio.ensure_future(anext(listening))
        await asyncio.sleep(0)
        for _ in range(1_000):
            changes.publish(APPLICATIONS)
        changes.publish(AUDIT, KEYS)
        assert await turn == {APPLICATIONS, AUDIT}
        turn = asyncio.ensure_future(anext(listening))
        await asyncio.sleep(0)
        changes.publish(KEYS)
        await asyncio.sleep(0)
        assert not turn.done(), "told of a topic it did not ask for"
        changes.publish(AUDIT)
        assert await turn == {AUDIT}
        await listening.aclose()

    asyncio.run(body())


def test_listener_that_leaves_is_forgotten_and_others_go_on() -> None:
    async def body() -> None:
        changes = Changes()
        first, second = (changes.subscribe(frozenset([KEYS])) for _ in range(2))
        turns = [asyncio.ensure_future(anext(first)), asyncio.ensure_future(anext(second))]
        await asyncio.sleep(0)
        assert changes.listeners == 2
        turns[0].cancel()
        await asyncio.gather(turns[0], return_exceptions=True)
        assert changes.listeners == 1
        changes.publish(KEYS)
        assert await turns[1] == {KEYS}
        await second.aclose()
        assert changes.listeners == 0

    asyncio.run(body())
