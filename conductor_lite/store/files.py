"""Files that appear whole or not at all: private creation, atomic replacement, durable copies."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

#: How the names of files end that are being written; whoever finds one after a crash may delete it.
TEMPORARY_SUFFIX = ".conductor-tmp"
#: How the names of folders begin that hold such files; likewise.
SCRATCH_PREFIX = ".conductor-scratch-"


def create_private(path: Path) -> None:
    """Make an empty file that only this user may read; does nothing when there is one.

    SQLite gives its ``-wal`` and ``-shm`` files the same mode.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Give a private empty file to fill, which takes the final name at the end of the block.

    The change of name is durable and happens in one instant; on an error nothing stays of the new file.

    Args:
        final: the name to take, and to replace what stands there.
    """
    temporary = final.with_name(f".{final.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    temporary.unlink(missing_ok=True)
    create_private(temporary)
    try:
        yield temporary
        sync(temporary)
        temporary.replace(final)
        sync(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file's contents, or a folder's list of names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Replace a small file in one instant; only this user may read it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write a consistent copy of an open database under ``target``, replacing what stood there.

    Raises:
        sqlite3.Error: the source cannot be read or the copy not written; no half copy stays.
    """
    with replacing(target) as temporary, closing(sqlite3.connect(temporary)) as copy:
        source.backup(copy)
        # A file of its own, without the -wal that its temporary name would give it.
        copy.execute("PRAGMA journal_mode = DELETE")
