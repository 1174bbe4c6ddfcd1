"""Live pages: one stream of server-sent events per page, telling that something changed, never what.

The page then fetches itself again. What changes is learnt from the operations' topics and, where a page shows
what only executors know, by looking at its data now and then: once for everybody who looks at the same page.
"""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator
from typing import TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import CSRF_COOKIE
from conductor_lite.console.preferences import preferences
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.errors import ConductorError, NotFoundError

logger = logging.getLogger(__name__)

_Key: TypeAlias = tuple[object, ...]

MAX_STREAMS = 128
#: Different pages that are watched for one browser; on further ones it asks every few seconds.
MAX_PAGES = 16
HEARTBEAT_SECS = 15.0
#: Least time between two announcements on one stream.
PAUSE_SECS = 0.5
_RETRY_MS = 2_000
_MAX_URL_LENGTH = 16_000

#: A look may take this part of the time between two; a slow executor is looked at less often.
_SHARE_OF_TIME = 0.1
#: After this many looks in a row that found nothing new, looks become rarer, down to this many times as rare.
_CALM_LOOKS = 30
_CALM_FACTOR = 2.5
_MOST_PAUSE_SECS = 60.0

_HEADERS = {
    "Cache-Control": "no-store",
    # Tells buffering proxies to pass each event on at once.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


class EventStreams:
    """The open streams.

    Args:
        site: who asks, the pages, and the operations whose changes are announced.
        closing: set when the server begins to stop; ends every stream, so that none holds it up.
    """

    def __init__(self, site: Site, closing: asyncio.Event) -> None:
        self._site = site
        self._closing = closing
        # Streams now open.
        self.open = 0
        # One watch per page and kind of reader, for as long as a stream needs it.
        self._watches: dict[_Key, PageWatch] = {}
        # Streams by page, of every reader who has one.
        self._pages: dict[_Key, Counter[_Key]] = {}

    @property
    def watches(self) -> int:
        """Pages that are being watched now."""
        return len(self._watches)

    async def endpoint(self, request: Request) -> Response:
        """Open a stream on ``?page=``, the address of a page of the console."""
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type="text/event-stream")
        try:
            actor = await self._site.actor(request)
            url = request.query_params.get("page", "")
            if len(url) > _MAX_URL_LENGTH:
                raise NotFoundError("There is no page at so long an address.")
            target = self._site.page_request(request, url)
            reader, key = _reader(request, actor), _fingerprint(request, actor, url)
            if reason := self._refusal(reader, key):
                return _refused(reason)
            # What may not be seen is refused here, as the page itself would.
            page = await self._site.look(target, actor)
        except ConductorError as error:
            return self._site.refusal(request, None, error)
        # Meanwhile others may have come.
        if reason := self._refusal(reader, key):
            return _refused(reason)
        return _EventStream(self, reader, key, target, page)

    def join(self, reader: _Key, key: _Key, request: Request, page: Page) -> "PageWatch":
        """Begin to watch a page, or watch it along with others; ``leave`` ends it."""
        self.open += 1
        self._pages.setdefault(reader, Counter())[key] += 1
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = PageWatch(self._site, request, page)
        watch.readers += 1
        return watch

    def leave(self, reader: _Key, key: _Key, watch: "PageWatch") -> None:
        """Stop watching; with its last reader the watch ends."""
        self.open -= 1
        pages = self._pages[reader]
        pages[key] -= 1
        # What remains is counted.
        if not pages[key]:
            del pages[key]
        if not pages:
            del self._pages[reader]
        watch.readers -= 1
        if not watch.readers:
            watch.stop()
            if self._watches.get(key) is watch:
                del self._watches[key]

    def _refusal(self, reader: _Key, key: _Key) -> str:
        """Why there is no further stream now; empty when there is one."""
        if self._closing.is_set():
            return "The server is stopping."
        if self.open >= MAX_STREAMS:
            return "Too many pages are open."
        pages = self._pages.get(reader, Counter())
        if key not in pages and len(pages) >= MAX_PAGES:
            return f"{MAX_PAGES} pages are watched for you already."
        return ""

    async def events(self, watch: "PageWatch", gone: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
        """Yield what the stream says until the reader has gone or the server closes."""
        closing = asyncio.create_task(self._closing.wait())
        seen = watch.version
        change = asyncio.create_task(watch.newer_than(seen))
        try:
            yield f"retry: {_RETRY_MS}\nevent: ready\ndata:\n\n".encode()
            while not (gone.done() or closing.done()):
                await asyncio.wait(
                    {change, closing, gone}, timeout=HEARTBEAT_SECS, return_when=asyncio.FIRST_COMPLETED
                )
                if not change.done():
                    yield b": beat\n\n"
                    continue
                seen = change.result()
                yield b"event: change\ndata:\n\n"
                # What happens meanwhile is merged into the next announcement.
                await asyncio.wait({closing, gone}, timeout=PAUSE_SECS, return_when=asyncio.FIRST_COMPLETED)
                change = asyncio.create_task(watch.newer_than(seen))
        finally:
            closing.cancel()
            change.cancel()
            await asyncio.wait({closing, change})


class PageWatch:
    """Watches one page for everyone who looks at it: by its topics, and by looking at its data.

    Args:
        site: has the operations that announce changes, and the page itself.
        request: as if the page were asked for, with whoever asks.
        page: as it is now.
    """

    def __init__(self, site: Site, request: Request, page: Page) -> None:
        self._site = site
        self._request = request
        self._page = page
        # Streams that follow it.
        self.readers = 0
        # Grows with each change.
        self.version = 0
        self._changed = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._listen())]
        # What the page wished when it was last seen: it may be in more of a hurry now than later.
        self._poll_secs = page.poll_secs or 0.0
        if page.poll_secs is not None:
            self._tasks.append(asyncio.create_task(self._poll()))

    def stop(self) -> None:
        """End its work."""
        for task in self._tasks:
            task.cancel()

    async def newer_than(self, version: int) -> int:
        """Wait for a change after this one; returns the latest."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version > version)
            return self.version

    async def _announce(self) -> None:
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def _listen(self) -> None:
        async for _ in self._site.operations.changes.subscribe(frozenset(self._page.topics)):
            await self._announce()

    async def _poll(self) -> None:
        digest, calm_looks = _digest(self._page), 0
        pause = self._poll_secs
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            found = await self._look()
            calm_looks = calm_looks + 1 if found == digest else 0
            if found != digest:
                digest = found
                await self._announce()
            pause = pause_secs(self._poll_secs, time.monotonic() - started, calm_looks)

    async def _look(self) -> bytes:
        try:
            # Asked anew each time: a key may have been revoked, and then no executor is asked on its behalf.
            page = await self._site.look(self._request, await self._site.actor(self._request))
        except ConductorError as error:
            # That nobody answers any more is something new as well.
            return str(error).encode()
        except Exception:
            # The outermost loop of a watch: the page itself will say what is wrong.
            logger.exception("Looking at a page failed")
            return b"failed"
        self._poll_secs = page.poll_secs or self._poll_secs
        return _digest(page)


def pause_secs(poll_secs: float, took_secs: float, calm_looks: int) -> float:
    """How long to wait before the next look: longer where looks take long, or find nothing new.

    Args:
        poll_secs: what the page wishes.
        took_secs: how long the last look took.
        calm_looks: how many in a row found nothing new.
    """
    rarer = _CALM_FACTOR if calm_looks >= _CALM_LOOKS else 1.0
    return min(_MOST_PAUSE_SECS, max(poll_secs * rarer, took_secs / _SHARE_OF_TIME))


class _EventStream(Response):
    """Sends events until the first of: the reader leaves, the server closes.

    Not a ``StreamingResponse``: that one notices a reader's leaving only at its next write.
    """

    media_type = "text/event-stream"

    def __init__(self, streams: EventStreams, reader: _Key, key: _Key, request: Request, page: Page) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._streams = streams
        self._place = (reader, key)
        self._of = (request, page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = self._streams.join(*self._place, *self._of)
        gone = asyncio.create_task(_wait_for_disconnect(receive))
        events = self._streams.events(watch, gone)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await events.aclose()
            self._streams.leave(*self._place, watch)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _digest(page: Page) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(page.data), digest_size=16).digest()


def _refused(reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", 503, {"Retry-After": "30"})


def _reader(request: Request, actor: Actor) -> _Key:
    """Who has so many pages open: one browser, as far as can be told."""
    # Without a login, all who come through one proxy are one subject at one address; their cookies differ.
    # Who makes one up gains little: `MAX_STREAMS` bounds them all.
    browser = request.cookies.get(CSRF_COOKIE, "")
    return (actor.organization_id, actor.subject_type, actor.subject_id, actor.source_ip, browser)


def _fingerprint(request: Request, actor: Actor, url: str) -> _Key:
    """Who sees the same when he looks at the same page."""
    return (
        url,
        preferences(request),
        actor.subject_type,
        actor.subject_id,
        actor.organization_id,
        actor.permissions,
        actor.application_ids,
    )
