"""How the benchmark talks to the processes it starts: JSON lines, commands on stdin and answers on stdout."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SCRIPTS = Path(__file__).resolve().parent.parent
_TAIL_LINES = 15
_CHUNK_BYTES = 65_536

Handler = Callable[..., Awaitable[object]]


class BenchmarkError(Exception):
    """Something could not be measured; the text says what, and what the process printed."""


class Child:
    """A process that the benchmark started, to be used in a ``with`` statement.

    Args:
        command: program and arguments.
        log: file that takes its standard error; its folder is where the process runs.
        environment: variables on top of this process's own, less those that set up a conductor-lite.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("CONDUCTOR_LITE_")
        }
        self._command = command
        self._log = log
        # What was read from its standard output and not yet taken as a line.
        self._unread = b""
        with log.open("ab") as errors:
            #: When it was started, on the monotonic clock.
            self.started_at = time.monotonic()
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**inherited, "PYTHONUNBUFFERED": "1", **(environment or {})},
                cwd=log.parent,
                bufsize=0,
            )

    @classmethod
    def module(cls, name: str, log: Path, *arguments: str) -> Self:
        """Start a module of this package with this Python."""
        command = [sys.executable, "-m", f"benchmark.{name}", *arguments]
        path = os.pathsep.join([str(_SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        return cls(command, log, {"PYTHONPATH": path})

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def call(self, command: str, timeout_secs: float = 60.0, /, **arguments: object) -> Any:
        """Have it carry out a command, and give its result.

        Raises:
            BenchmarkError: it failed, ended, or took too long.
        """
        assert self._popen.stdin is not None
        line = json.dumps({"command": command, "arguments": arguments})
        try:
            self._popen.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self._failure(f"ended before {command!r}") from None
        answer = json.loads(self.read_line(timeout_secs))
        if "error" in answer:
            raise self._failure(f"failed at {command!r}: {answer['error']}")
        return answer["result"]

    def read_line(self, timeout_secs: float) -> str:
        """The next line that it prints.

        Raises:
            BenchmarkError: it ended, or printed none in time.
        """
        assert self._popen.stdout is not None
        deadline = time.monotonic() + timeout_secs
        while b"\n" not in self._unread:
            left_secs = deadline - time.monotonic()
            readable, _, _ = select.select([self._popen.stdout], [], [], max(0.0, left_secs))
            if not readable:
                raise self._failure(f"said nothing for {timeout_secs:g} s")
            chunk = os.read(self._popen.stdout.fileno(), _CHUNK_BYTES)
            if not chunk:
                raise self._failure("ended")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: politely, then at once."""
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(15)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()

    def _failure(self, what: str) -> BenchmarkError:
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        return BenchmarkError(f"{' '.join(self._command)} {what}.\n{tail}")


async def serve_commands(handlers: Mapping[str, Handler]) -> None:
    """The child's side: carry out one command after the other until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        message = json.loads(line)
        answer: dict[str, object]
        try:
            answer = {"result": await handlers[message["command"]](**message["arguments"])}
        except Exception as error:  # noqa: BLE001 - the outermost loop of a child; its parent reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(answer)


def say(value: object) -> None:
    """Print one line of JSON for the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
