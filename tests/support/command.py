"""The command line: what a command prints on its two outputs, and its exit status."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from conductor_lite.cli.main import main

COMMAND = (sys.executable, "-m", "conductor_lite")


class Finished(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What it said of its failure: one line, no traceback."""
        assert self.status != 0, self.out
        assert "Traceback" not in self.err, self.err
        (line,) = self.err.splitlines()
        assert line.startswith("conductor-lite: "), line
        assert line.endswith((".", ").")), line
        return line.removeprefix("conductor-lite: ")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of a conductor, and with these changes."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONDUCTOR_LITE_")}
    return {**clean, "COLUMNS": "200", **(changes or {})}


def command(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Finished:
    """Run ``conductor-lite`` with these arguments in this process, a second sooner than in one of its own.

    What the entry point lets through, as a traceback would be, fails the test.
    """
    return run_here(arguments, cwd, environment(env), stdin)


def run_here(
    arguments: Sequence[str | Path], cwd: Path, environ: Mapping[str, str], stdin: str = ""
) -> Finished:
    """The same with nothing else in the environment. Not for two threads at once."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status: object = 0
    with (
        chdir(cwd),
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "argv", ["conductor-lite", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")),
        _logging_as_before(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    assert isinstance(status, int)
    return Finished(status, _text(out), _text(err))


def _text(written: io.TextIOWrapper) -> str:
    assert isinstance(written.buffer, io.BytesIO)
    return written.buffer.getvalue().decode()


def command_process(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Finished:
    """The same in a process of its own, as a user runs it."""
    finished = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


@contextmanager
def _logging_as_before() -> Iterator[None]:
    """Undo afterwards what ``serve`` makes of the logging of its process."""
    loggers = [logging.getLogger(name) for name in ("", "conductor_lite", "uvicorn")]
    before = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers, level in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)
