"""What a test of real executors works with: a conductor, ledger applications, proxies, the ledger."""

import json
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.conductor import ConductorProcess
from support.process import Process
from support.proxy import Proxy
from support.tools import require
from support.wait import wait_for, wait_until

LEDGER_PROGRAM = Path(__file__).parents[1] / "apps" / "ledger.py"
LAUNCH_SECS = 60.0
#: Seconds that the chaos tests may take; where it is set, others too do what takes long.
CHAOS_VARIABLE = "CONDUCTOR_CHAOS_SECS"


class LedgerApp(Process):
    """One process of the ledger application."""

    #: Known once it was launched.
    executor_id: str

    def await_launch(self) -> Self:
        """Wait until it runs; it may not have connected yet."""
        self.executor_id = json.loads(self.wait_for_line('"ready": true', LAUNCH_SECS))["executor_id"]
        return self


class Scene:
    """One test's processes and files; leaving the ``with`` block ends them all.

    Args:
        folder: gets every file.
    """

    def __init__(self, folder: Path) -> None:
        require("dbos")
        self.folder = folder
        self.database = folder / "app" / "ledger.sqlite"
        self.ledger = folder / "ledger.jsonl"
        self._hold_file = folder / "hold"
        self._stack = ExitStack()
        self._conductor: ConductorProcess | None = None
        # Numbers the processes' logs.
        self._apps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def conductor(self) -> ConductorProcess:
        """The conductor that ``serve`` started."""
        assert self._conductor is not None
        return self._conductor

    def serve(self, **settings: object) -> ConductorProcess:
        """Start a conductor; in development mode with a timeout of 2 s unless the settings say otherwise."""
        defaults: dict[str, object] = {"dev": True, "executor_timeout_secs": 2}
        self._conductor = self._stack.enter_context(ConductorProcess(self.folder, defaults | settings))
        return self._conductor

    def hold(self) -> None:
        """Let no step end from now on: a workflow writes one line, and stays in that step."""
        self._hold_file.touch()

    def release(self) -> None:
        """Let steps end again."""
        self._hold_file.unlink()

    def proxy(self, *, small_buffers: bool = False) -> Proxy:
        """Start a proxy in front of the conductor."""
        return self._stack.enter_context(Proxy(self.conductor.port, small_buffers=small_buffers))

    def spawn(
        self,
        *,
        version: str = "1.0.0",
        start: int = 0,
        steps: int = 3,
        step_secs: float = 0.2,
        prefix: str = "wf",
        key: str = "any-key",
        name: str = "ledger",
        via: Proxy | None = None,
        options: Mapping[str, Path] | None = None,
    ) -> LedgerApp:
        """Start a process of the ledger application without waiting for anything.

        Args:
            version: application version.
            start: how many workflows it is to start.
            steps: steps of each.
            step_secs: duration of each step.
            prefix: of the workflows' ids.
            key: API key.
            name: of the application.
            via: the proxy to connect through.
            options: further options of the program.
        """
        self._apps += 1
        command: list[str | Path] = [sys.executable, LEDGER_PROGRAM, "--name", name, "--key", key]
        command += ["--conductor-url", (via or self.conductor).ws_url, "--version", version]
        # Applications of different names do not share a database.
        command += ["--database", self.database.with_stem(name), "--ledger", self.ledger]
        command += ["--prefix", prefix, "--hold-file", self._hold_file]
        command += ["--start", str(start), "--steps", str(steps), "--step-secs", str(step_secs)]
        for option, value in (options or {}).items():
            command += [option, value]
        return self._stack.enter_context(LedgerApp(command, self.folder / f"app-{self._apps}.log"))

    def app(self, **arguments: Any) -> LedgerApp:
        """``spawn``, and wait until the conductor lists it as healthy."""
        app = self.spawn(**arguments).await_launch()
        self.await_status(app, "HEALTHY", application=arguments.get("name", "ledger"))
        return app

    def await_status(self, app: LedgerApp, status: str | None, *, application: str = "ledger") -> None:
        """Wait until the conductor gives an executor this status; None is to say forgotten."""
        wait_for(
            lambda: self.conductor.statuses(application).get(app.executor_id),
            status,
            60,
            f"executor {app.executor_id} to be {status or 'forgotten'}",
        )

    def start(self, *apps: LedgerApp) -> None:
        """Wait until processes that were spawned side by side have all connected."""
        for app in apps:
            app.await_launch()
            self.await_status(app, "HEALTHY")

    def await_recorded(self, *apps: LedgerApp) -> None:
        """Wait until the conductor has written these down, which it does a moment after they connect."""
        wait_until(
            lambda: {app.executor_id for app in apps} <= self.conductor.executors_on_disk(),
            30,
            "the executors to be on record",
        )

    def freeze(self, app: LedgerApp) -> None:
        """SIGSTOP a process, but not amid a write: the file would stay locked for those that are to go on."""

        def stopped_without_a_lock() -> bool:
            app.freeze()
            with closing(sqlite3.connect(self.database, timeout=5)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    app.send_signal(signal.SIGCONT)
                    return False
            return True

        wait_until(stopped_without_a_lock, 60, "a moment at which it holds no lock")

    def workflows(self) -> dict[str, str]:
        """Each workflow's status, from the application's own database."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            return dict(connection.execute("SELECT workflow_uuid, status FROM workflow_status").fetchall())

    def steps_done(self) -> Counter[tuple[str, int]]:
        """How often each step of each workflow wrote its line."""
        lines = self.lines()
        return Counter((line["workflow"], line["step"]) for line in lines)

    def lines(self) -> list[dict[str, Any]]:
        """The ledger."""
        if not self.ledger.exists():
            return []
        # A process killed while writing may leave the last line unfinished.
        whole, _, _ = self.ledger.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def lines_of(self, app: LedgerApp) -> list[dict[str, Any]]:
        """The lines of one process."""
        return [line for line in self.lines() if line["pid"] == app.pid]

    def await_lines_of(self, app: LedgerApp, count: int) -> None:
        """Wait until a process has written this many lines."""
        app.wait_until(lambda: len(self.lines_of(app)) >= count, 30, f"{count} lines of it in the ledger")

    def await_success(self, count: int, steps: int, deadline_secs: float = 60) -> None:
        """Wait until this many workflows have succeeded; then none of their steps may be missing."""
        wait_for(
            lambda: Counter(self.workflows().values()),
            Counter(SUCCESS=count),
            deadline_secs,
            f"{count} workflows to succeed",
        )
        wanted = {(workflow, step) for workflow in self.workflows() for step in range(1, steps + 1)}
        assert set(self.steps_done()) == wanted
