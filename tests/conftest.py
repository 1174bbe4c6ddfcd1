"""What every test may use: the promise of required tools, read before anything runs; a served conductor."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.served import Run, Served, served
from support.tools import required_tools

from conductor_lite.config import Settings


def pytest_configure(config: pytest.Config) -> None:
    required_tools()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an async function on a served conductor."""
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, request_timeout_secs=5)

    def run(body: Callable[[Served], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with served(settings) as scene:
                await scene.application_id()
                return await body(scene)

        return asyncio.run(whole())

    return run
