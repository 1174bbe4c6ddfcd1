"""A conductor that knows one message: enough for an executor to connect and say who it is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class ConductorStub:
    """What a stub saw; ``url`` is for the executors."""

    def __init__(self) -> None:
        self.url = ""
        #: The path of each connection, in order.
        self.paths: list[str] = []
        #: Each executor's answer to ``executor_info``, in order.
        self.infos: list[dict[str, Any]] = []

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        try:
            await connection.send(json.dumps({"type": "executor_info", "request_id": "1"}))
            async for frame in connection:
                self.infos.append(json.loads(frame))
        except ConnectionClosed:
            pass


@asynccontextmanager
async def conductor_stub() -> AsyncIterator[ConductorStub]:
    """A stub listening on a free port of the loopback address."""
    stub = ConductorStub()
    async with serve(stub.handle, "127.0.0.1", 0) as server:
        stub.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield stub
