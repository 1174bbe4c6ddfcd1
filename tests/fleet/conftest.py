"""A conductor whose waits are short, and a way to run an async test on it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from support.served import Run, Served, served

from conductor_lite.config import Settings

Body = Callable[[Served], Awaitable[Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        port=0,
        dev=True,
        executor_timeout_secs=1,
        # Whoever means to answer has this long, on a busy machine too; some tests wait for it to pass.
        request_timeout_secs=1,
        max_frame_bytes=65_536,
        max_in_flight_requests=4,
    )


@pytest.fixture
def run(settings: Settings) -> Run:
    """Runs an async function on a served conductor, on the event loop that the real one uses."""

    def run(body: Body, **changes: Any) -> Any:
        async def whole() -> Any:
            async with served(msgspec.structs.replace(settings, **changes)) as scene:
                return await body(scene)

        return uvloop.run(whole())

    return run
