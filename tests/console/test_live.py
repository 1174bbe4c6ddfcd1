"""Event streams: only what may be seen, few, looked at once for all, and none outlives its reader."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import quote

import pytest
from console.pictures import LocalAuthenticator, PicturedOperations, hostile, orders
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Scope
from support.wait import wait_until_async

from conductor_lite.auth.actor import Actor
from conductor_lite.config import Settings
from conductor_lite.console import live
from conductor_lite.console.forms import CSRF_COOKIE
from conductor_lite.console.home import HomePage
from conductor_lite.console.live import EventStreams
from conductor_lite.console.overview import OverviewPage
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.errors import NoHealthyExecutorError, UnauthenticatedError
from conductor_lite.fleet.changes import Changes

DEADLINE_SECS = 60


class Reader:
    """One browser's end of a stream, spoken to in ASGI."""

    def __init__(
        self, streams: EventStreams, page: str, address: str = "127.0.0.1", browser: str = "one"
    ) -> None:
        self.status = 0
        self.text = ""
        #: When changes were announced, by the loop's clock.
        self.announced_at: list[float] = []
        self.gone = asyncio.Event()
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "query_string": f"page={quote(page)}".encode(),
            "headers": [(b"cookie", f"{CSRF_COOKIE}={browser}".encode())],
            "client": (address, 40_000),
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
            words = message.get("body", b"").decode()
            self.text += words
            if "event: change" in words:
                self.announced_at.append(asyncio.get_running_loop().time())

    async def saw(self, words: str) -> None:
        await wait_until_async(lambda: words in self.text, DEADLINE_SECS, repr(words))

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.shield(self.task), DEADLINE_SECS)


class Counter:
    """A page that shows what only looking tells: a number."""

    def __init__(self) -> None:
        self.number = 0
        self.looks = 0
        self.fault: Exception | None = None
        self.poll_secs = 0.02

    async def show(self, request: Request, actor: Actor) -> Page:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        data = {"number": self.number, "query": request.url.query}
        return Page(template="problem.html", title="", data=data, poll_secs=self.poll_secs)


class Naps:
    """``asyncio``, and for how long whoever uses it has lain down to sleep."""

    def __init__(self) -> None:
        self.secs: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, secs: float) -> None:
        self.secs.append(secs)
        await asyncio.sleep(secs)


class Case:
    """What a test works with."""

    def __init__(self) -> None:
        operations = PicturedOperations(orders(), hostile())
        self.changes = Changes()
        operations.changes = cast(Any, self.changes)
        self.closing = asyncio.Event()
        self.counter = Counter()
        self.authenticator = LocalAuthenticator()
        site = Site(cast(Any, operations), cast(Any, self.authenticator), Settings())
        pages = [*HomePage(site).routes(), *OverviewPage(site).routes()]
        site.knows([*pages, Route("/counter", site.shows(self.counter.show))])
        self.streams = EventStreams(site, self.closing)

    def reader(self, page: str, address: str = "127.0.0.1", browser: str = "one") -> Reader:
        return Reader(self.streams, page, address, browser)


