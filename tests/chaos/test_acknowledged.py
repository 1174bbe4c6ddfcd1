"""kill -9 of a conductor that serves: what it acknowledged is there, and the next start needs no repair."""

import random
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
from support.chaos import chaos_secs, seed
from support.conductor import ConductorProcess
from support.wait import wait_until

WRITERS = 3


class Writer(threading.Thread):
    """Registers applications and keys, and deletes some, for as long as the conductor answers.

    Args:
        conductor: whom to ask.
        prefix: of the names.
    """

    def __init__(self, conductor: ConductorProcess, prefix: str) -> None:
        super().__init__(name=prefix, daemon=True)
        self._conductor = conductor
        self._prefix = prefix
        # What was acknowledged, and what was asked for last: that may be there or not.
        self.present: set[str] = set()
        self.deleted: set[str] = set()
        self.keys: dict[str, str] = {}
        self.latest = ""
        #: What ended it, other than the conductor's death.
        self.failure: AssertionError | None = None

    def run(self) -> None:
        number = 0
        try:
            while True:
                number += 1
                self._write(number)
        except httpx.TransportError:
            # The conductor was killed.
            return
        except AssertionError as error:
            self.failure = error

    def _write(self, number: int) -> None:
        name = self.latest = f"{self._prefix}-{number}"
        self._conductor.register(name)
        self.present.add(name)
        if number % 4 == 0:
            self.keys[name] = self._conductor.make_key(name, app_names=[name])
        elif number % 5 == 0:
            # Until the answer it is neither here nor there.
            self.present.remove(name)
            self._conductor.delete(f"/apps/{name}")
            self.deleted.add(name)


def test_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    chance = random.Random(seed())
    present: set[str] = set()
    deleted: set[str] = set()
    unsure: set[str] = set()
    keys: dict[str, str] = {}
    until = time.monotonic() + chaos_secs()
    with ConductorProcess(tmp_path, {}) as conductor:
        rounds = 0
        while rounds < 3 or time.monotonic() < until:
            rounds += 1
            for writer in _write_until_killed(conductor, rounds, chance):
                present |= writer.present
                deleted |= writer.deleted
                unsure.add(writer.latest)
                keys |= writer.keys
            with closing(sqlite3.connect(conductor.data_dir / "conductor.db")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            conductor.start()
            found = {application["name"] for application in conductor.get("/apps")}
            assert present <= found
            assert found - present <= unsure
            assert not deleted & found
            assert keys.keys() <= {key["tokenName"] for key in conductor.get("/tokens")}
        for word in ("Traceback", "ERROR", "WARNING", "repair"):
            assert word not in conductor.log
        assert present | deleted <= {entry["target"] for entry in conductor.audit("application.create")}
        assert deleted <= {entry["target"] for entry in conductor.audit("application.delete")}
        _require_known(conductor, chance.sample(sorted(keys.values()), min(20, len(keys))))
    print(f"{rounds} kills, {len(present)} applications, {len(deleted)} deleted, {len(keys)} keys")


def _write_until_killed(conductor: ConductorProcess, number: int, chance: random.Random) -> list[Writer]:
    writers = [Writer(conductor, f"round{number}-{index}") for index in range(WRITERS)]
    for writer in writers:
        writer.start()
    wait_until(lambda: any(writer.keys for writer in writers), 30, "a key to be made")
    # No condition: the kill is to come at any moment.
    writers[0].join(chance.uniform(0, 1.5))
    conductor.kill()
    for writer in writers:
        writer.join(30)
        assert not writer.is_alive()
        if writer.failure is not None:
            raise writer.failure
    return writers


def _require_known(conductor: ConductorProcess, keys: list[str]) -> None:
    for key in keys:
        # It may only connect executors: it is known, and allowed nothing here.
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.get(f"{conductor.url}/v2/orgs/local/apps", headers=headers, timeout=30)
        assert answer.status_code == 403, answer.text
