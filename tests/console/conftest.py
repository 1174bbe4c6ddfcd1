"""A whole server in the test's own process, and a client of it that behaves like a browser."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.served import Served, served

from conductor_lite.config import Settings

Body = Callable[[Served, httpx.AsyncClient], Awaitable[Any]]
#: Runs an async function on the server and its client; keywords are settings of the server.
Browse = Callable[..., Any]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Runs on the same data folder each time; forms lead where they send a browser."""

    def run(body: Body, **settings: Any) -> Any:
        async def whole() -> Any:
            given = {"data_dir": tmp_path / "data folder", "port": 0, **settings}
            async with (
                served(Settings(**given)) as scene,
                httpx.AsyncClient(
                    base_url=scene.url, trust_env=False, follow_redirects=True, timeout=60
                ) as client,
            ):
                return await body(scene, client)

        return asyncio.run(whole())

    return run
