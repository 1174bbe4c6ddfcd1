"""Files that appear whole or not at all: private creation, atomic replacement, durable copies."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def create_private(path: Path) -> None:
    """Make an empty file that only this user may read; does nothing when there is one.

    SQLite gives its ``-wal`` and ``-shm`` files the same mode.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def sync(path: Path) -> None:
    """Wait until a file's contents, or a folder's list of names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(temporary: Path, final: Path) -> None:
    """Give a finished file its final name, replacing what stood there, durably and in one instant."""
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def write_private(path: Path, content: bytes) -> None:
    """Replace a small file in one instant; only this user may read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    create_private(temporary)
    try:
        temporary.write_bytes(content)
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write a consistent copy of an open database under ``target``, replacing what stood there.

    Raises:
        sqlite3.Error: the source cannot be read or the copy not written; no half copy stays.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    create_private(temporary)
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
