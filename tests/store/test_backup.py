"""Backups are consistent while writers write; damaged or hostile ones refused; restores survive crashes."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from conductor_lite import __version__
from conductor_lite.errors import BackupError
from conductor_lite.store import backup as backups
from conductor_lite.store.applications import Applications
from conductor_lite.store.archive import Manifest
from conductor_lite.store.backup import backup, restore, verify
from conductor_lite.store.database import Database
from conductor_lite.store.folder import DataFolder
from conductor_lite.store.schema import HEAD_REVISION

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Run = Callable[[Callable[[Database], Any]], Any]
Children = Callable[..., "subprocess.Popen[str]"]


async def _names(db: Database) -> list[str]:
    return [record.name for record in await Applications(db).list("local")]


def _names_in(folder: Path) -> list[str]:
    """As the next start would see them."""

    async def body() -> list[str]:
        db = await Database.open(folder)
        try:
            return await _names(db)
        finally:
            await db.close()

    return asyncio.run(body())


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    return tmp_path / "backup.zip"


@pytest.fixture
def made(run: Run, zip_path: Path) -> Manifest:
    """A backup of a database with the application `old`; the database then also gets `newer`."""

    async def body(db: Database) -> Manifest:
        await Applications(db).register("local", "old", now=NOW)
        manifest = await backup(db, zip_path)
        await Applications(db).register("local", "newer", now=NOW)
        return manifest

    manifest: Manifest = run(body)
    return manifest


def _rewrite(zip_path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(zip_path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _change_manifest(members: dict[str, bytes], **changes: object) -> None:
    members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()


def _replace_database(members: dict[str, bytes], content: bytes) -> None:
    """With a manifest that vouches for it, as only somebody malicious or confused would write."""
    members["conductor.db"] = content
    file = {
        "name": "conductor.db",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    _change_manifest(members, files=[file])


class TestBackingUp:
    def test_the_zip_holds_the_database_and_a_true_manifest(self, zip_path: Path, made: Manifest) -> None:
        with zipfile.ZipFile(zip_path) as archive:
            assert archive.namelist() == ["conductor.db", "manifest.json"]
            content = archive.read("conductor.db")
            told = json.loads(archive.read("manifest.json"))
        assert told["conductor_lite_version"] == made.conductor_lite_version == __version__
        assert told["schema_revision"] == made.schema_revision == HEAD_REVISION
        assert made.files[0].size_bytes == len(content)
        assert made.files[0].sha256 == hashlib.sha256(content).hexdigest()
        assert abs((datetime.now(UTC) - made.created_at).total_seconds()) < 60
        assert zip_path.stat().st_mode & 0o777 == 0o600
        assert verify(zip_path) == made

    def test_nothing_but_the_zip_is_left(self, zip_path: Path, made: Manifest) -> None:
        assert sorted(path.name for path in zip_path.parent.iterdir()) == ["backup.zip", "data"]

    def test_while_a_writer_writes_the_copy_is_of_one_instant_and_the_writer_goes_on(
        self, run: Run, zip_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Small slices and a big file, so that hundreds of commits fall between two slices."""
        monkeypatch.setattr(backups, "_SLICE_PAGES", 2)

        async def body(db: Database) -> tuple[int, int, float]:
            async with db.write() as connection:
                await connection.execute(
                    text("INSERT INTO meta VALUES (:name, :value)"),
                    [{"name": f"padding-{n}", "value": "x" * 3000} for n in range(2000)],
                )
            written, slowest, warm, done = 0, 0.0, asyncio.Event(), asyncio.Event()

            async def write() -> None:
                nonlocal written, slowest
                while not done.is_set():
                    start = time.perf_counter()
                    async with db.write() as connection:
                        for half in ("a", "b"):
                            await connection.execute(text(f"INSERT INTO meta VALUES ('{written}{half}', '')"))
                    slowest = max(slowest, time.perf_counter() - start)
                    written += 1
                    if written == 5:
                        warm.set()

            writer = asyncio.create_task(write())
            await warm.wait()
            before = written
            async with asyncio.timeout(30):
                await backup(db, zip_path)
            during = written - before
            done.set()
            await writer
            return before, during, slowest

        before, during, slowest = run(body)
        assert during > 3, "hardly anything was written meanwhile: the test shows nothing"
        # Measured at 0.04 s on a busy machine.
        assert slowest < 5
        verify(zip_path)
        with zipfile.ZipFile(zip_path) as archive:
            copy = Path(archive.extract("conductor.db", zip_path.parent))
        with closing(sqlite3.connect(copy)) as connection:
            found = [name for (name,) in connection.execute("SELECT name FROM meta WHERE name GLOB '[0-9]*'")]
        count = len(found) // 2
        assert sorted(found) == sorted(f"{n}{half}" for n in range(count) for half in ("a", "b"))
        assert before <= count <= before + during

    def test_a_write_between_any_two_slices_does_not_make_it_start_over(
        self, folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backups, "_SLICE_PAGES", 1)
        run(_names)
        slices = 0
        with closing(sqlite3.connect(folder / "conductor.db")) as writer:
            (pages,) = writer.execute("PRAGMA page_count").fetchone()

            def write(*_progress: object) -> None:
                nonlocal slices
                slices += 1
                assert slices <= pages, "it started over"
                with writer:
                    writer.execute("INSERT INTO meta VALUES (?, '')", (str(slices),))

            assert backups._snapshot(folder / "conductor.db", tmp_path / "copy.db", write) == HEAD_REVISION
        assert slices == pages

    def test_a_cancelled_backup_leaves_what_stood_under_the_name(
        self, run: Run, zip_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zip_path.write_bytes(b"earlier")
        write, begun = backups._write, threading.Event()

        def when_cancelled(source: Path, target: Path, abandoned: threading.Event) -> Manifest:
            begun.set()
            abandoned.wait(10)
            return write(source, target, abandoned)

        monkeypatch.setattr(backups, "_write", when_cancelled)

        async def body(db: Database) -> None:
            task = asyncio.create_task(backup(db, zip_path))
            assert await asyncio.to_thread(begun.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(body)
        assert zip_path.read_bytes() == b"earlier"
        assert sorted(path.name for path in zip_path.parent.iterdir()) == ["backup.zip", "data"]

    @pytest.mark.parametrize("where", ["missing/backup.zip", "data"])
    def test_a_name_that_cannot_be_written_is_a_backup_error(
        self, run: Run, tmp_path: Path, where: str
    ) -> None:
        async def body(db: Database) -> None:
            with pytest.raises(BackupError, match="could not be written"):
                await backup(db, tmp_path / where)

        run(body)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]

    def test_a_damaged_database_is_told_instead_of_backed_up(
        self, folder: Path, run: Run, zip_path: Path
    ) -> None:
        run(_names)
        with closing(sqlite3.connect(folder / "conductor.db")) as connection, connection:
            connection.execute("INSERT INTO api_key_applications VALUES ('no key', 'no application')")

        async def body(db: Database) -> None:
            with pytest.raises(BackupError, match=r"damaged.*api_key_applications"):
                await backup(db, zip_path)

        run(body)
        assert not zip_path.exists()


class TestVerifying:
    @pytest.fixture
    def refused(self, zip_path: Path, made: Manifest, folder: Path) -> Callable[[str], None]:
        """Checks that both verify and restore refuse the backup, and that restore touched nothing."""

        def check(why: str) -> None:
            before = (folder / "conductor.db").read_bytes()
            for attempt in (lambda: verify(zip_path), lambda: restore(zip_path, folder)):
                with pytest.raises(BackupError, match=why):
                    attempt()
            assert (folder / "conductor.db").read_bytes() == before
            assert sorted(path.name for path in folder.iterdir()) == ["conductor.db", "conductor.lock"]

        return check

    def test_every_flipped_byte_of_the_contents_is_noticed(
        self, zip_path: Path, refused: Callable[[str], None]
    ) -> None:
        whole = zip_path.read_bytes()
        for position in range(40, len(whole) // 2, len(whole) // 12):
            zip_path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
            refused("not a usable backup")

    def test_a_cut_off_zip(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        os.truncate(zip_path, zip_path.stat().st_size // 2)
        refused("not a usable backup")

    def test_something_that_is_no_zip(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        zip_path.write_bytes(b"hello" * 100)
        refused("not a zip")

    def test_a_missing_file(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        zip_path.unlink()
        refused("There is no backup")

    def test_a_wrong_checksum(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        def change(members: dict[str, bytes]) -> None:
            content = bytearray(members["conductor.db"])
            content[-1] ^= 1
            members["conductor.db"] = bytes(content)

        _rewrite(zip_path, change)
        refused("checksum")

    def test_a_wrong_length(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        def change(members: dict[str, bytes]) -> None:
            members["conductor.db"] += b"\x00"

        _rewrite(zip_path, change)
        refused("not as long")

    def test_a_newer_schema(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        _rewrite(
            zip_path, lambda m: _change_manifest(m, schema_revision="9999", conductor_lite_version="7.1.0")
        )
        refused(r"7\.1\.0, which is newer")

    def test_a_database_newer_than_its_manifest_says(
        self, zip_path: Path, tmp_path: Path, refused: Callable[[str], None]
    ) -> None:
        def change(members: dict[str, bytes]) -> None:
            path = tmp_path / "newer.db"
            path.write_bytes(members["conductor.db"])
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE alembic_version SET version_num = '9999'")
            _replace_database(members, path.read_bytes())

        _rewrite(zip_path, change)
        refused("has schema 9999")

    @pytest.mark.parametrize(
        "name", ["../evil", "/etc/evil", "conductor.db/../evil", "sub/x", "..\\evil", "extra", "extra/"]
    )
    def test_members_that_do_not_belong(
        self, zip_path: Path, refused: Callable[[str], None], name: str
    ) -> None:
        _rewrite(zip_path, lambda members: members.update({name: b""}))
        refused("nothing else")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_members_that_come_twice(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        with zipfile.ZipFile(zip_path, "a") as archive:
            archive.writestr("conductor.db", b"")
        refused("nothing else")

    def test_a_bomb(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        _rewrite(zip_path, lambda members: _replace_database(members, b"\x00" * (64 << 20)))
        refused("would unpack to more")

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b" " * 100_000])
    def test_a_manifest_that_is_none(
        self, zip_path: Path, refused: Callable[[str], None], content: bytes
    ) -> None:
        _rewrite(zip_path, lambda members: members.update({"manifest.json": content}))
        refused(r"manifest\.json is")

    def test_a_manifest_that_lists_other_files(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        _rewrite(zip_path, lambda members: _change_manifest(members, files=[]))
        refused("lists other files")

    def test_a_packing_we_do_not_use(self, zip_path: Path, refused: Callable[[str], None]) -> None:
        with zipfile.ZipFile(zip_path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_BZIP2) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        refused("packed in a way")

    def test_a_vouched_for_database_that_is_damaged_inside(
        self, zip_path: Path, tmp_path: Path, refused: Callable[[str], None]
    ) -> None:
        def change(members: dict[str, bytes]) -> None:
            path = tmp_path / "damaged.db"
            path.write_bytes(members["conductor.db"])
            with closing(sqlite3.connect(path)) as connection:
                query = "SELECT rootpage FROM sqlite_master WHERE name = 'audit_log'"
                (root,) = connection.execute(query).fetchone()
            content = bytearray(members["conductor.db"])
            content[(root - 1) * 4096 : root * 4096] = b"\xee" * 4096
            _replace_database(members, bytes(content))

        _rewrite(zip_path, change)
        refused("damaged")

    @pytest.mark.parametrize("content", [b"", b"not a database at all" * 500])
    def test_a_vouched_for_file_that_is_no_database(
        self, zip_path: Path, refused: Callable[[str], None], content: bytes
    ) -> None:
        _rewrite(zip_path, lambda members: _replace_database(members, content))
        refused(r"backup\.zip|conductor\.db")


class TestRestoring:
    def test_brings_the_backup_back_and_keeps_the_old_database_aside(
        self, folder: Path, zip_path: Path, made: Manifest, tmp_path: Path
    ) -> None:
        aside = restore(zip_path, folder)
        assert aside is not None
        assert aside.name.startswith("conductor.db.before-restore-2")
        assert _names_in(folder) == ["old"]
        (tmp_path / "aside").mkdir()
        shutil.copy(aside, tmp_path / "aside" / "conductor.db")
        assert _names_in(tmp_path / "aside") == ["newer", "old"]
        assert (folder / "conductor.db").stat().st_mode & 0o777 == 0o600

    def test_into_a_folder_that_does_not_exist_yet(
        self, tmp_path: Path, zip_path: Path, made: Manifest
    ) -> None:
        assert restore(zip_path, tmp_path / "elsewhere") is None
        assert _names_in(tmp_path / "elsewhere") == ["old"]

    def test_over_a_database_too_damaged_to_open(self, folder: Path, zip_path: Path, made: Manifest) -> None:
        (folder / "conductor.db").write_bytes(b"ruins")
        aside = restore(zip_path, folder)
        assert aside is not None
        assert aside.read_bytes() == b"ruins"
        assert _names_in(folder) == ["old"]

    def test_twice_keeps_both_old_databases(self, folder: Path, zip_path: Path, made: Manifest) -> None:
        assert restore(zip_path, folder) != restore(zip_path, folder)
        assert len(list(folder.glob("conductor.db.before-restore-*Z"))) == 2

    def test_under_a_running_server_is_refused(self, folder: Path, zip_path: Path, made: Manifest) -> None:
        with DataFolder.open(folder), pytest.raises(BackupError, match=f"Process {os.getpid()}.*Stop it"):
            restore(zip_path, folder)
        assert _names_in(folder) == ["newer", "old"]

    def test_killed_at_every_instant_leaves_the_old_or_the_new_complete(
        self, folder: Path, zip_path: Path, made: Manifest, tmp_path: Path, child: Children
    ) -> None:
        """The old database has commits that only its write-ahead log holds, as after a crash."""
        template = tmp_path / "template"

        async def crashed() -> None:
            db = await Database.open(folder)
            await Applications(db).register("local", "in-the-log", now=NOW)
            await asyncio.to_thread(shutil.copytree, folder, template)
            await db.close()

        asyncio.run(crashed())
        assert (template / "conductor.db-wal").stat().st_size > 0
        old, new = ["in-the-log", "newer", "old"], ["old"]
        outcomes: list[list[str]] = []
        for instant in range(1, 50):
            target = tmp_path / f"instant-{instant}"
            shutil.copytree(template, target)
            if _restore_and_die(child, zip_path, target, instant) == 0:
                break
            outcomes.append(_names_in(target))
            for aside in target.glob("conductor.db.before-restore-*Z"):
                kept = tmp_path / f"kept-{instant}"
                kept.mkdir()
                for ending in ("", "-wal"):
                    if Path(f"{aside}{ending}").exists():
                        shutil.copy(f"{aside}{ending}", kept / f"conductor.db{ending}")
                assert _names_in(kept) == old
        changed = outcomes.index(new)
        assert 0 < changed < len(outcomes) - 4, "the kills missed the interesting instants"
        assert outcomes == [old] * changed + [new] * (len(outcomes) - changed)


def _restore_and_die(child: Children, zip_path: Path, target: Path, instant: int) -> int:
    """Restores in a process that kills itself before its n-th change of names or wait for the disk."""
    process = child(
        "import os, signal, sys; from pathlib import Path\n"
        "from conductor_lite.store.backup import restore\n"
        "left = int(sys.argv[4])\n"
        "def counted(original):\n"
        "    def call(*args, **kwargs):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return original(*args, **kwargs)\n"
        "    return call\n"
        "os.replace, os.fsync, os.unlink = counted(os.replace), counted(os.fsync), counted(os.unlink)\n"
        "restore(Path(sys.argv[2]), Path(sys.argv[3]))",
        zip_path,
        target,
        instant,
    )
    status = process.wait(timeout=60)
    assert status in (0, -signal.SIGKILL)
    return status
