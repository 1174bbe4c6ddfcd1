"""How several processes of one application launch DBOS on one SQLite file: one after the other.

Imported by the programs beside it; knows nothing of their workflows.
"""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_PAUSE_SECS = 0.02


@contextmanager
def alone(database: Path, version: str) -> Iterator[None]:
    """Launch within this: two that migrate a new SQLite file at once collide.

    Args:
        database: the file that DBOS keeps its workflows in, made here if need be.
        version: the application version to launch; it becomes the latest, unless it was registered before.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_suffix(".launch-lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            _let_the_second_pass(connection, version)
        yield


def _let_the_second_pass(connection: sqlite3.Connection, version: str) -> None:
    """Of versions that came in one second any may be the latest: below Python 3.12 no more is noted."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'application_versions'"
    if connection.execute(query).fetchone() is None:
        return
    others = "SELECT max(version_timestamp) FROM application_versions WHERE version_name != ?"
    newest_epoch_ms = connection.execute(others, (version,)).fetchone()[0] or 0
    while int(time.time()) * 1_000 <= newest_epoch_ms:
        time.sleep(_PAUSE_SECS)
