"""Work of real executors that began and died while the conductor was away: found, shown, recovered."""

import asyncio
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from support.figures import Clocks
from support.ports import lasting_port
from support.scene import LEDGER_PROGRAM, LedgerApp
from support.served import APPLICATION, LOCAL, Run, Served
from support.tools import require
from support.wait import wait_until_async

from conductor_lite.fleet.changes import Changes
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies.orphans import SETTLE_SECS, OrphanSweep
from conductor_lite.store.applications import Applications


class Orphanage:
    """Processes of one application on one database, and the sweep, which looks when told to."""

    def __init__(self, scene: Served, folder: Path, stack: ExitStack) -> None:
        self._scene = scene
        self._folder = folder
        self._stack = stack
        self._clocks = Clocks()
        conductor = scene.conductor
        self._sweep = OrphanSweep(conductor.fleet, Applications(conductor.db), Changes(), self._clocks)
        self.hold_file = folder / "hold"
        self.hold_file.touch()
        self._database = folder / "app.sqlite"

    async def app(self, url: str, prefix: str, start: int) -> LedgerApp:
        """Start a process whose workflows stay in their step."""
        command: list[str | Path] = [sys.executable, LEDGER_PROGRAM, "--name", APPLICATION, "--key", "any"]
        command += ["--conductor-url", url, "--version", "1", "--prefix", prefix, "--steps", "1"]
        command += ["--database", self._database, "--ledger", self._folder / "ledger.jsonl"]
        command += ["--hold-file", self.hold_file, "--start", str(start)]
        app = self._stack.enter_context(LedgerApp(command, self._folder / f"{prefix}.log"))
        await asyncio.to_thread(app.await_launch)
        return app

    async def look(self, later_secs: float = 120) -> dict[str, int]:
        """Let the sweep look; gives who is unknown, and how many workflows wait for each."""
        await self._sweep.round()
        self._clocks.pass_secs(later_secs)
        await self._sweep.round()
        overview = await self._scene.conductor.operations.overviews.application(LOCAL, APPLICATION)
        unknown = [item for item in overview.attention if item.kind == "unknown_executor"]
        return {item.executor_id or "": int(item.title.split()[0]) for item in unknown}

    def succeeded(self) -> set[str]:
        """Which workflows have succeeded, from the application's own database."""
        with closing(sqlite3.connect(self._database, timeout=60)) as connection:
            query = "SELECT workflow_uuid FROM workflow_status WHERE status = 'SUCCESS'"
            return {workflow_id for (workflow_id,) in connection.execute(query)}

    async def await_success(self, *workflow_ids: str) -> None:
        """Wait until these and no others have succeeded."""
        wanted = set(workflow_ids)
        await wait_until_async(lambda: self.succeeded() == wanted, 30, f"{wanted} to succeed")


def test_work_of_those_who_died_while_the_conductor_was_away_is_recovered(run: Run, tmp_path: Path) -> None:
    require("dbos")

    async def body(scene: Served) -> None:
        await scene.conductor._policies.stop()
        with ExitStack() as stack:
            orphanage = Orphanage(scene, tmp_path, stack)
            # To them the conductor is away.
            nobody = f"ws://127.0.0.1:{lasting_port()}"
            first, second = await asyncio.gather(
                orphanage.app(nobody, "first", 2), orphanage.app(nobody, "second", 1)
            )
            for app in (first, second):
                app.kill()
            survivor = await orphanage.app(scene.ws_url, "survivor", 0)
            await scene.await_status(survivor.executor_id, "HEALTHY")
            operations = scene.conductor.operations
            assert await orphanage.look(SETTLE_SECS) == {first.executor_id: 2, second.executor_id: 1}
            orphanage.hold_file.unlink()
            await operations.executors.recover_unknown(LOCAL, APPLICATION, first.executor_id, "1")
            await orphanage.await_success("first-0001", "first-0002")
            # The other one is nobody's to touch until the application says so.
            assert await orphanage.look() == {second.executor_id: 1}
            await operations.applications.update(
                LOCAL, APPLICATION, ApplicationChanges(recover_unknown_executors=True)
            )
            await orphanage.look()
            await orphanage.await_success("first-0001", "first-0002", "second-0001")
            await scene.await_status(second.executor_id, None)
            assert await orphanage.look() == {}

    run(body)
