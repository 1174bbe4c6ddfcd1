"""Backups of a data folder: taken while a server runs or not, restored only while none does."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS, ORGANIZATION_WRITE, WEBSOCKET_CONNECT
from conductor_lite.errors import BackupError, ConflictError, ForbiddenError
from conductor_lite.operations.context import Context
from conductor_lite.store import backup as store_backup
from conductor_lite.store import files
from conductor_lite.store.archive import Manifest
from conductor_lite.store.database import DATABASE_NAME

__all__ = [
    "BACKUP_OPERATION",
    "BACKUP_PERMISSIONS",
    "Backup",
    "Backups",
    "Manifest",
    "Restored",
    "back_up_folder",
    "backup_name",
    "restore_folder",
    "verify_backup",
]

#: What the audit log calls the making of one.
BACKUP_OPERATION = "backup.create"
#: What making one takes: it holds all that these give to see, and secrets that nothing else shows.
BACKUP_PERMISSIONS = tuple(name for name in ALL_PERMISSIONS if name != WEBSOCKET_CONNECT)
#: Backups that may be made or fetched at the same time: each takes room on the disk until it is fetched.
MAX_AT_ONCE = 2
_CHUNK_BYTES = 256 * 1024


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did."""

    manifest: Manifest
    #: Where the database that was there before stands now; None when there was none.
    kept_aside: Path | None


async def back_up_folder(data_dir: Path, target: Path) -> Manifest:
    """Write a consistent copy of a data folder's database as one zip; a running server goes on meanwhile.

    Raises:
        BackupError: there is no database, or the copy could not be written. Nothing is left half-written.
    """
    return await store_backup.back_up_file(data_dir / DATABASE_NAME, target)


def verify_backup(zip_path: Path) -> Manifest:
    """Check a backup without restoring it.

    Raises:
        BackupError: it is damaged, not a backup, or made by a newer version.
    """
    return store_backup.verify(zip_path)


def restore_folder(zip_path: Path, data_dir: Path) -> Restored:
    """Put a backup's database in the place of the folder's own, which is kept aside.

    Raises:
        BackupError: the backup is not usable, or a server is running on the folder. Nothing was changed.
    """
    manifest = verify_backup(zip_path)
    return Restored(manifest=manifest, kept_aside=store_backup.restore(zip_path, data_dir))


class Backup:
    """A backup that waits to be fetched: an open file that has no name any more, so nothing of it can stay.

    Args:
        file: the zip.
        size_bytes: its length.
        manifest: what it says about itself.
        done: called once, when the file is closed.
    """

    def __init__(
        self, file: IO[bytes], size_bytes: int, manifest: Manifest, done: Callable[[], None]
    ) -> None:
        self.size_bytes = size_bytes
        self.manifest = manifest
        self._file = file
        self._done = done

    @property
    def name(self) -> str:
        """What the file is to be called."""
        return backup_name(self.manifest.created_at)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The zip, piece by piece, once."""
        while chunk := await asyncio.to_thread(self._file.read, _CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Give its room on the disk back. May be called twice."""
        if not self._file.closed:
            self._file.close()
            self._done()


class Backups:
    """Operations on backups of the server that runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Backups being made or fetched now.
        self._under_way = 0

    async def make(self, actor: Actor) -> Backup:
        """Make a backup of the whole database while everything goes on, to be fetched and closed.

        Raises:
            ForbiddenError: one of `BACKUP_PERMISSIONS` is missing, or the actor is limited to some
                applications.
            ConflictError: as many as may be are under way.
            BackupError: it could not be written, as when the disk is full, or the database is damaged.
        """
        context = self._context
        backup: Backup | None = None
        try:
            async with context.audited(
                actor, BACKUP_OPERATION, "organization", actor.organization_id
            ) as details:
                _require_everything(actor)
                backup = await self._in_turn()
                details["size_bytes"] = backup.size_bytes
                details["schema_revision"] = backup.manifest.schema_revision
        except BaseException:
            # Not even its entry in the audit log may be missing from what is handed out.
            if backup is not None:
                backup.close()
            raise
        return backup

    async def _in_turn(self) -> Backup:
        if self._under_way >= MAX_AT_ONCE:
            raise ConflictError(
                f"{MAX_AT_ONCE} backups are being made or downloaded already. Try again when one is done."
            )
        self._under_way += 1
        try:
            return await self._made()
        except BaseException:
            self._under_way -= 1
            raise

    async def _made(self) -> Backup:
        folder = self._context.settings.data_dir
        try:
            # After a crash in the middle the next start removes what begins so.
            with tempfile.TemporaryDirectory(dir=folder, prefix=files.SCRATCH_PREFIX) as scratch:
                path = Path(scratch) / "backup.zip"
                manifest = await back_up_folder(folder, path)
                file = path.open("rb")
            return Backup(file, os.fstat(file.fileno()).st_size, manifest, self._closed)
        except (OSError, BackupError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                raise
            raise BackupError(
                f"The backup could not be written to {folder}: {cause.strerror}. Free some space there, or "
                "write it to another disk with `conductor-lite backup FILE.zip`."
            ) from error

    def _closed(self) -> None:
        self._under_way -= 1


def _require_everything(actor: Actor) -> None:
    actor.require_whole(ORGANIZATION_WRITE)
    missing = [name for name in BACKUP_PERMISSIONS if name not in actor.permissions]
    if missing:
        raise ForbiddenError(
            "A backup holds everything, so it takes every permission except websocket.connect; "
            f"{actor.display} lacks {', '.join(missing)}."
        )


def backup_name(created_at: datetime) -> str:
    """What a backup made at that time is called."""
    return f"conductor-backup-{created_at.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"
