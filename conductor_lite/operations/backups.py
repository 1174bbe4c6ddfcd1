"""Backups of a data folder: taken while a server runs or not, restored only while none does."""

from pathlib import Path

import msgspec

from conductor_lite.store import backup as store_backup
from conductor_lite.store.archive import Manifest
from conductor_lite.store.database import DATABASE_NAME

__all__ = ["Manifest", "Restored", "back_up_folder", "restore_folder", "verify_backup"]


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
