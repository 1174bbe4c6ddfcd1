"""Opening, reading and writing the file when things go wrong: locks, full disks, damage, cancellation."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from conductor_lite import __version__
from conductor_lite.errors import StartupError, StoreError
from conductor_lite.store import revisions
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.schema import HEAD_REVISION, KNOWN_REVISIONS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Run = Callable[[Callable[[Database], Any]], Any]
Children = Callable[..., "subprocess.Popen[str]"]


async def _names(db: Database) -> list[str]:
    return [record.name for record in await Applications(db).list("local")]


def _open_and_close(folder: Path) -> None:
    async def body() -> None:
        await (await Database.open(folder, busy_timeout_secs=0.2)).close()

    asyncio.run(body())


class TestOpening:
    def test_makes_the_folder_and_a_private_file(self, folder: Path) -> None:
        _open_and_close(folder / "deep")
        assert (folder / "deep").stat().st_mode & 0o777 == 0o700
        assert (folder / "deep" / "conductor.db").stat().st_mode & 0o777 == 0o600

    def test_connections_are_set_up_as_designed(self, run: Run) -> None:
        async def body(db: Database) -> None:
            async def pragma(connection: Any, name: str) -> object:
                return (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()

            async with db.read() as reader, db.write() as writer:
                for connection in (reader, writer):
                    assert await pragma(connection, "journal_mode") == "wal"
                    assert await pragma(connection, "foreign_keys") == 1
                    assert await pragma(connection, "synchronous") == 1
                    assert await pragma(connection, "busy_timeout") == 500
                with pytest.raises(StoreError):
                    async with db.read() as second:
                        await second.execute(text("DELETE FROM organizations"))

        run(body)

    def test_closing_leaves_one_file_and_no_threads(self, folder: Path, run: Run) -> None:
        before = threading.active_count()

        async def body(db: Database) -> None:
            await Applications(db).register("local", "shop", now=NOW)
            await asyncio.gather(*(_names(db) for _ in range(20)))
            await db.close()
            with pytest.raises(StoreError, match="closed"):
                await _names(db)
            with pytest.raises(StoreError, match="closed"):
                await Applications(db).register("local", "other", now=NOW)

        run(body)
        assert [path.name for path in folder.iterdir()] == ["conductor.db"]
        assert threading.active_count() == before

    def test_closing_waits_for_those_at_work(self, run: Run) -> None:
        async def body(db: Database) -> None:
            reading, go_on = asyncio.Event(), asyncio.Event()

            async def read() -> int:
                async with db.read() as connection:
                    reading.set()
                    await go_on.wait()
                    count = await connection.execute(text("SELECT count(*) FROM organizations"))
                    return int(count.scalar_one())

            reader = asyncio.create_task(read())
            await reading.wait()
            closing_task = asyncio.create_task(db.close())
            await asyncio.sleep(0)
            go_on.set()
            assert await reader == 1
            await closing_task

        run(body)

    def test_an_up_to_date_database_needs_no_alembic(self, folder: Path, child: Children) -> None:
        _open_and_close(folder)
        process = child(
            "import asyncio, sys; from pathlib import Path\n"
            "from conductor_lite.store.database import Database\n"
            "asyncio.run(Database.open(Path(sys.argv[1])))\n"
            "print('alembic' in sys.modules)"
        )
        assert process.communicate(timeout=60)[0].strip() == "False"

    def test_it_notes_which_version_opened_it(self, folder: Path) -> None:
        _open_and_close(folder)
        path = folder / "conductor.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE meta SET value = '0.0.1' WHERE name = 'last_opened_by'")
        assert revisions.inspect(path).last_opened_by == "0.0.1"
        _open_and_close(folder)
        assert revisions.inspect(path).last_opened_by == __version__

    def test_a_newer_database_is_refused_and_left_as_it_is(self, folder: Path) -> None:
        _open_and_close(folder)
        path = folder / "conductor.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.execute("UPDATE meta SET value = '7.1.0' WHERE name = 'last_opened_by'")
        before = path.read_bytes()
        with pytest.raises(StartupError, match=r"newer version of conductor-lite \(7\.1\.0.*9999"):
            _open_and_close(folder)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("size", [1, 15, 16, 50, 100, 600, 4096, 20_000])
    def test_a_truncated_database_is_refused(self, folder: Path, size: int) -> None:
        _open_and_close(folder)
        os.truncate(folder / "conductor.db", size)
        with pytest.raises(StartupError, match=r"conductor\.db"):
            _open_and_close(folder)
        assert (folder / "conductor.db").stat().st_size == size

    @pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\x00" + b"\xff" * 9000, os.urandom(5000)])
    def test_something_else_under_the_name_is_refused(self, folder: Path, content: bytes) -> None:
        folder.mkdir()
        (folder / "conductor.db").write_bytes(content)
        with pytest.raises(StartupError, match=r"conductor\.db"):
            _open_and_close(folder)
        assert (folder / "conductor.db").read_bytes() == content

    def test_another_programs_database_is_refused(self, folder: Path) -> None:
        folder.mkdir()
        with closing(sqlite3.connect(folder / "conductor.db")) as connection, connection:
            connection.execute("CREATE TABLE theirs (x)")
        with pytest.raises(StartupError, match="another program"):
            _open_and_close(folder)

    def test_a_folder_under_the_name_is_refused(self, folder: Path) -> None:
        (folder / "conductor.db").mkdir(parents=True)
        with pytest.raises(StartupError, match="is a folder"):
            _open_and_close(folder)

    def test_a_file_in_the_folders_place_is_refused(self, folder: Path) -> None:
        folder.write_text("not a folder")
        with pytest.raises(StartupError, match="data folder"):
            _open_and_close(folder)

    def test_an_empty_file_is_taken_for_a_new_database(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "conductor.db").touch()
        _open_and_close(folder)
        assert revisions.inspect(folder / "conductor.db").revision == HEAD_REVISION


class TestMigratingForward:
    @pytest.fixture
    def newer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Makes this version one that knows one revision more, whose upgrade runs the given code."""

        def release(upgrade: str) -> None:
            scripts = tmp_path / "migrations"
            shutil.copytree(Path(revisions.__file__).parent / "migrations", scripts)
            (scripts / "versions" / "next.py").write_text(
                "import sqlalchemy as sa\nfrom alembic import op\n"
                f"revision = 'next'\ndown_revision = '{HEAD_REVISION}'\n"
                "def upgrade():\n    op.add_column('applications', sa.Column('color', sa.String))\n"
                f"    {upgrade}\n"
            )
            monkeypatch.setattr(revisions, "_MIGRATIONS", scripts)
            monkeypatch.setattr(revisions, "HEAD_REVISION", "next")
            monkeypatch.setattr(revisions, "KNOWN_REVISIONS", (*KNOWN_REVISIONS, "next"))

        return release

    def _columns(self, path: Path) -> list[str]:
        with closing(sqlite3.connect(path)) as connection:
            return [row[1] for row in connection.execute("PRAGMA table_info(applications)")]

    def test_a_copy_of_the_old_database_is_kept(self, folder: Path, newer: Callable[[str], None]) -> None:
        _open_and_close(folder)
        newer("pass")
        _open_and_close(folder)
        aside = folder / "conductor.db.before-next"
        assert "color" in self._columns(folder / "conductor.db")
        assert "color" not in self._columns(aside)
        assert revisions.inspect(aside).revision == HEAD_REVISION
        assert aside.stat().st_mode & 0o777 == 0o600

    def test_a_migration_that_fails_leaves_the_database_as_it_was(
        self, folder: Path, newer: Callable[[str], None]
    ) -> None:
        _open_and_close(folder)
        newer("raise ArithmeticError('half-way')")
        with pytest.raises(ArithmeticError):
            _open_and_close(folder)
        assert "color" not in self._columns(folder / "conductor.db")
        assert revisions.inspect(folder / "conductor.db").revision == HEAD_REVISION

    def test_a_new_database_leaves_no_copy(self, folder: Path, newer: Callable[[str], None]) -> None:
        newer("pass")
        _open_and_close(folder)
        assert [path.name for path in folder.iterdir()] == ["conductor.db"]


