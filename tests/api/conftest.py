"""A conductor on a real database, its faces called in process; and the same behind a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from support.api import Api
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.server import Conductor, build_app, open_conductor

BASE_URL = "http://127.0.0.1:8090"
MAX_BODY_BYTES = 4_096


Body = Callable[[Api], Awaitable[Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", max_body_bytes=MAX_BODY_BYTES, allowed_hosts=("proxy.example",)
    )


@pytest.fixture
def run(settings: Settings) -> Callable[[Body], Any]:
    """Runs an async function on the application, called in process."""

    async def whole(body: Body) -> Any:
        async with open_conductor(settings) as conductor:
            await conductor.start()
            transport = httpx.ASGITransport(build_app(conductor))
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, timeout=60) as client:
                try:
                    return await body(Api(conductor, client))
                finally:
                    await conductor.stop()

    return lambda body: asyncio.run(whole(body))


@pytest.fixture
def run_served(settings: Settings) -> Callable[[Body], Any]:
    """Runs an async function on the application, reached through uvicorn and a loopback socket."""

    async def whole(body: Body) -> Any:
        async with open_conductor(settings) as conductor:
            await conductor.start()
            async with _served(conductor) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
                try:
                    return await body(Api(conductor, client))
                finally:
                    await conductor.stop()

    return lambda body: asyncio.run(whole(body))


@asynccontextmanager
async def _served(conductor: Conductor) -> AsyncIterator[str]:
    config = uvicorn.Config(
        build_app(conductor),
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve([listener]))
        await wait_until_async(lambda: server.started, 5, "uvicorn to listen")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
