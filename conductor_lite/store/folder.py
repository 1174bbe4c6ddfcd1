"""The data folder: held by one process at a time, and where others learn how to reach the server in it.

The lock is ``flock`` on ``conductor.lock``: the kernel lets go of it when the process ends, however it ends,
so there is never a stale one to remove. What a killed process left behind is never trusted without it.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from conductor_lite.errors import StartupError
from conductor_lite.store import files

#: Name of the file that carries the lock and, for people, the process id of its holder.
LOCK_NAME = "conductor.lock"
#: Name of the file that tells where the running server listens.
RUNTIME_NAME = "server.json"

#: How long `DataFolder.open` tries for the lock: whoever only looks whether it is held has it for an instant.
_LOCK_PATIENCE_SECS = 0.25
_LOCK_RETRY_SECS = 0.01


class RunningServer(msgspec.Struct, frozen=True, kw_only=True):
    """A live process that holds a data folder."""

    #: Its process id; None in the instant before it has noted it.
    pid: int | None
    #: Where it listens, such as ``http://127.0.0.1:8090``; None when it does not, or not yet.
    url: str | None


class _Runtime(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    url: str


class DataFolder:
    """A data folder that this process holds. Made by `open`, ended by `close` or by leaving a ``with`` block.

    Args:
        path: the folder.
        lock: descriptor of the locked file.
    """

    def __init__(self, path: Path, lock: int) -> None:
        #: The folder; never changes.
        self.path = path
        #: Descriptor of the locked file; None once closed.
        self._lock: int | None = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder (mode 0700) when it is missing, check that it can be written, and hold it.

        Raises:
            StartupError: it is no folder, cannot be written, or another live process holds it.
        """
        lock: int | None = None
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
            if not _acquire(lock):
                raise StartupError(_held_sentence(path))
            with tempfile.TemporaryFile(dir=path):
                # Can files be made here? The lock file of an earlier run does not prove it.
                pass
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            _remove_leftovers(path)
        except BaseException as error:
            if lock is not None:
                os.close(lock)
            if isinstance(error, OSError):
                raise StartupError(_unusable_sentence(path, error)) from error
            raise
        return cls(path, lock)

    def write_runtime(self, url: str, pid: int | None = None) -> None:
        """Tell others where this server listens, until `close`.

        Args:
            url: such as ``http://127.0.0.1:8090``.
            pid: process id of the server; this process unless given.

        Raises:
            StartupError: the file cannot be written.
        """
        content = msgspec.json.encode(_Runtime(pid=os.getpid() if pid is None else pid, url=url))
        try:
            files.write_private(self.path / RUNTIME_NAME, content)
        except OSError as error:
            raise StartupError(_unusable_sentence(self.path, error)) from error

    def close(self) -> None:
        """Let go of the folder; others find no server there from now on. May be called twice."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        try:
            (self.path / RUNTIME_NAME).unlink(missing_ok=True)
            os.ftruncate(lock, 0)
        finally:
            # The file itself stays: removing it would let two processes lock two files of the same name.
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def running_server(path: Path) -> RunningServer | None:
    """Who holds a data folder right now; None when nobody does, whatever files say.

    Args:
        path: the folder; need not exist.

    Raises:
        StartupError: the folder cannot be looked into.
    """
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StartupError(_unusable_sentence(path, error)) from error
    try:
        # Shared, so that two who look at the same time do not take each other for the server.
        if _try(lock, fcntl.LOCK_SH):
            return None
        holder = _noted_pid(os.pread(lock, 32, 0))
    finally:
        os.close(lock)
    runtime = _read_runtime(path / RUNTIME_NAME)
    if runtime is None or runtime.pid != holder:
        return RunningServer(pid=holder, url=None)
    return RunningServer(pid=holder, url=runtime.url)


def _acquire(lock: int) -> bool:
    deadline = time.monotonic() + _LOCK_PATIENCE_SECS
    while not _try(lock, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOCK_RETRY_SECS)
    return True


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _noted_pid(content: bytes) -> int | None:
    digits = content.strip()
    return int(digits) if digits.isdigit() else None


def _read_runtime(path: Path) -> _Runtime | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Runtime)
    except (OSError, msgspec.DecodeError):
        # Missing, or from a version that writes it otherwise: either way it tells us nothing.
        return None


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left half-written; nobody but the holder of the lock makes such files."""
    (path / RUNTIME_NAME).unlink(missing_ok=True)
    for leftover in path.glob(f".*{files.TEMPORARY_SUFFIX}*"):
        leftover.unlink(missing_ok=True)
    for scratch in path.glob(f"{files.SCRATCH_PREFIX}*"):
        shutil.rmtree(scratch)


def _held_sentence(path: Path) -> str:
    server = running_server(path)
    process = "Another process" if server is None or server.pid is None else f"Process {server.pid}"
    place = "" if server is None or server.url is None else f", listening on {server.url}"
    return (
        f"{process} already uses the data folder {path}{place}. "
        "Stop it first, or choose another folder with --data-dir."
    )


def _unusable_sentence(path: Path, error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{path} is not a folder. Choose another one with --data-dir."
    return (
        f"The data folder {path} cannot be used: {error.strerror}. "
        "Give this user write access to it, or choose another one with --data-dir."
    )
