"""kill -9 at any moment: what was acknowledged is there afterwards, and the next start needs no repair."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database

Children = Callable[..., "subprocess.Popen[str]"]

_BATCH = 3
_WRITER = f"""
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.records import NewAuditEntry

def entry(target):
    return NewAuditEntry(
        organization_id="local", emitted_at=datetime.now(UTC), operation="test", status="success",
        subject_type="test", subject_id="test", subject_display="test", target_type="test", target_id=target,
        details={{"padding": "x" * 500}},
    )

async def main():
    db = await Database.open(Path(sys.argv[1]))
    for number in range(1_000_000):
        target = f"{{sys.argv[2]}}-{{number}}"
        await AuditLog(db).append([entry(target)] * {_BATCH})
        print(target, flush=True)

asyncio.run(main())
"""


async def _targets(folder: Path) -> Counter[str | None]:
    """Opens as a server would, with no repair, and writes as well as reads."""
    db = await Database.open(folder)
    await Applications(db).register("local", "after", now=(await AuditLog(db).list("local"))[0].emitted_at)
    entries = await AuditLog(db).list("local", limit=1_000_000)
    await db.close()
    return Counter(entry.target_id for entry in entries)


def test_killed_again_and_again_nothing_acknowledged_is_lost(folder: Path, child: Children) -> None:
    chance = random.Random(2026)
    acknowledged: list[str] = []
    for round_number in range(15):
        writer = child(_WRITER, round_number)
        assert writer.stdout is not None
        acknowledged += [writer.stdout.readline().strip() for _ in range(chance.randint(1, 40))]
        time.sleep(chance.random() * 0.01)
        writer.send_signal(signal.SIGKILL)
        # A line cut off by the kill was not acknowledged.
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        with closing(sqlite3.connect(folder / "conductor.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = asyncio.run(_targets(folder))
        assert set(acknowledged) <= set(found)
        assert set(found.values()) == {_BATCH}, "a transaction is there in part"
        # At most the write under way at each kill may be there without its acknowledgement.
        assert len(found) - len(acknowledged) <= round_number + 1
    assert len(acknowledged) > 100


@pytest.mark.parametrize("moment", ["alembic.op.create_table", "alembic.op.create_index", "sign", "wal"])
def test_killed_while_making_the_database_the_next_start_makes_it(
    folder: Path, child: Children, moment: str
) -> None:
    process = child(
        "import asyncio, os, signal, sys; from pathlib import Path\n"
        "import alembic.op\n"
        "from conductor_lite.store import revisions\n"
        "from conductor_lite.store.database import Database\n"
        "moment = sys.argv[2]\n"
        "def die(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)\n"
        "owner, name = {'sign': (revisions, '_sign'), 'wal': (revisions, '_use_wal')}.get(\n"
        "    moment, (alembic.op, moment.rpartition('.')[2]))\n"
        "setattr(owner, name, die)\n"
        "asyncio.run(Database.open(Path(sys.argv[1])))\n",
        moment,
    )
    assert process.wait(timeout=60) == -signal.SIGKILL

    async def body() -> None:
        db = await Database.open(folder)
        assert await Applications(db).list("local") == []
        await db.close()

    asyncio.run(body())


def test_killed_at_random_while_making_the_database_the_next_start_makes_it(
    tmp_path: Path, child: Children
) -> None:
    chance = random.Random(7)

    async def reopen(folder: Path) -> None:
        db = await Database.open(folder)
        assert await Applications(db).list("local") == []
        await db.close()

    for number in range(5):
        folder = tmp_path / str(number)
        process = child(
            "import asyncio, sys; from pathlib import Path\n"
            "from conductor_lite.store.database import Database\n"
            "print('go', flush=True); asyncio.run(Database.open(Path(sys.argv[2])))",
            folder,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.2)
        process.kill()
        process.wait()
        asyncio.run(reopen(folder))


def test_killed_with_a_hot_rollback_journal_the_next_start_takes_the_transaction_back(
    tmp_path: Path, child: Children
) -> None:
    folder = tmp_path / "data"

    async def names() -> list[str]:
        db = await Database.open(folder)
        found = [application.name for application in await Applications(db).list("local")]
        await db.close()
        return found

    assert asyncio.run(names()) == []
    # As in the instant before a new database is switched to WAL: pages are in the file, what they were before
    # is in a journal.
    process = child(
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[2], isolation_level=None)\n"
        "connection.execute('PRAGMA journal_mode = DELETE')\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN')\n"
        "for number in range(2000):\n"
        "    connection.execute('INSERT INTO applications (id, organization_id, name, created_at,'\n"
        "        ' updated_at, executor_timeout_secs, private_mode) VALUES (?, ?, ?, 1, 1, 60, 0)',\n"
        "        (str(number), 'local', f'half-done-{number}'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        folder / "conductor.db",
    )
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert (folder / "conductor.db-journal").stat().st_size > 0
    assert asyncio.run(names()) == []