class TestWriting:
    def test_concurrent_writes_all_land(self, run: Run) -> None:
        async def body(db: Database) -> None:
            names = [f"app-{number:03}" for number in range(100)]
            await asyncio.gather(*(Applications(db).register("local", name, now=NOW) for name in names))
            assert await _names(db) == names

        run(body)

    def test_readers_are_not_held_up_by_a_writer_and_see_nothing_half_done(self, run: Run) -> None:
        async def body(db: Database) -> None:
            async with db.write() as connection:
                await connection.execute(text("INSERT INTO meta VALUES ('half', 'done')"))
                async with asyncio.timeout(60), db.read() as reader:
                    found = await reader.execute(text("SELECT count(*) FROM meta WHERE name = 'half'"))
                    assert found.scalar_one() == 0

        run(body)

    def test_a_write_holds_the_files_lock_from_its_first_moment(self, folder: Path, run: Run) -> None:
        """Else what it reads first could be outdated by another process before it writes."""

        async def body(db: Database) -> None:
            with closing(sqlite3.connect(folder / "conductor.db", timeout=0)) as other:
                async with db.write():
                    with pytest.raises(sqlite3.OperationalError, match="locked"):
                        other.execute("BEGIN IMMEDIATE")
                other.execute("BEGIN IMMEDIATE")

        run(body)

    def test_one_read_sees_one_instant(self, run: Run) -> None:
        async def body(db: Database) -> None:
            count = text("SELECT count(*) FROM applications")
            async with db.read() as reader:
                before = (await reader.execute(count)).scalar_one()
                await Applications(db).register("local", "meanwhile", now=NOW)
                assert (await reader.execute(count)).scalar_one() == before

        run(body)

    def test_an_error_in_the_block_rolls_back(self, run: Run) -> None:
        async def body(db: Database) -> None:
            async def fail() -> None:
                async with db.write() as connection:
                    await connection.execute(text("DELETE FROM organizations"))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            await Applications(db).register("local", "shop", now=NOW)

        run(body)

    def test_a_lock_held_by_another_process_is_a_store_error_within_the_timeout(
        self, folder: Path, run: Run, child: Children
    ) -> None:
        _open_and_close(folder)
        holder = child(
            "import sqlite3, sys\n"
            "db = sqlite3.connect(sys.argv[1] + '/conductor.db', isolation_level=None)\n"
            "db.execute('BEGIN IMMEDIATE')\n"
            "print('held', flush=True)\n"
            "sys.stdin.readline()\n"
            "db.execute('ROLLBACK'); db.close(); print('free', flush=True); sys.stdin.readline()"
        )
        orders, answers = holder.stdin, holder.stdout
        assert orders is not None
        assert answers is not None
        assert answers.readline() == "held\n"

        async def body(db: Database) -> None:
            await _names(db)
            start = time.monotonic()
            with pytest.raises(StoreError, match=r"locked by another process.*try again"):
                await Applications(db).register("local", "shop", now=NOW)
            assert 0.4 < time.monotonic() - start < 30
            orders.write("\n")
            orders.flush()
            assert answers.readline() == "free\n"
            await Applications(db).register("local", "shop", now=NOW)
            assert await _names(db) == ["shop"]

        run(body)

    def test_a_full_disk_is_a_store_error_and_the_database_stays_usable(self, run: Run) -> None:
        async def body(db: Database) -> None:
            async with db.write() as connection:
                pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
                await connection.execute(text(f"PRAGMA max_page_count = {pages + 10}"))
            landed: list[str] = []

            async def fill() -> None:
                for number in range(10_000):
                    name = f"{number:05}" + "x" * 2000
                    await Applications(db).register("local", name, now=NOW)
                    landed.append(name)

            with pytest.raises(StoreError, match=r"full.*Free some space"):
                await fill()
            assert landed
            assert await _names(db) == landed
            async with db.write() as connection:
                await connection.execute(text("PRAGMA max_page_count = 100000"))
            await Applications(db).register("local", "zzz", now=NOW)
            assert await _names(db) == [*landed, "zzz"]

        run(body)

    def test_the_systems_limit_on_file_size_is_a_store_error_and_the_database_stays_usable(
        self, folder: Path, run: Run, child: Children
    ) -> None:
        process = child(
            "import asyncio, resource, sys; from datetime import UTC, datetime; from pathlib import Path\n"
            "from conductor_lite.errors import StoreError\n"
            "from conductor_lite.store.applications import Applications\n"
            "from conductor_lite.store.database import Database\n"
            "async def main():\n"
            "    db = await Database.open(Path(sys.argv[1]))\n"
            "    apps, now = Applications(db), datetime.now(UTC)\n"
            "    def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
            "    limit(400_000)\n"
            "    try:\n"
            "        for number in range(10_000):\n"
            "            await apps.register('local', f'{number:05}', now=now); print(f'{number:05}')\n"
            "    except StoreError: print('refused')\n"
            "    limit(resource.RLIM_INFINITY)\n"
            "    await apps.register('local', 'zzz', now=now); print('zzz')\n"
            "    await db.close()\n"
            "asyncio.run(main())"
        )
        printed = process.communicate(timeout=60)[0].split()
        assert process.returncode == 0
        assert printed[-2:] == ["refused", "zzz"]
        assert run(_names) == [name for name in printed if name != "refused"]

    def test_damage_found_while_reading_is_a_store_error(self, folder: Path, run: Run) -> None:
        _open_and_close(folder)
        path = folder / "conductor.db"
        with closing(sqlite3.connect(path)) as connection:
            roots = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'applications'"
            ).fetchall()
            (page,) = connection.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:
            for (root,) in roots:
                file.seek((root - 1) * page)
                file.write(b"\xee" * page)

        async def body(db: Database) -> None:
            with pytest.raises(StoreError, match=r"damaged.*conductor-lite restore"):
                await _names(db)

        run(body)


