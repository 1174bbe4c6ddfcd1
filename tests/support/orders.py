"""A conductor with the orders application connected to it, for contract tests of the HTTP API."""

import json
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from support.conductor import ConductorProcess
from support.process import Process
from support.tools import require
from support.wait import wait_until

PROGRAM = Path(__file__).parents[1] / "apps" / "orders.py"
LAUNCH_SECS = 60.0


class Orders:
    """A conductor process, and processes of the orders application on one database.

    Args:
        folder: gets every file.
        settings: further settings of the conductor.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None) -> None:
        require("dbos")
        self._folder = folder
        self._hold_file = folder / "hold"
        self._stack = ExitStack()
        # Numbers the processes' logs.
        self._processes = 0
        self.conductor = ConductorProcess(folder, {"dev": True, **(settings or {})})
        # Of the conductor; open as long as the ``with`` block runs.
        self.client: httpx.Client

    def __enter__(self) -> Self:
        self._hold_file.touch()
        self._stack.enter_context(self.conductor)
        url = f"{self.conductor.url}/v2/orgs/local"
        self.client = self._stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where the console is."""
        return self.conductor.url

    def spawn(
        self,
        *options: str,
        name: str = "orders",
        version: str = "1.0.0",
        populate: bool = True,
        database: str | None = None,
    ) -> Process:
        """Start a process of the application, and wait until the conductor lists it as healthy."""
        more = [*options, *(["--populate"] if populate else [])]
        process, ready = self._start(self.conductor.ws_url, name, version, database or name, more)
        process.wait_until(
            lambda: self.conductor.statuses(name).get(ready["executor_id"]) == "HEALTHY",
            30,
            "the executor to be listed as healthy",
        )
        return process

    def leave_behind(self) -> str:
        """Begin every kind of workflow in a process that never reaches the conductor, and kill it.

        Returns:
            The executor id that owns what was under way.
        """
        nowhere = "ws://127.0.0.1:9"
        process, ready = self._start(nowhere, "orders", "1.0.0", "orders", ["--populate"])
        with closing(sqlite3.connect(self.database())) as db:
            slow = "SELECT count(*) FROM workflow_status WHERE name = 'slow' AND status = 'PENDING'"
            process.wait_until(lambda: db.execute(slow).fetchone()[0] == 6, 30, "slow workflows to begin")
        process.kill()
        return str(ready["executor_id"])

    def database(self, name: str = "orders") -> Path:
        """The file that an application keeps its workflows in."""
        return self._folder / f"{name}.sqlite"

    def release(self) -> None:
        """Let slow workflows end."""
        self._hold_file.unlink(missing_ok=True)

    def call(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        """One call below the application ``orders``."""
        return self.client.request(method, f"/apps/orders{path}", json=body, **options)

    def get(self, path: str) -> Any:
        """The decoded answer of a successful ``GET`` below the application."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """The decoded answer of a successful ``POST`` below the application."""
        answer = self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def await_workflow(self, workflow_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a workflow has one of these statuses."""

        def arrived() -> dict[str, Any] | None:
            answer = self.call("GET", f"/workflows/{workflow_id}")
            return (
                answer.json() if answer.status_code == 200 and answer.json()["status"] in statuses else None
            )

        found = wait_until(arrived, 30, f"{workflow_id} to be {' or '.join(statuses)}")
        assert found is not None
        return found

    def _start(
        self, url: str, name: str, version: str, database: str, options: list[str]
    ) -> tuple[Process, dict[str, Any]]:
        """A process that has begun its work, and what it says of itself."""
        self._processes += 1
        command: list[str | Path] = [sys.executable, PROGRAM, "--conductor-url", url]
        command += ["--name", name, "--version", version, "--hold-file", self._hold_file, *options]
        command += ["--database", self.database(database)]
        log = self._folder / f"orders-{self._processes}.log"
        process = self._stack.enter_context(Process(command, log))
        return process, json.loads(process.wait_for_line('"ready": true', LAUNCH_SECS))
