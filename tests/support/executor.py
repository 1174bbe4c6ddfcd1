"""An executor whose every answer a test scripts: slow, silent, out of order, wrong, or gone.

It speaks through our own protocol package on a real socket, in the loop of the test. What real SDKs do is
tested with real ones.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conductor_lite.protocol import (
    ExecutorInfo,
    ExecutorInfoReply,
    ExistPendingWorkflows,
    ExistPendingWorkflowsReply,
    Recovery,
    RecoveryReply,
    Reply,
    Request,
    decode_request,
    encode_reply,
    message_type,
)

#: Gives the reply to a request; None leaves it unanswered.
Handler = Callable[[Any], Awaitable[Reply | None]]


class Workload:
    """What an application's database holds: who has pending workflows, by executor id and version."""

    def __init__(self) -> None:
        self.pending: set[tuple[str, str]] = set()


class ScriptedExecutor:
    """One executor and its socket. Knows ``executor_info``, ``recovery`` and ``exist_pending_workflows``.

    Args:
        executor_id: what it calls itself.
        version: its application version.
        workload: shared with the other executors of its application.
    """

    def __init__(self, executor_id: str, version: str = "1", workload: Workload | None = None) -> None:
        self.executor_id = executor_id
        self.version = version
        self.workload = workload or Workload()
        #: Every request that arrived, in order.
        self.requests: list[Request[Reply]] = []
        #: Requests that have been read and not been answered.
        self.unanswered: list[tuple[Request[Reply], str]] = []
        self.info = ExecutorInfoReply(executor_id=executor_id, application_version=version, language="python")
        self._script: dict[type[Request[Any]], Handler] = {
            ExecutorInfo: self._introduce,
            Recovery: self._recover,
            ExistPendingWorkflows: self._look_for_pending,
        }
        self._connection: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, ws_url: str, application: str, key: str = "any-key", **options: Any) -> Self:
        """Open the socket and serve it in the background until it closes.

        Raises:
            websockets.exceptions.InvalidStatus: it was refused.
        """
        url = f"{ws_url}/websocket/{application}/{key}"
        self._connection = await connect(url, proxy=None, **options)
        self._spawn(self._serve())
        return self

    @property
    def connection(self) -> ClientConnection:
        """Its socket."""
        assert self._connection is not None
        return self._connection

    def on(self, kind: type[Request[Any]], handler: Handler) -> None:
        """Script the answer to one kind of message."""
        self._script[kind] = handler

    def answers(self, kind: type[Request[Any]], reply: Reply) -> None:
        """Always answer one kind of message with the same reply."""

        async def handler(request: Request[Reply]) -> Reply:
            return reply

        self.on(kind, handler)

    def ignores(self, *kinds: type[Request[Any]]) -> None:
        """Leave these kinds of messages unanswered."""

        async def handler(request: Request[Reply]) -> None:
            return None

        for kind in kinds:
            self.on(kind, handler)

    def count(self, kind: type[Request[Any]]) -> int:
        """How many requests of one kind have arrived."""
        return self.counts()[message_type(kind)]

    def counts(self) -> Counter[str]:
        """How many requests have arrived, by type."""
        return Counter(message_type(type(request)) for request in self.requests)

    async def send(self, frame: str | bytes) -> None:
        """Send any frame."""
        await self.connection.send(frame)

    async def reply(self, reply: Reply, request_id: str) -> None:
        """Send a reply to a request left unanswered."""
        await self.send(encode_reply(reply, request_id))

    async def closing(self, deadline_secs: float = 60) -> tuple[int, str]:
        """Wait until the conductor closes; the code and reason that it gave, 1006 when it gave none."""
        async with asyncio.timeout(deadline_secs):
            await self.connection.wait_closed()
        return self.connection.close_code or 1006, self.connection.close_reason or ""

    async def leave(self) -> None:
        """Close properly."""
        await self.connection.close()
        await self._finish()

    async def vanish(self) -> None:
        """Break off without a word, as a killed process does."""
        self.connection.transport.abort()
        await self._finish()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.connection:
                request, request_id = decode_request(frame)
                self.requests.append(request)
                self.unanswered.append((request, request_id))
                # Each in a task of its own, so that answers may overtake each other.
                self._spawn(self._handle(request, request_id))

    async def _handle(self, request: Request[Reply], request_id: str) -> None:
        handler = self._script.get(type(request))
        reply = await handler(request) if handler else None
        if reply is not None:
            with contextlib.suppress(ConnectionClosed):
                await self.reply(reply, request_id)
            self.unanswered.remove((request, request_id))

    async def _introduce(self, request: ExecutorInfo) -> Reply:
        return self.info

    async def _recover(self, request: Recovery) -> Reply:
        # As real ones do: only what runs their own version, and success all the same.
        self.workload.pending -= {(executor_id, self.version) for executor_id in request.executor_ids}
        return RecoveryReply(success=True)

    async def _look_for_pending(self, request: ExistPendingWorkflows) -> Reply:
        wanted = (request.executor_id, request.application_version)
        return ExistPendingWorkflowsReply(exist=wanted in self.workload.pending)
