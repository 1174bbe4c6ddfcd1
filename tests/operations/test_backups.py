"""Backups of a server that runs: complete, nothing left behind, few at a time, for those who may have all."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.served import LOCAL, Run, Served

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS, ORGANIZATION_WRITE, WEBSOCKET_CONNECT
from conductor_lite.config import Settings
from conductor_lite.errors import BackupError, ConflictError, ForbiddenError, StoreError
from conductor_lite.operations.backups import BACKUP_OPERATION, MAX_AT_ONCE, Backup, restore_folder
from conductor_lite.server import open_conductor
from conductor_lite.store import files
from conductor_lite.store.audit import AuditLog


async def _fetched(backup: Backup, path: Path) -> Path:
    with path.open("wb") as file:
        async for chunk in backup.chunks():
            file.write(chunk)
    backup.close()
    return path


def _leftovers(scene: Served) -> list[Path]:
    return list(scene.conductor.settings.data_dir.glob(f"{files.SCRATCH_PREFIX}*"))


@contextmanager
def _no_file_larger_than(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_backup_restores_to_what_was_there_when_it_was_made(run: Run, tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id("kept")
        backup = await scene.conductor.operations.backups.make(LOCAL)
        # No name on the disk is left of it, so nothing of it can stay.
        assert _leftovers(scene) == []
        await scene.application_id("too-late")
        path = await _fetched(backup, tmp_path / backup.name)
        assert path.stat().st_size == backup.size_bytes
        (entry,) = await scene.audit(BACKUP_OPERATION)
        assert (entry.status, entry.details["size_bytes"]) == ("success", backup.size_bytes)
        restored = tmp_path / "restored"
        restore_folder(path, restored)
        async with open_conductor(Settings(data_dir=restored)) as conductor:
            names = [found.record.name for found in await conductor.operations.applications.list(LOCAL)]
        assert names == ["kept", "shop"]

    run(body)


def test_only_a_few_are_under_way_at_once(run: Run, tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        backups = scene.conductor.operations.backups
        made = [await backups.make(LOCAL) for _ in range(MAX_AT_ONCE)]
        with pytest.raises(ConflictError, match="already"):
            await backups.make(LOCAL)
        await _fetched(made[0], tmp_path / "one.zip")
        made[0].close()
        made.append(await backups.make(LOCAL))
        for backup in made:
            backup.close()
        statuses = [entry.status for entry in await scene.audit(BACKUP_OPERATION)]
        assert statuses == ["success"] * MAX_AT_ONCE + ["failure", "success"]

    run(body)


def test_it_takes_the_permission_and_the_sight_of_everything(run: Run) -> None:
    async def body(scene: Served) -> None:
        def key(*permissions: str, **more: Any) -> Actor:
            return Actor(
                subject_type="api_key",
                subject_id="k",
                display="k",
                permissions=frozenset(permissions),
                **more,
            )

        needed = set(ALL_PERMISSIONS) - {WEBSOCKET_CONNECT}
        refused = [(key(*needed - {one}), one) for one in needed]
        # To change the organization is not to read applications, keys and the audit log.
        refused.append((key(ORGANIZATION_WRITE), r"holds everything.*application\.read.*token\.read"))
        limited = key(*needed, application_ids=frozenset({await scene.application_id()}))
        refused.append((limited, "limited to some applications"))
        for actor, why in refused:
            with pytest.raises(ForbiddenError, match=why):
                await scene.conductor.operations.backups.make(actor)
        (await scene.conductor.operations.backups.make(key(*needed))).close()
        statuses = [entry.status for entry in await scene.audit(BACKUP_OPERATION)]
        assert sorted(statuses) == ["failure"] * len(refused) + ["success"]

    run(body)


def test_a_disk_without_room_is_said_and_leaves_nothing(run: Run) -> None:
    async def body(scene: Served) -> None:
        backups = scene.conductor.operations.backups
        size_bytes, _ = scene.conductor.db.sizes_bytes()
        with _no_file_larger_than(size_bytes // 2), pytest.raises(BackupError, match=r"space|full"):
            await backups.make(LOCAL)
        assert _leftovers(scene) == []
        (entry,) = await scene.audit(BACKUP_OPERATION)
        assert entry.status == "failure"
        # Its turn was given back.
        for backup in [await backups.make(LOCAL) for _ in range(MAX_AT_ONCE)]:
            backup.close()

    run(body)


def test_a_backup_that_cannot_be_noted_is_not_handed_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(scene: Served) -> None:
        backups = scene.conductor.operations.backups
        # The disk may fill up between the copy and its entry in the log; no real one does so on command.
        refuse = AsyncMock(side_effect=StoreError("The disk is full."))
        with monkeypatch.context() as patch:
            patch.setattr(AuditLog, "append", refuse)
            for _ in range(MAX_AT_ONCE + 1):
                with pytest.raises(StoreError):
                    await backups.make(LOCAL)
        (await backups.make(LOCAL)).close()

    run(body)
