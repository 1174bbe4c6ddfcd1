"""A conductor in the test's own process, on a real port: for tests that ask executors what no face asks."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import uvicorn

from conductor_lite.auth.actor import LOCAL_ORGANIZATION, local_actor
from conductor_lite.config import Settings
from conductor_lite.fleet.views import ExecutorView
from conductor_lite.protocol import Reply, Request
from conductor_lite.server import Conductor, build_app, open_conductor
from conductor_lite.store.applications import Applications

R = TypeVar("R", bound=Reply)


class ServedApplication:
    """One application of a conductor that serves in this process.

    Args:
        conductor: the conductor.
        application_id: of the application.
        url: the conductor's WebSocket address.
    """

    def __init__(self, conductor: Conductor, application_id: str, url: str) -> None:
        self._conductor = conductor
        self._application_id = application_id
        self.url = url

    def executors(self, status: str | None = None) -> list[ExecutorView]:
        """Its executors, or those of one status."""
        views = self._conductor.fleet.executors(self._application_id)
        return [view for view in views if status in (None, view.status)]

    async def ask(self, request: Request[R]) -> R:
        """Ask one healthy executor; raises what ``Fleet.ask`` raises."""
        return await self._conductor.fleet.ask(self._application_id, request)


@asynccontextmanager
async def served_application(
    data_dir: Path, name: str, executor_timeout_secs: int
) -> AsyncIterator[ServedApplication]:
    """Serve in development mode on a free port, with one application registered."""
    settings = Settings(dev=True, data_dir=data_dir, executor_timeout_secs=executor_timeout_secs)
    async with open_conductor(settings) as conductor:
        await conductor.start()
        await conductor.operations.applications.register(local_actor(None), name)
        record = await Applications(conductor.db).get(LOCAL_ORGANIZATION, name)
        assert record is not None
        config = uvicorn.Config(
            build_app(conductor), ws="websockets-sansio", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        # Not serve(), which would take over the test runner's signal handlers.
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield ServedApplication(conductor, record.id, f"ws://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            await conductor.stop()
            server.should_exit = True
            await task
            listener.close()
