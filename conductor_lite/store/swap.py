"""Putting a restored database in the old one's place so that a crash at any instant leaves one of them whole.

SQLite's database is up to three files, and no file system renames three at once. So the new one is staged
first, complete, under a name that says "restoring": from then on the restore is decided, and whoever opens
the folder next finishes it. Never leave a new database beside an old ``-wal``: SQLite would replay it.
"""

from pathlib import Path

from conductor_lite.store import files

_COMPANIONS = ("", "-wal", "-shm")


def staged_name(path: Path, stamp: str) -> Path:
    """Where to put a complete new database to decide its restore.

    Args:
        path: the database file that it is to replace.
        stamp: time of the restore, for the name of the old one.
    """
    return path.with_name(f"{path.name}.restoring-{stamp}")


def finish(path: Path) -> Path | None:
    """Finish a restore that was decided; does nothing when there is none. The caller holds the folder.

    Args:
        path: the database file.

    Returns:
        Where the old database stands now; None when there was none, or no restore to finish.
    """
    aside: Path | None = None
    for staged in sorted(path.parent.glob(f"{path.name}.restoring-*")):
        stamp = staged.name.removeprefix(f"{path.name}.restoring-")
        aside = path.with_name(f"{path.name}.before-restore-{stamp}")
        for companion in _COMPANIONS:
            old = Path(f"{path}{companion}")
            if old.exists():
                old.replace(f"{aside}{companion}")
        files.sync(path.parent)
        staged.replace(path)
        files.sync(path.parent)
    return aside if aside is not None and aside.exists() else None
