"""The yardstick: the least a Starlette socket server on uvicorn can do and still ask its executors something.

It accepts whoever comes, asks who it is, matches answers by request id in one dictionary, and calls the dead.
"""

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmark.control import say, serve_commands
from benchmark.driving import common_commands

# As in conductor-lite, none of which is imported here: that would count as this server's start.
_BACKLOG = 4_096


class BareServer:
    """Sockets by executor id, and the answers they owe.

    Args:
        timeout_secs: after this long the gone are called dead, all of them in one frame to one who is there.
    """

    def __init__(self, timeout_secs: float) -> None:
        self._timeout_secs = timeout_secs
        self._sockets: dict[str, WebSocket] = {}
        self._numbers = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._gone: list[str] = []
        self._turn: Iterator[WebSocket] = iter(())
        self._calling: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, websocket: WebSocket) -> None:
        """One socket, from its handshake to its end."""
        await websocket.accept()
        await websocket.send_text(json.dumps({"type": "executor_info", "request_id": "0"}))
        executor_id = json.loads(await websocket.receive_text())["executor_id"]
        self._sockets[executor_id] = websocket
        try:
            while True:
                answer = json.loads(await websocket.receive_text())
                waiting = self._answers.pop(answer["request_id"], None)
                if waiting is not None:
                    waiting.set_result(answer)
        except WebSocketDisconnect:
            del self._sockets[executor_id]
            self._miss(executor_id)

    async def ask(self, **message: object) -> Any:
        """Ask the next executor in turn."""
        websocket = next(self._turn, None)
        if websocket is None:
            self._turn = iter(list(self._sockets.values()))
            websocket = next(self._turn)
        request_id = str(next(self._numbers))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        await websocket.send_text(json.dumps({**message, "request_id": request_id}))
        return await answer

    def _miss(self, executor_id: str) -> None:
        self._gone.append(executor_id)
        if self._calling is not None:
            self._calling.cancel()
        self._calling = asyncio.get_running_loop().call_later(self._timeout_secs, self._call_dead)

    def _call_dead(self) -> None:
        gone, self._gone = self._gone, []
        if self._sockets:
            self._turn = iter(self._sockets.values())
            task = asyncio.create_task(self.ask(type="recovery", executor_ids=gone))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _page(request: Request) -> Response:
    return Response(bytes(request.path_params["size"]), media_type="text/html")


class _Server(uvicorn.Server):
    """uvicorn, which says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        say({"url": f"http://127.0.0.1:{sockets[0].getsockname()[1]}"})


async def _main(timeout_secs: float) -> None:
    bare = BareServer(timeout_secs)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket/{app}/{key:path}", bare.serve),
            Route("/healthz", _health),
            Route("/page/{size:int}", _page),
        ]
    )
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(config)
        commands = common_commands(
            lambda: bare.ask(type="executor_info"), lambda: bare.ask(type="list_workflows", body={})
        )
        listening = asyncio.create_task(serve_commands(commands))
        await server.serve([listener])
        listening.cancel()


if __name__ == "__main__":
    uvloop.run(_main(float(sys.argv[1])))
