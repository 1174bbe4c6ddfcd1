"""Backing up while serving, verifying a backup, and restoring one. The zip itself is `archive`'s affair."""

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from conductor_lite import __version__
from conductor_lite.errors import BackupError, StartupError
from conductor_lite.store import archive, files, swap
from conductor_lite.store.archive import Manifest, ManifestFile
from conductor_lite.store.database import DATABASE_NAME, Database
from conductor_lite.store.failures import translated
from conductor_lite.store.folder import DataFolder
from conductor_lite.store.revisions import read_state

#: Pages copied between two looks at whether to go on: 4 MiB with SQLite's usual pages.
_SLICE_PAGES = 1024


class _AbandonedError(Exception):
    """Raised inside the copying thread when whoever asked was cancelled."""


async def backup(db: Database, target: Path) -> Manifest:
    """Write a consistent copy of the database as one zip, while reads and writes go on.

    Args:
        db: the open database.
        target: the zip's name, replaced in one instant when complete; only this user may read it.

    Raises:
        BackupError: it could not be written, or the database is damaged; the name is as it was.
    """
    return await back_up_file(db.path, target)


async def back_up_file(source: Path, target: Path) -> Manifest:
    """The same for a database file that this process has not opened; a server may be writing to it.

    Args:
        source: the database file.
        target: as for `backup`.

    Raises:
        BackupError: there is no such database, it is damaged, or the zip could not be written.
    """
    abandoned = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(_write, source, target, abandoned))
    try:
        return await asyncio.shield(work)
    finally:
        if not work.done():
            abandoned.set()
            await asyncio.wait([work])


def verify(zip_path: Path) -> Manifest:
    """Check a backup without restoring it: checksums, SQLite's own integrity check, a schema we know.

    Raises:
        BackupError: it is damaged, not a backup, made by a newer version, or made to harm.
    """
    with tempfile.TemporaryDirectory(prefix="conductor-verify-") as folder:
        return archive.extract(zip_path, Path(folder) / DATABASE_NAME)


def restore(zip_path: Path, folder: Path) -> Path | None:
    """Put the database of a backup in the place of a data folder's own.

    Verifies everything first. A crash at any instant leaves the old database or the new one, complete; the
    next `Database.open` finishes what was decided, and migrates a backup of an older version.

    Args:
        zip_path: the backup.
        folder: the data folder; made when missing.

    Returns:
        Where the old database stands now; None when there was none.

    Raises:
        BackupError: the backup is not usable, or a live process holds the folder. Nothing was changed.
    """
    path = folder / DATABASE_NAME
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    try:
        with DataFolder.open(folder):
            swap.finish(path)
            with files.replacing(swap.staged_name(path, stamp)) as temporary:
                archive.extract(zip_path, temporary)
            return swap.finish(path)
    except StartupError as error:
        raise BackupError(f"Nothing was restored. {error}") from error
    except OSError as error:
        raise BackupError(
            f"{zip_path} could not be restored to {folder}: {error.strerror}. "
            "Give this user write access to the folder, then try again."
        ) from error


def _write(source: Path, target: Path, abandoned: threading.Event) -> Manifest:
    if not source.is_file():
        raise BackupError(f"There is no database at {source}. Name its folder with --data-dir.")

    def check(*_progress: object) -> None:
        if abandoned.is_set():
            raise _AbandonedError

    created_at = datetime.now(UTC)
    try:
        with (
            translated(source, BackupError),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=files.SCRATCH_PREFIX) as scratch,
            files.replacing(target) as temporary,
        ):
            copy = Path(scratch) / DATABASE_NAME
            revision = _snapshot(source, copy, check)

            def describe(file: ManifestFile) -> Manifest:
                return Manifest(
                    conductor_lite_version=__version__,
                    schema_revision=revision,
                    created_at=created_at,
                    files=(file,),
                )

            return archive.write(temporary, copy, describe, check)
    except OSError as error:
        raise BackupError(
            f"The backup {target} could not be written: {error.strerror}. "
            "Check the name, that its folder exists and can be written, and the room on its disk."
        ) from error


def _snapshot(source: Path, copy: Path, check: Callable[..., None]) -> str:
    """Copy the database as it is at this instant; gives the revision of its schema."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as origin,
        closing(sqlite3.connect(copy)) as target,
    ):
        # Reading pins one instant of the write-ahead log: without it every write between two slices would
        # make SQLite start over, and a busy server would never be backed up. Writers don't wait for readers.
        origin.execute("BEGIN")
        revision = read_state(origin).revision
        origin.backup(target, pages=_SLICE_PAGES, progress=check)
        target.execute("PRAGMA journal_mode = DELETE")
        finding = archive.check_integrity(target)
    if finding is not None or revision is None:
        raise BackupError(
            f"{source} is damaged ({finding}), so no backup of it was made. Restore an earlier backup with "
            "`conductor-lite restore FILE.zip`."
        )
    return revision