class TestCancelling:
    def test_in_the_block_rolls_back_and_frees_the_lock(self, run: Run) -> None:
        async def body(db: Database) -> None:
            written = asyncio.Event()

            async def write() -> None:
                async with db.write() as connection:
                    await connection.execute(text("INSERT INTO meta VALUES ('half', 'done')"))
                    written.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(write())
            await written.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(60):
                await Applications(db).register("local", "shop", now=NOW)
            async with db.read() as connection:
                found = await connection.execute(text("SELECT count(*) FROM meta WHERE name = 'half'"))
                assert found.scalar_one() == 0

        run(body)

    @pytest.mark.parametrize("seed", range(3))
    def test_at_any_moment_leaves_whole_transactions_and_a_free_lock(self, run: Run, seed: int) -> None:
        """Each write adds a pair; each is cancelled, sometimes twice, after a random number of loop turns."""
        chance = random.Random(seed)
        before = threading.active_count()

        async def write(db: Database, number: int) -> int:
            async with db.write() as connection:
                for half in ("a", "b"):
                    await connection.execute(text(f"INSERT INTO meta VALUES ('{number}{half}', '')"))
            return number

        async def body(db: Database) -> None:
            tasks: list[asyncio.Task[int]] = []
            for number in range(60):
                task = asyncio.create_task(write(db, number))
                tasks.append(task)
                for _ in range(chance.randrange(1, 3)):
                    await asyncio.sleep(chance.random() * 0.006)
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            finished = {result for result in results if isinstance(result, int)}
            others = [result for result in results if not isinstance(result, int)]
            assert finished, "every write was cancelled: the test shows nothing"
            assert others, "no write was cancelled: the test shows nothing"
            assert all(isinstance(result, asyncio.CancelledError) for result in others), others
            async with asyncio.timeout(60):
                assert await write(db, 1000) == 1000
            async with db.read() as connection:
                rows = await connection.execute(text("SELECT name FROM meta WHERE name GLOB '[0-9]*'"))
                found = sorted(rows.scalars())
            landed = {int(name[:-1]) for name in found}
            assert found == sorted(f"{number}{half}" for number in landed for half in ("a", "b"))
            assert finished <= landed

        run(body)
        deadline = time.monotonic() + 60
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() == before

    def test_reads_at_any_moment_leave_the_pool_whole(self, run: Run) -> None:
        async def body(db: Database) -> None:
            chance = random.Random(1)
            for _ in range(60):
                task = asyncio.create_task(_names(db))
                await asyncio.sleep(chance.random() * 0.004)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            async with asyncio.timeout(60):
                await asyncio.gather(*(_names(db) for _ in range(20)))

        run(body)
