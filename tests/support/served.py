"""A whole conductor on a real socket inside the test's own process, its parts within reach."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from support.executor import ScriptedExecutor, Workload
from support.wait import wait_until_async

from conductor_lite import server
from conductor_lite.auth.actor import Actor, local_actor
from conductor_lite.config import Settings
from conductor_lite.fleet.views import ExecutorView
from conductor_lite.server import Conductor, open_conductor

APPLICATION = "shop"
LOCAL = local_actor(None)

#: The fixture of that name: runs an async function on a ``Served``; keywords change settings.
Run = Callable[..., Any]


class Served:
    """What a test works with.

    Args:
        conductor: the running parts.
        url: where it answers HTTP.
        stack: ends the executors when the test is over.
    """

    def __init__(self, conductor: Conductor, url: str, stack: AsyncExitStack) -> None:
        self.conductor = conductor
        self.url = url
        self.ws_url = url.replace("http", "ws", 1)
        self.workload = Workload()
        self._stack = stack

    async def application_id(self, name: str = APPLICATION) -> str:
        """The id of an application, which is registered if need be."""
        return (await self.conductor.operations.applications.register(LOCAL, name)).record.id

    async def key(self, *permissions: str, name: str = "a key", apps: tuple[str, ...] = ()) -> str:
        """Make an API key; gives its text."""
        created = await self.conductor.operations.keys.create(
            LOCAL, name, permissions=permissions or None, application_names=apps or None
        )
        return created.key

    async def actor(self, key: str) -> Actor:
        """On whose behalf requests with that key run."""
        return await self.conductor.authenticator.actor(f"Bearer {key}", None)

    async def executor(self, executor_id: str, version: str = "1", **options: Any) -> ScriptedExecutor:
        """Connect an executor of the application and wait until it is healthy."""
        executor = ScriptedExecutor(executor_id, version, self.workload)
        return await self.connected(executor, **options)

    async def connected(self, executor: ScriptedExecutor, **options: Any) -> ScriptedExecutor:
        """The same for an executor that was scripted first."""
        before = self.connected_at(executor)
        await executor.connect(self.ws_url, APPLICATION, **options)
        self._stack.push_async_callback(executor.vanish)
        await wait_until_async(
            lambda: self.connected_at(executor) not in (None, before), 5, f"{executor.executor_id} to connect"
        )
        return executor

    def connected_at(self, executor: ScriptedExecutor) -> object:
        """When its present socket registered; None while there is none."""
        view = self.views().get(executor.executor_id, {}).get(executor.version)
        return view.connected_at if view else None

    def views(self) -> dict[str, dict[str, ExecutorView]]:
        """The application's executors by id and version."""
        found: dict[str, dict[str, ExecutorView]] = {}
        for fleet in self.conductor.fleet._registry:
            if fleet.record.name == APPLICATION:
                for view in self.conductor.fleet.executors(fleet.record.id):
                    found.setdefault(view.executor_id, {})[view.application_version] = view
        return found

    def view(self, executor_id: str, version: str = "1") -> ExecutorView:
        """One of the application's executors."""
        return self.views()[executor_id][version]

    def statuses(self) -> dict[str, str]:
        """The status of each executor id, when each has one version only."""
        return {id_: view.status for id_, by_version in self.views().items() for view in by_version.values()}

    async def await_status(self, executor_id: str, status: str | None, version: str = "1") -> None:
        """Wait until an executor has this status; None is to say forgotten."""

        def arrived() -> bool:
            view = self.views().get(executor_id, {}).get(version)
            return (view.status if view else None) == status

        await wait_until_async(arrived, 10, f"{executor_id} to be {status or 'forgotten'}")

    async def ask(self, request: Any, **options: Any) -> Any:
        """Ask the application something, as operations do."""
        return await self.conductor.fleet.ask(await self.application_id(), request, **options)

    async def audit(self, operation: str) -> list[Any]:
        """The audit log's entries of one operation, oldest first."""
        entries = await self.conductor.operations.audit.list(LOCAL, operation=operation, limit=1_000)
        return entries[::-1]

    async def http(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One HTTP request."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as client:
            return await client.request(method, path, **options)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Served]:
    """Run a conductor as ``conductor_lite.server.serve`` does; ``settings.port`` is to be 0."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def on_ready() -> None:
        ready.set_result(None)

    async with open_conductor(settings) as conductor:
        await conductor.start()
        config = server._uvicorn_config(settings, conductor)
        running = server._Server(config, on_ready, conductor.stop)
        with server._listener(settings) as listener:
            # Not serve(), which would take over the test runner's signal handlers.
            serving = asyncio.create_task(running._serve([listener]))
            async with asyncio.timeout(60):
                await ready
            try:
                async with AsyncExitStack() as stack:
                    yield Served(conductor, server._url(settings, listener), stack)
            finally:
                running.should_exit = True
                await serving
