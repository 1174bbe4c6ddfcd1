"""A database as all migrations leave it, made once by them and copied for whoever needs a fresh one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from conductor_lite.store import revisions

_Migrate = Callable[..., None]


def copying(template: Path, migrate: _Migrate) -> _Migrate:
    """What to call instead of the real migration: it copies where a file holds no tables yet.

    Args:
        template: where the copied database is kept; made by the first call.
        migrate: the real one, which takes thirty times as long.
    """

    def migrate_or_copy(path: Path, **options: Any) -> None:
        if not _is_empty(path):
            migrate(path, **options)
            return
        if not template.exists():
            unfinished = template.with_suffix(".unfinished")
            with closing(sqlite3.connect(unfinished)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            migrate(unfinished, **options)
            revisions.fold_log(unfinished)
            unfinished.rename(template)
        with closing(sqlite3.connect(template)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)

    return migrate_or_copy


def _is_empty(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return tables == 0
