"""A conductor with the showcase application connected to it, for tests of the console in a browser."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from support.conductor import ConductorProcess
from support.process import Process
from support.tools import require
from support.wait import wait_until

PROGRAM = Path(__file__).parents[1] / "apps" / "showcase.py"
LAUNCH_SECS = 60.0
APPLICATION = "showcase"


class Showcase:
    """A conductor process, and one process of the application with something of everything.

    Args:
        folder: gets every file.
    """

    def __init__(self, folder: Path) -> None:
        require("dbos")
        self._folder = folder
        self._stack = ExitStack()
        # Numbers the processes' logs.
        self._processes = 0
        self.conductor = ConductorProcess(folder, {"dev": True, "executor_timeout_secs": 2})
        # The application's process.
        self.app: Process

    def __enter__(self) -> Self:
        self._stack.enter_context(self.conductor)
        self.app = self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where the console is."""
        return self.conductor.url

    def release(self) -> None:
        """Let held workflows end."""
        (self._folder / "hold").unlink(missing_ok=True)

    def vanish(self) -> None:
        """Kill the application's process, and wait until the conductor knows."""
        self.app.kill()
        wait_until(
            lambda: "HEALTHY" not in self.conductor.statuses(APPLICATION).values(), 30, "it to be missed"
        )

    def await_snapshots(self, workflows: int) -> None:
        """Wait until the conductor has snapshots of so many workflows at least."""
        path = f"{self.url}/v2/orgs/local/apps/{APPLICATION}/workflows?source=snapshot"

        def count() -> bool:
            answer = httpx.get(path, timeout=30, trust_env=False)
            return answer.status_code == 200 and len(answer.json()) >= workflows

        wait_until(count, 60, f"snapshots of {workflows} workflows")

    def _start(self) -> Process:
        self._processes += 1
        command: list[str | Path] = [sys.executable, PROGRAM, "--conductor-url", self.conductor.ws_url]
        command += ["--name", APPLICATION, "--hold-file", self._folder / "hold"]
        command += ["--database", self._folder / "showcase.sqlite"]
        log = self._folder / f"showcase-{self._processes}.log"
        process = self._stack.enter_context(Process(command, log))
        ready = json.loads(process.wait_for_line('"ready": true', LAUNCH_SECS))
        process.wait_until(
            lambda: self.conductor.statuses(APPLICATION).get(ready["executor_id"]) == "HEALTHY",
            30,
            "the executor to be listed as healthy",
        )
        return process
