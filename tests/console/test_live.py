"""Event streams: only what may be seen, few at a time, and none outlives its reader or the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from console.pictures import LocalAuthenticator, PicturedOperations, hostile, orders
from starlette.requests import Request
from starlette.types import Message, Scope
from support.wait import wait_until_async

from conductor_lite.auth.actor import Actor
from conductor_lite.config import Settings
from conductor_lite.console import live
from conductor_lite.console.live import EventStreams, visible_topics
from conductor_lite.console.site import Site
from conductor_lite.fleet.changes import Changes

DEADLINE_SECS = 5


class Reader:
    """One browser's end of a stream, spoken to in ASGI."""

    def __init__(self, streams: EventStreams, topics: str) -> None:
        self.status = 0
        self.text = ""
        self.gone = asyncio.Event()
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "query_string": f"topics={topics}".encode(),
            "headers": [],
        }
        self.task = asyncio.create_task(self._run(streams, scope))

    async def _run(self, streams: EventStreams, scope: Scope) -> None:
        response = await streams.endpoint(Request(scope, self._receive))
        await response(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message.get("body", b"").decode()

    async def saw(self, words: str) -> None:
        await wait_until_async(lambda: words in self.text, DEADLINE_SECS, repr(words))

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.shield(self.task), DEADLINE_SECS)


Case = Callable[[EventStreams, Changes, asyncio.Event], Awaitable[None]]


def run(case: Case) -> None:
    async def main() -> None:
        operations = PicturedOperations(orders(), hostile())
        changes = Changes()
        operations.changes = cast(Any, changes)
        closing = asyncio.Event()
        site = Site(cast(Any, operations), cast(Any, LocalAuthenticator()), Settings())
        await case(EventStreams(site, closing), changes, closing)
        await wait_until_async(lambda: changes.listeners == 0, DEADLINE_SECS, "every subscription to end")

    asyncio.run(main())


def test_changes_are_announced_by_topic() -> None:
    async def case(streams: EventStreams, changes: Changes, closing: asyncio.Event) -> None:
        reader = Reader(streams, "applications,application:id-orders")
        await reader.saw("event: ready")
        changes.publish("application:id-orders")
        await reader.saw("event: change\ndata: application:id-orders\n\n")
        reader.gone.set()
        await reader.ended()
        assert streams.open == 0

    run(case)


def test_a_burst_of_changes_is_announced_at_most_twice_a_second() -> None:
    async def case(streams: EventStreams, changes: Changes, closing: asyncio.Event) -> None:
        reader = Reader(streams, "applications")
        await reader.saw("event: ready")
        for _ in range(200):
            changes.publish("applications")
            await asyncio.sleep(0)
        await reader.saw("event: change")
        await asyncio.sleep(live.PAUSE_SECS / 2)
        assert reader.text.count("event: change") == 1
        await wait_until_async(
            lambda: reader.text.count("event: change") == 2, DEADLINE_SECS, "the rest in one announcement"
        )
        reader.gone.set()
        await reader.ended()

    run(case)


def test_streams_end_when_the_server_closes() -> None:
    async def case(streams: EventStreams, changes: Changes, closing: asyncio.Event) -> None:
        readers = [Reader(streams, "applications") for _ in range(3)]
        for reader in readers:
            await reader.saw("event: ready")
        changes.publish("applications")
        closing.set()
        for reader in readers:
            await reader.ended()
        late = Reader(streams, "applications")
        await late.ended()
        assert late.status == 503

    run(case)


def test_streams_are_few() -> None:
    async def case(streams: EventStreams, changes: Changes, closing: asyncio.Event) -> None:
        readers = [Reader(streams, "applications") for _ in range(live.MAX_STREAMS)]
        for reader in readers:
            await reader.saw("event: ready")
        refused = Reader(streams, "applications")
        await refused.ended()
        assert refused.status == 503
        readers[0].gone.set()
        await readers[0].ended()
        admitted = Reader(streams, "applications")
        await admitted.saw("event: ready")
        closing.set()
        for reader in (*readers[1:], admitted):
            await reader.ended()

    run(case)


def test_a_quiet_stream_beats(monkeypatch: Any) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECS", 0.05)

    async def case(streams: EventStreams, changes: Changes, closing: asyncio.Event) -> None:
        reader = Reader(streams, "nothing-known")
        await reader.saw(": beat\n\n: beat\n\n")
        changes.publish("nothing-known")
        await reader.saw(": beat\n\n: beat\n\n: beat")
        assert "change" not in reader.text
        reader.gone.set()
        await reader.ended()

    run(case)


def test_topics_beyond_the_actors_reach_are_dropped() -> None:
    async def topics(*permissions: str) -> frozenset[str]:
        actor = Actor(subject_type="api_key", subject_id="k", display="k", permissions=frozenset(permissions))
        wanted = frozenset({"applications", "application:id-orders", "application:other", "keys", "audit"})
        return await visible_topics(cast(Any, PicturedOperations(orders())), actor, wanted)

    assert asyncio.run(topics("application.read")) == {"applications", "application:id-orders"}
    assert asyncio.run(topics("token.read")) == {"keys"}
    assert asyncio.run(topics("organization.read")) == {"audit"}
    assert asyncio.run(topics()) == frozenset()