def watching() -> list[str]:
    """Tasks that look at pages or listen on their behalf."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("PageWatch")]


def run(body: Callable[[Case], Awaitable[None]]) -> None:
    async def main() -> None:
        case = Case()
        await body(case)
        await wait_until_async(
            lambda: case.changes.listeners == 0 and case.streams.watches == 0, DEADLINE_SECS, "all to end"
        )

    asyncio.run(main())


def test_changes_of_the_pages_topics_are_announced() -> None:
    async def body(case: Case) -> None:
        reader = case.reader("/apps/orders?status=DEAD")
        await reader.saw("event: ready")
        await wait_until_async(lambda: case.changes.listeners == 1, DEADLINE_SECS, "the watch to listen")
        case.changes.publish("application:other", "keys")
        case.changes.publish("application:id-orders")
        await reader.saw("event: change\n")
        reader.gone.set()
        await reader.ended()
        assert case.streams.open == 0

    run(body)


def test_a_page_is_looked_at_as_often_as_it_wishes_when_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body(case: Case) -> None:
        naps = Naps()
        monkeypatch.setattr(live, "asyncio", naps)
        reader = case.reader("/counter")
        await reader.saw("event: ready")
        case.counter.poll_secs = 3_600
        # A look tells of the new wish, and the next one is as far away as any may be.
        await wait_until_async(lambda: naps.secs[-1:] == [60.0], DEADLINE_SECS, "the new wish to be followed")
        assert naps.secs[0] == 0.02
        reader.gone.set()
        await reader.ended()

    run(body)


def test_a_burst_of_changes_is_announced_at_most_twice_a_second() -> None:
    async def body(case: Case) -> None:
        reader = case.reader("/")
        await reader.saw("event: ready")
        await wait_until_async(lambda: case.changes.listeners == 1, DEADLINE_SECS, "the watch to listen")
        for _ in range(200):
            case.changes.publish("applications")
            await asyncio.sleep(0)
        await reader.saw("event: change")
        await wait_until_async(
            lambda: reader.text.count("event: change") == 2, DEADLINE_SECS, "the rest in one announcement"
        )
        first, second = reader.announced_at
        assert second - first > live.PAUSE_SECS * 0.9
        reader.gone.set()
        await reader.ended()

    run(body)


def test_what_no_topic_tells_is_found_by_looking() -> None:
    async def body(case: Case) -> None:
        reader = case.reader("/counter")
        await reader.saw("event: ready")
        looks = case.counter.looks
        await wait_until_async(lambda: case.counter.looks > looks + 3, DEADLINE_SECS, "some looks")
        assert "change" not in reader.text
        case.counter.number = 1
        await reader.saw("event: change")
        reader.gone.set()
        await reader.ended()

    run(body)


def test_nobody_looks_on_behalf_of_who_is_no_longer_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(case: Case) -> None:
        reader = case.reader("/counter")
        await reader.saw("event: ready")
        asked = 0

        async def refuse(*_: object) -> Actor:
            nonlocal asked
            asked += 1
            raise UnauthenticatedError("The API key was revoked.")

        monkeypatch.setattr(case.authenticator, "actor", refuse)
        await reader.saw("event: change")
        looks, before = case.counter.looks, asked
        await wait_until_async(lambda: asked > before + 3, DEADLINE_SECS, "some looks")
        assert case.counter.looks == looks
        reader.gone.set()
        await reader.ended()

    run(body)


def test_all_who_look_at_one_page_share_its_looks() -> None:
    async def body(case: Case) -> None:
        readers = [case.reader("/counter") for _ in range(20)]
        others = case.reader("/counter?q=other")
        for reader in (*readers, others):
            await reader.saw("event: ready")
        assert case.streams.watches == 2
        case.counter.number = 7
        for reader in (*readers, others):
            await reader.saw("event: change")
        for reader in readers[1:]:
            reader.gone.set()
            await reader.ended()
        # The watch goes on for the one who stays, and ends with him.
        case.counter.number = 8
        await wait_until_async(
            lambda: readers[0].text.count("event: change") == 2, DEADLINE_SECS, "the last one to hear"
        )
        readers[0].gone.set()
        others.gone.set()
        await readers[0].ended()
        await others.ended()
        await wait_until_async(lambda: not watching(), DEADLINE_SECS, "nobody to look any more")

    run(body)


def test_that_nobody_answers_any_more_is_a_change_and_that_someone_does_again_as_well() -> None:
    async def body(case: Case) -> None:
        reader = case.reader("/counter")
        await reader.saw("event: ready")
        case.counter.fault = NoHealthyExecutorError("Nobody is there.")
        await reader.saw("event: change")
        case.counter.fault = ValueError("a mistake")
        await wait_until_async(lambda: reader.text.count("event: change") == 2, DEADLINE_SECS, "the mistake")
        case.counter.fault = None
        await wait_until_async(lambda: reader.text.count("event: change") == 3, DEADLINE_SECS, "the return")
        reader.gone.set()
        await reader.ended()

    run(body)


def test_looks_are_fewer_where_they_take_long_or_find_nothing() -> None:
    assert live.pause_secs(2.0, took_secs=0.01, calm_looks=0) == 2.0
    assert live.pause_secs(2.0, took_secs=0.01, calm_looks=30) == 5.0
    assert live.pause_secs(2.0, took_secs=1.5, calm_looks=0) == pytest.approx(15)
    assert live.pause_secs(2.0, took_secs=10.0, calm_looks=99) == 60.0


def test_streams_end_when_the_server_closes() -> None:
    async def body(case: Case) -> None:
        readers = [case.reader("/") for _ in range(3)]
        for reader in readers:
            await reader.saw("event: ready")
        case.changes.publish("applications")
        case.closing.set()
        for reader in readers:
            await reader.ended()
        late = case.reader("/")
        await late.ended()
        assert late.status == 503

    run(body)


def test_streams_are_few() -> None:
    async def body(case: Case) -> None:
        readers = [case.reader("/") for _ in range(live.MAX_STREAMS)]
        for reader in readers:
            await reader.saw("event: ready")
        refused = case.reader("/")
        await refused.ended()
        assert refused.status == 503
        readers[0].gone.set()
        await readers[0].ended()
        admitted = case.reader("/")
        await admitted.saw("event: ready")
        case.closing.set()
        for reader in (*readers[1:], admitted):
            await reader.ended()

    run(body)


def test_few_different_pages_are_watched_for_one_reader_and_the_rest_is_left_to_polling() -> None:
    async def body(case: Case) -> None:
        readers = [case.reader(f"/counter?n={number}") for number in range(live.MAX_PAGES)]
        readers += [case.reader("/counter?n=0") for _ in range(3)]
        for reader in readers:
            await reader.saw("event: ready")
        looks = case.counter.looks
        refused = case.reader("/counter?n=more")
        await refused.ended()
        # A refused stream stays closed, and live.js asks now and then.
        assert (refused.status, "retry:" in refused.text) == (503, False)
        assert case.streams.watches == live.MAX_PAGES
        another = case.reader("/counter?n=more", "192.0.2.7")
        await another.saw("event: ready")
        # Colleagues without a login, all behind one proxy.
        colleague = case.reader("/counter?n=more", browser="two")
        await colleague.saw("event: ready")
        # The place of a page is free once its last stream has ended.
        readers[0].gone.set()
        await readers[0].ended()
        refused = case.reader("/counter?n=late")
        await refused.ended()
        assert refused.status == 503
        for reader in readers[-3:]:
            reader.gone.set()
            await reader.ended()
        late = case.reader("/counter?n=late")
        await late.saw("event: ready")
        assert case.counter.looks > looks
        case.closing.set()
        for reader in (*readers, another, colleague, late):
            await reader.ended()

    run(body)


def test_a_quiet_stream_beats(monkeypatch: Any) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECS", 0.05)

    async def body(case: Case) -> None:
        reader = case.reader("/")
        await reader.saw(": beat\n\n: beat\n\n")
        assert "change" not in reader.text
        reader.gone.set()
        await reader.ended()

    run(body)


def test_only_pages_that_are_there_can_be_watched() -> None:
    async def body(case: Case) -> None:
        for page in ("", "/none", "/apps/none", "/events?page=/", "http://[::1", "/" + "x" * 20_000):
            reader = case.reader(page)
            await reader.ended()
            assert reader.status == 404, page

    run(body)
