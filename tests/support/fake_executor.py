"""An executor of our own making, for what the SDK never does: a chosen id, silence, a refused request."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class FakeExecutor:
    """One socket that answers what it is asked.

    Args:
        connection: the open socket.
        executor_id: what it calls itself.
        version: application version.
        answers: further fields of its answers by message type; a type that is missing gets no answer.
    """

    def __init__(
        self,
        connection: ClientConnection,
        executor_id: str,
        version: str,
        answers: Mapping[str, Mapping[str, object]],
    ) -> None:
        self._connection = connection
        information = {"executor_id": executor_id, "application_version": version, "language": "python"}
        self._answers = {"executor_info": information, **answers}
        #: Requests received, in order.
        self.requests: list[dict[str, Any]] = []

    async def closing(self) -> tuple[int, str]:
        """Answer requests until the conductor closes; returns the close code and reason that it gave."""
        try:
            while True:
                await self.answer_next()
        except ConnectionClosed as error:
            return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")

    async def answer_next(self) -> str:
        """Wait for one request and answer it; returns its type.

        Raises:
            ConnectionClosed: the socket is gone.
        """
        request: dict[str, Any] = json.loads(await self._connection.recv())
        self.requests.append(request)
        kind: str = request["type"]
        if kind in self._answers:
            await self._answer(request)
        return kind

    async def answer_late(self, answers: Mapping[str, Mapping[str, object]]) -> None:
        """Answer the newest request after all, and such requests from now on."""
        self._answers |= answers
        await self._answer(self.requests[-1])

    async def _answer(self, request: Mapping[str, Any]) -> None:
        envelope = {"type": request["type"], "request_id": request["request_id"]}
        await self._connection.send(json.dumps({**envelope, **self._answers[request["type"]]}))


@asynccontextmanager
async def fake_executor(
    ws_url: str,
    executor_id: str,
    *,
    version: str = "1.0.0",
    application: str = "ledger",
    key: str = "any-key",
    answers: Mapping[str, Mapping[str, object]] | None = None,
) -> AsyncIterator[FakeExecutor]:
    """Connect, and introduce oneself when asked."""
    async with connect(f"{ws_url}/websocket/{application}/{key}", proxy=None) as connection:
        executor = FakeExecutor(connection, executor_id, version, answers or {})
        assert await executor.answer_next() == "executor_info"
        yield executor
