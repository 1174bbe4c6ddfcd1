"""Brings a database file to the revision this version works with, before anyone connects to it.

Plain blocking code, run in a thread at start. Alembic is imported only when there is something to migrate.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from conductor_lite import __version__
from conductor_lite.errors import StartupError
from conductor_lite.store import files, swap
from conductor_lite.store.failures import translated
from conductor_lite.store.schema import HEAD_REVISION, KNOWN_REVISIONS

#: What SQLite says when a journal or a log has to be worked off before anything can be read.
_NEEDS_WRITING = (
    sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_READONLY_CANTINIT,
)
_MAGIC = b"SQLite format 3\x00"
_LAST_OPENED_BY = "last_opened_by"
_MIGRATIONS = Path(__file__).parent / "migrations"


class FileState(msgspec.Struct, frozen=True, kw_only=True):
    """What a database file says about itself."""

    #: Revision of its schema; None when it holds no tables yet.
    revision: str | None
    #: Version of conductor-lite that last opened it, when it says so.
    last_opened_by: str | None


def prepare(path: Path, *, busy_timeout_secs: float) -> None:
    """Make the file if it is missing, migrate it if it is old, and leave it ready to connect to.

    Args:
        path: the database file; its folder exists.
        busy_timeout_secs: how long to wait for another process's lock.

    Raises:
        StartupError: the file is not ours, damaged, unreadable, or of a newer version; nothing changed.
        OSError: the folder or the file cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    swap.finish(path)
    with translated(path, StartupError):
        state = inspect(path)
        _refuse_unknown(path, state)
        if state.revision is None:
            files.create_private(path)
        with closing(_connect(path, busy_timeout_secs)) as connection:
            _use_wal(path, connection)
            if state.revision not in (None, HEAD_REVISION):
                files.copy_database(connection, path.with_name(f"{path.name}.before-{HEAD_REVISION}"))
            if state.revision != HEAD_REVISION:
                migrate(path, busy_timeout_secs=busy_timeout_secs)
            if state.last_opened_by != __version__:
                _sign(connection)


def inspect(path: Path) -> FileState:
    """Read what a file says about itself; nothing is changed, but for what a killed process left half-done.

    Raises:
        StartupError: it cannot be read, or is no database of ours.
        sqlite3.Error: the file is damaged or locked.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError:
        return FileState(revision=None, last_opened_by=None)
    except IsADirectoryError as error:
        raise StartupError(f"{path} is a folder. Move it away, or choose another data folder.") from error
    except OSError as error:
        raise StartupError(
            f"{path} cannot be read: {error.strerror}. Give this user read and write access to it."
        ) from error
    # A new file stays empty until its first transaction commits.
    if not magic:
        return FileState(revision=None, last_opened_by=None)
    if magic != _MAGIC:
        raise StartupError(
            f"{path} is not a SQLite database. Move the file away, choose another data folder, "
            "or restore a backup with `conductor-lite restore FILE.zip`."
        )
    try:
        return _read_state_of(path, "ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _NEEDS_WRITING:
            raise
        # A process that was killed left a half-done transaction, which only a writer can take back.
        return _read_state_of(path, "rw")


def _read_state_of(path: Path, mode: str) -> FileState:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
        return read_state(connection)


def read_state(connection: sqlite3.Connection) -> FileState:
    """What an open database says about itself.

    Raises:
        StartupError: it has tables, but they are not conductor-lite's.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return FileState(revision=None, last_opened_by=None)
    if not {"alembic_version", "meta"} <= tables:
        raise StartupError(
            "conductor.db holds another program's tables. Move the file away, or choose another data folder."
        )
    revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    signature = connection.execute("SELECT value FROM meta WHERE name = ?", (_LAST_OPENED_BY,)).fetchone()
    return FileState(
        revision=revisions[0][0] if len(revisions) == 1 else repr(revisions),
        last_opened_by=None if signature is None else signature[0],
    )


def migrate(path: Path, *, busy_timeout_secs: float) -> None:
    """Run every pending migration in one transaction; a crash in the middle leaves the file as it was.

    Args:
        path: the database file.
        busy_timeout_secs: how long to wait for another process's lock.
    """
    from alembic import command
    from alembic.config import Config

    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=NullPool,
        connect_args={"isolation_level": None, "timeout": busy_timeout_secs},
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD_REVISION)


def fold_log(path: Path) -> None:
    """Write what stands in the write-ahead log into the file, and remove the log when nobody else uses it."""
    with closing(_connect(path, 0.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _refuse_unknown(path: Path, state: FileState) -> None:
    if state.revision is None or state.revision in KNOWN_REVISIONS:
        return
    raise StartupError(
        f"{path} was written by a newer version of conductor-lite ({state.last_opened_by or 'unknown'}, "
        f"schema {state.revision}); this is {__version__}, which knows schemas up to {HEAD_REVISION}. "
        "Install that version or a later one, or restore a backup made with this one. Nothing was changed."
    )


def _connect(path: Path, busy_timeout_secs: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_timeout_secs)


def _use_wal(path: Path, connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StartupError(
            f"The file system under {path} does not support SQLite's write-ahead log (is it a network "
            "share?). Choose a data folder on a local disk."
        )


def _sign(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_LAST_OPENED_BY, __version__),
    )
