"""``conductor-lite serve``: the server, and the demo beside it."""

import asyncio
import gc
import logging
import os
from typing import Annotated

import typer

from conductor_lite.cli.options import ConfigOption, DataDirOption, settings_of
from conductor_lite.config import Settings
from conductor_lite.errors import ConductorError
from conductor_lite.logs import configure_logging

logger = logging.getLogger("conductor_lite.demo")


def serve(
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 picks a free one.  [default: 8090]")
    ] = None,
    data_dir: DataDirOption = None,
    dev: Annotated[
        bool,
        typer.Option(
            "--dev",
            help="Development: any API key connects, applications register themselves, executors count as "
            "dead after 10 s.",
        ),
    ] = False,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Like --dev, and run a sample application on two processes beside it."),
    ] = False,
) -> None:
    """Run the server until SIGINT or SIGTERM."""
    # Collecting garbage takes a fifth of the start and finds next to none; the server resumes it when ready.
    gc.disable()
    settings = settings_of(config, host=host, port=port, data_dir=data_dir, dev=True if dev or demo else None)
    configure_logging(settings.log_level)
    # uvloop is imported here: only the server needs it.
    import uvloop

    uvloop.run(_serve(settings, demo=demo))


async def _serve(settings: Settings, *, demo: bool) -> None:
    from conductor_lite import server

    demonstration = _Demonstration(settings) if demo else None

    async def on_ready(url: str) -> None:
        mode = " in development mode" if settings.dev else ""
        typer.echo(f"conductor-lite is ready{mode}: {url} (data in {_shown(settings)})")
        if demonstration is not None:
            demonstration.start(url)

    async def on_stop() -> None:
        if demonstration is not None:
            await demonstration.stop()

    await server.serve(settings, on_ready, on_stop)


class _Demonstration:
    """The sample application, started once the server is ready."""

    def __init__(self, settings: Settings) -> None:
        from conductor_lite.demo.fleet import DemoFleet

        self._data_dir = settings.data_dir
        self._fleet = DemoFleet()
        self._starting: asyncio.Task[None] | None = None

    def start(self, url: str) -> None:
        """Start the processes without keeping the server waiting."""
        self._starting = asyncio.create_task(self._start(url))

    async def stop(self) -> None:
        """End the processes."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._fleet.stop()

    async def _start(self, url: str) -> None:
        typer.echo("Starting the demo application on two processes …")
        try:
            await self._fleet.start(url.replace("http", "ws", 1), "demo", self._data_dir)
        except ConductorError as error:
            typer.echo(f"The demo does not run: {error}", err=True)
            return
        except Exception:
            logger.exception("The demo does not run.")
            return
        pids = [str(pid) for pid in self._fleet.pids.values()]
        typer.echo(
            f"The demo runs as processes {' and '.join(pids)}. Open {url}, then kill one with "
            f"'kill -9 {pids[0]}' and watch the other finish its work."
        )


def _shown(settings: Settings) -> str:
    path = os.fspath(settings.data_dir)
    return path if os.path.isabs(path) else os.path.join(".", path)
