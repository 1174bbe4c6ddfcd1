"""A conductor on a real socket, whose waits are short."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.served import Run, Served, served

from conductor_lite.config import Settings


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an async function on a served conductor."""
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, executor_timeout_secs=1)

    def run(body: Callable[[Served], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with served(settings) as scene:
                return await body(scene)

        return uvloop.run(whole())

    return run
