"""Turns what the database engine raises into our named errors, each with what happened and what to do.

Only failures of the file, the disk or another process are translated; a wrong statement stays what it is.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from conductor_lite.errors import ConductorError, StoreError

_SENTENCES = {
    sqlite3.SQLITE_BUSY: (
        "{path} is locked by another process. Close whatever else has it open, then try again."
    ),
    sqlite3.SQLITE_LOCKED: "{path} is locked by another connection. Try again.",
    sqlite3.SQLITE_FULL: "The disk under {path} is full. Free some space, then try again.",
    sqlite3.SQLITE_CORRUPT: (
        "{path} is damaged. Stop the server and restore a backup with `conductor-lite restore FILE.zip`."
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a conductor-lite database. Move the file away or choose another data folder."
    ),
    sqlite3.SQLITE_READONLY: "{path} cannot be written. Give this user write access to it and to its folder.",
    sqlite3.SQLITE_PERM: "{path} cannot be accessed. Give this user read and write access to it.",
    sqlite3.SQLITE_AUTH: "{path} cannot be accessed. Give this user read and write access to it.",
    sqlite3.SQLITE_CANTOPEN: (
        "{path} cannot be opened. Check that it is a file, that its folder exists, and that this user may "
        "write both."
    ),
    sqlite3.SQLITE_IOERR: (
        "Reading or writing {path} failed. Check the disk, its free space and the limits on file size."
    ),
    sqlite3.SQLITE_NOMEM: "Memory ran out while using {path}. Give the server more memory, then try again.",
    sqlite3.SQLITE_PROTOCOL: "{path} is too busy to lock. Close whatever else has it open, then try again.",
}


def explain(error: BaseException, path: Path) -> str | None:
    """The sentence for people, or None when the failure is not the file's but ours.

    Args:
        error: what sqlite3 raised.
        path: the database file.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None:
        return None
    # The low byte is the kind of failure, the rest its finer cause (https://www.sqlite.org/rescode.html).
    sentence = _SENTENCES.get(code & 0xFF)
    return None if sentence is None else f"{sentence.format(path=path)} ({error})"


@contextmanager
def translated(path: Path, into: type[ConductorError] = StoreError) -> Iterator[None]:
    """Run the body; failures of the file come out as ``into``, everything else as it was.

    Args:
        path: the database file, for the sentence.
        into: the named error to raise.
    """
    try:
        yield
    except DBAPIError as error:
        sentence = None if error.orig is None else explain(error.orig, path)
        if sentence is None:
            raise
        raise into(sentence) from error
    except sqlite3.Error as error:
        sentence = explain(error, path)
        if sentence is None:
            raise
        raise into(sentence) from error
    except PoolTimeoutError as error:
        raise into(f"Every connection to {path} stayed busy. Try again when the load is lower.") from error
