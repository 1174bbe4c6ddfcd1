"""The whole conductor-lite server with a driver inside, for what cannot be asked for from outside.

Everything else is measured on ``conductor-lite serve`` as users run it.
"""

import asyncio
import sys
from pathlib import Path
from unittest.mock import patch

import uvloop

from benchmark.control import say, serve_commands
from benchmark.driving import common_commands
from conductor_lite import server
from conductor_lite.config import load_settings
from conductor_lite.logs import configure_logging
from conductor_lite.protocol import ExecutorInfo, ListWorkflows, Reply, Request, WorkflowFilters


class DrivenConductor(server.Conductor):
    """A conductor that takes commands from standard input once it has started."""

    async def start(self) -> None:
        """Start as always, then listen."""
        await super().start()
        self._application_id = ""
        commands = common_commands(
            lambda: self._ask(ExecutorInfo()),
            lambda: self._ask(ListWorkflows(body=WorkflowFilters(limit=5_000))),
        )
        self._listening = asyncio.create_task(serve_commands({**commands, "drive": self._drive}))

    async def stop(self) -> None:
        """Stop listening, then as always."""
        self._listening.cancel()
        await super().stop()

    async def _drive(self, application_id: str) -> None:
        self._application_id = application_id

    async def _ask(self, request: Request[Reply]) -> Reply:
        return await self.fleet.ask(self._application_id, request)


async def _announce(url: str) -> None:
    say({"url": url})


async def _nothing() -> None:
    return None


def _main(data_dir: Path) -> None:
    settings = load_settings(None, {}, {"port": 0, "data_dir": data_dir})
    configure_logging(settings.log_level)
    # The composition root makes its own conductor and hands it to nobody.
    with patch.object(server, "Conductor", DrivenConductor):
        uvloop.run(server.serve(settings, _announce, _nothing))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
