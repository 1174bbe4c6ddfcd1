"""Child processes of tests: in their own process group, output in a file, gone when the test is over."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from support.wait import DeadlineError, wait_until

T = TypeVar("T")

_TAIL_LINES = 40


class ProcessError(AssertionError):
    """A child did not do what the test needs of it; the text ends with the tail of its output."""


def _state(thread: Path) -> str:
    """What Linux says of a thread, in one letter; one that has ended stands still."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    return "T"


class Process:
    """One child process, to be used in a ``with`` statement, which kills its whole group however it ends.

    Args:
        command: program and arguments.
        output_path: the file that standard output and standard error are appended to.
        env: variables set on top of this process's own.
        cwd: the child's working directory.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        output_path: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.output_path = output_path
        self._offset = output_path.stat().st_size if output_path.exists() else 0
        # Unbuffered, so that a line a child printed can be waited for.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        with output_path.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                process_group=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            error.add_note(self.describe())

    @property
    def pid(self) -> int:
        """The child's process id, which is also its group's."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        """What this child has printed so far."""
        with self.output_path.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")

    def describe(self) -> str:
        """Its command, how it ended, and the tail of its output, for a failure's text."""
        state = "still running" if self.returncode is None else f"exit status {self.returncode}"
        tail = "\n".join(self.output.splitlines()[-_TAIL_LINES:])
        return f"--- {' '.join(self.command)} (pid {self.pid}, {state}) ---\n{tail}"

    def send_signal(self, signum: signal.Signals) -> None:
        """Signal the child alone, not its group."""
        self._popen.send_signal(signum)

    def freeze(self) -> None:
        """SIGSTOP the child alone, and wait until every thread of it stands still."""
        self.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")

        def still() -> bool:
            return all(_state(thread) == "T" for thread in threads.iterdir())

        self.wait_until(still, 30, "it to stand still")

    def terminate(self, deadline_secs: float = 60) -> int:
        """SIGTERM the child and return its exit status.

        Raises:
            ProcessError: it did not end in time.
        """
        self.send_signal(signal.SIGTERM)
        return self.wait(deadline_secs)

    def kill(self) -> None:
        """SIGKILL whatever is left of the group, and reap the child."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def wait(self, deadline_secs: float) -> int:
        """Its exit status, once it has ended.

        Raises:
            ProcessError: it did not end in time.
        """
        try:
            return self._popen.wait(deadline_secs)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"It did not end within {deadline_secs:g} s.\n{self.describe()}") from None

    def wait_until(self, predicate: Callable[[], T], deadline_secs: float, what: str) -> T:
        """Like ``support.wait.wait_until``, giving up at once when the child ends first.

        Raises:
            ProcessError: the child ended, or the time was up.
        """

        def answer() -> tuple[T] | None:
            # Asked before looking at the child, whose last act may be what is waited for.
            ended = self.returncode is not None
            found = predicate()
            if found:
                return (found,)
            if ended:
                raise ProcessError(f"It ended while {what} was waited for.\n{self.describe()}")
            return None

        try:
            found = wait_until(answer, deadline_secs, what)
        except DeadlineError as error:
            raise ProcessError(f"{error}\n{self.describe()}") from None
        assert found is not None
        return found[0]

    def wait_for_line(self, text: str, deadline_secs: float) -> str:
        """The first whole line of its output that contains ``text``.

        Raises:
            ProcessError: the child ended, or the time was up.
        """

        def line() -> str | None:
            whole, _, _ = self.output.rpartition("\n")
            return next((line for line in whole.splitlines() if text in line), None)

        found = self.wait_until(line, deadline_secs, f"a line with {text!r}")
        assert found is not None
        return found
