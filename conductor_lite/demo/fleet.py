"""Supervises the demo's executor processes for ``serve --demo``. Never imports the SDK or the application."""

import asyncio
import contextlib
import importlib.util
import logging
import os
import sys
from pathlib import Path

from conductor_lite.errors import ConfigurationError, StartupError

APPLICATION_NAME = "demo-shop"
LABELS = ("A", "B")

_log = logging.getLogger(__name__)
_TAIL_BYTES = 2_000


class DemoExecutor:
    """One executor process of the demo, replaced by a new one some time after it dies."""

    def __init__(self, label: str, folder: Path) -> None:
        #: Shown in the console, and in the log's name.
        self.label = label
        #: The process's standard error; the process itself keeps it short.
        self.log_path = folder / f"executor-{label}.log"
        #: The current process, or None before the start and between a death and its successor.
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process to kill, or None while there is none."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def launch(self, command: list[str], timeout_secs: float) -> None:
        """Start a process and wait until it says that it is ready.

        Raises:
            StartupError: it ended or said nothing in time; quotes the end of its log.
        """
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command,
                "--executor-label",
                self.label,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Ctrl-C in the terminal is for the server, which then stops its demo in good order.
                start_new_session=True,
            )
        if self.process.stdout is None:
            raise StartupError("The demo's process has no standard output to report on.")
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout_secs)
        except TimeoutError:
            line = b""
        if not line:
            await self.end(0)
            raise StartupError(
                f"Executor {self.label} of the demo did not start; {self.log_path} ends with:\n{self._tail()}"
            )

    async def end(self, timeout_secs: float) -> None:
        """SIGTERM, then SIGKILL after ``timeout_secs`` seconds; at once when that is 0."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if timeout_secs > 0:
                process.terminate()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), timeout_secs)
            if process.returncode is None:
                process.kill()
        await process.wait()

    def _tail(self) -> str:
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


class DemoFleet:
    """The demo's executors, on one SQLite system database.

    Args:
        restart_after_secs: how long a dead executor stays away, so that its work is seen to be recovered
            by another before a new one (with a new id) takes its place.
        ready_timeout_secs: how long a process may take until it is ready.
        stop_timeout_secs: how long a process may take to end before it is killed.
    """

    def __init__(
        self,
        *,
        restart_after_secs: float = 45,
        ready_timeout_secs: float = 60,
        stop_timeout_secs: float = 10,
    ) -> None:
        self._restart_after_secs = restart_after_secs
        self._ready_timeout_secs = ready_timeout_secs
        self._stop_timeout_secs = stop_timeout_secs
        #: Set by `start`; one per label, for as long as the fleet lives.
        self.executors: tuple[DemoExecutor, ...] = ()
        self._command: list[str] = []
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> dict[str, int]:
        """The living processes: process id by label."""
        return {executor.label: executor.pid for executor in self.executors if executor.pid is not None}

    async def start(self, conductor_url: str, key: str, data_dir: Path) -> None:
        """Start every executor and return when all are ready. The conductor need not listen yet.

        Args:
            conductor_url: where they connect to, such as ``ws://127.0.0.1:8090``.
            key: the API key they show; any will do where the server accepts any.
            data_dir: the server's data folder; the demo keeps its database and logs in ``demo`` there.

        Raises:
            ConfigurationError: the DBOS SDK is not installed.
            StartupError: the folder cannot be written, or a process did not start. None is left running.
        """
        # Looking for the package does not import it.
        if importlib.util.find_spec("dbos") is None:
            raise ConfigurationError(
                "--demo runs a DBOS application, and the DBOS SDK is not installed: "
                "pip install 'conductor-lite[demo]'"
            )
        folder = data_dir / "demo"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(f"The demo's folder {folder} cannot be made: {error.strerror}.") from error
        self._command = [
            *(sys.executable, "-m", "conductor_lite.demo.app"),
            *("--conductor-url", conductor_url, "--key", key),
            *("--database", str(folder / f"{APPLICATION_NAME}.sqlite"), "--name", APPLICATION_NAME),
            *("--parent-pid", str(os.getpid())),
        ]
        self.executors = tuple(DemoExecutor(label, folder) for label in LABELS)
        try:
            # One after the other, for the first one makes the database.
            for executor in self.executors:
                await executor.launch(self._command, self._ready_timeout_secs)
        except OSError as error:
            await self.stop()
            raise StartupError(f"The demo cannot start in {folder}: {error}.") from error
        except BaseException:
            await self.stop()
            raise
        self._watchers = [
            asyncio.create_task(self._watch(executor), name=f"demo executor {executor.label}")
            for executor in self.executors
        ]

    async def stop(self) -> None:
        """End every process, by force where it does not end in time. Harmless when nothing runs."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []
        await asyncio.gather(*(executor.end(self._stop_timeout_secs) for executor in self.executors))

    async def _watch(self, executor: DemoExecutor) -> None:
        """Replace the process each time it dies, until cancelled."""
        while True:
            if executor.process is not None:
                status = await executor.process.wait()
                _log.info(
                    "Executor %s of the demo (process %d) ended with status %d; a new one starts in %g s",
                    executor.label,
                    executor.process.pid,
                    status,
                    self._restart_after_secs,
                )
            await asyncio.sleep(self._restart_after_secs)
            try:
                await executor.launch(self._command, self._ready_timeout_secs)
            except (StartupError, OSError) as error:
                _log.warning("%s", error)
