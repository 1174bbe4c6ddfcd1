"""Live pages: one stream of server-sent events per page, telling that something changed, never what.

The page then fetches itself again. Streams are few, beat while nothing happens, and end when the server does.
"""

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, ORGANIZATION_READ, TOKEN_READ
from conductor_lite.console.site import Site
from conductor_lite.errors import ConductorError
from conductor_lite.operations import Operations
from conductor_lite.operations.topics import APPLICATIONS, AUDIT, KEYS, application_topic

MAX_STREAMS = 64
HEARTBEAT_SECS = 15.0
#: Least time between two announcements on one stream.
PAUSE_SECS = 0.5
_RETRY_MS = 2_000
_MAX_TOPICS = 16

_HEADERS = {
    "Cache-Control": "no-store",
    # Tells buffering proxies to pass each event on at once.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


class EventStreams:
    """The open streams.

    Args:
        site: who asks, and the operations whose changes are announced.
        closing: set when the server begins to stop; ends every stream, so that none holds it up.
    """

    def __init__(self, site: Site, closing: asyncio.Event) -> None:
        self._site = site
        self._closing = closing
        # Streams now open.
        self.open = 0

    async def endpoint(self, request: Request) -> Response:
        """Open a stream on ``?topics=``, as far as the actor may see them."""
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type="text/event-stream")
        try:
            actor = await self._site.actor(request)
            wanted = request.query_params.get("topics", "").split(",")[:_MAX_TOPICS]
            topics = await visible_topics(self._site.operations, actor, frozenset(wanted))
        except ConductorError as error:
            return self._site.refusal(request, None, error)
        if self._closing.is_set() or self.open >= MAX_STREAMS:
            reason = "The server is stopping.\n" if self._closing.is_set() else "Too many pages are open.\n"
            return PlainTextResponse(reason, 503, {"Retry-After": "30"})
        return _EventStream(self, topics)

    async def events(self, topics: frozenset[str], gone: asyncio.Task[None]) -> AsyncGenerator[bytes, None]:
        """Yield what the stream says until the reader has gone or the server closes."""
        subscription = self._site.operations.changes.subscribe(topics)
        closing = asyncio.create_task(self._closing.wait())
        change = asyncio.ensure_future(anext(subscription))
        try:
            yield f"retry: {_RETRY_MS}\nevent: ready\ndata:\n\n".encode()
            while not (gone.done() or closing.done()):
                await asyncio.wait(
                    {change, closing, gone}, timeout=HEARTBEAT_SECS, return_when=asyncio.FIRST_COMPLETED
                )
                if not change.done():
                    yield b": beat\n\n"
                    continue
                yield f"event: change\ndata: {','.join(sorted(change.result()))}\n\n".encode()
                # What happens meanwhile is merged into the next announcement.
                await asyncio.wait({closing, gone}, timeout=PAUSE_SECS, return_when=asyncio.FIRST_COMPLETED)
                change = asyncio.ensure_future(anext(subscription))
        finally:
            closing.cancel()
            change.cancel()
            await asyncio.wait({closing, change})
            await subscription.aclose()


class _EventStream(Response):
    """Sends events until the first of: the reader leaves, the server closes.

    Not a ``StreamingResponse``: that one notices a reader's leaving only at its next write.
    """

    media_type = "text/event-stream"

    def __init__(self, streams: EventStreams, topics: frozenset[str]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._streams = streams
        self._topics = topics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.open += 1
        gone = asyncio.create_task(_wait_for_disconnect(receive))
        events = self._streams.events(self._topics, gone)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._streams.open -= 1
            gone.cancel()
            await events.aclose()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def visible_topics(operations: Operations, actor: Actor, wanted: frozenset[str]) -> frozenset[str]:
    """Keep those topics that tell the actor no more than its pages do; unknown ones are dropped."""
    allowed = set()
    if APPLICATION_READ in actor.permissions:
        allowed.add(APPLICATIONS)
        if any(topic not in (APPLICATIONS, KEYS, AUDIT) for topic in wanted):
            applications = await operations.applications.list(actor)
            allowed |= {application_topic(application.record.id) for application in applications}
    if TOKEN_READ in actor.permissions:
        allowed.add(KEYS)
    if ORGANIZATION_READ in actor.permissions:
        allowed.add(AUDIT)
    return wanted & allowed
