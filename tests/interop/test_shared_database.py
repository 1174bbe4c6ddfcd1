"""Two real applications on one system database: each is known by its own work, and none is orphaned."""

import asyncio
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.scene import LEDGER_PROGRAM, LedgerApp
from support.served import APPLICATION, LOCAL, Run, Served
from support.tools import require
from support.wait import wait_until_async

from conductor_lite.clock import Clock
from conductor_lite.fleet.changes import Changes
from conductor_lite.fleet.measurer import Measurer
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies.metrics import MetricCollection
from conductor_lite.policies.orphans import OrphanSweep
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import WorkflowFilters
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.snapshots import Snapshots as SnapshotStore

BANK = "bank"


class LaterClock(Clock):
    """The real clocks, some time ahead, so that the present minute is over and everything is due."""

    def __init__(self) -> None:
        self.ahead_secs = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_secs)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_secs


class Shared:
    """Both applications, and the policies, which have their turns when told to."""

    def __init__(self, scene: Served, folder: Path, stack: ExitStack) -> None:
        self.scene = scene
        self.clock = LaterClock()
        self._folder = folder
        self._stack = stack
        self._hold_file = folder / "hold"
        self._hold_file.touch()
        conductor, db = scene.conductor, scene.conductor.db
        applications, changes = Applications(db), Changes()
        fleet, clock = conductor.fleet, self.clock
        self._policies = [
            Snapshots(fleet, applications, SnapshotStore(db), clock),
            OrphanSweep(fleet, applications, changes, clock),
            MetricCollection(
                fleet,
                Measurer(fleet, clock),
                Recommender(clock),
                applications,
                AuditLog(db),
                MetricPoints(db),
                clock,
            ),
        ]

    async def app(self, name: str, *, start: int) -> LedgerApp:
        """Start an application whose workflows stay in their first step."""
        command: list[str | Path] = [sys.executable, LEDGER_PROGRAM, "--name", name, "--key", "any"]
        command += ["--conductor-url", self.scene.ws_url, "--version", f"{name}-1", "--prefix", name]
        command += ["--database", self._folder / "shared.sqlite", "--ledger", self._folder / "ledger.jsonl"]
        command += ["--hold-file", self._hold_file, "--start", str(start), "--steps", "1"]
        app = self._stack.enter_context(LedgerApp(command, self._folder / f"{name}.log"))
        await asyncio.to_thread(app.await_launch)
        await self.await_status(name, app, "HEALTHY")
        return app

    async def await_status(self, name: str, app: LedgerApp, status: str) -> None:
        """Wait until an executor has this status."""

        def arrived() -> bool:
            record = self.scene.conductor.fleet.application("local", name)
            views = self.scene.conductor.fleet.executors(record.id) if record else []
            return (app.executor_id, status) in [(view.executor_id, view.status) for view in views]

        await wait_until_async(arrived, 30, f"an executor of {name} to be {status}")

    def release(self) -> None:
        """Let every workflow end."""
        self._hold_file.unlink()

    async def rounds(self) -> None:
        """Let every policy do what is due in the next minutes."""
        for _ in range(2):
            for policy in self._policies:
                await policy.round()
            self.clock.ahead_secs += 90

    async def known(self, name: str) -> dict[str, str | None]:
        """The status of every workflow that snapshots have of an application."""
        listing = await self.scene.conductor.operations.snapshots.search(
            LOCAL, name, WorkflowFilters(), "snapshot"
        )
        return {item.workflow_id or "": item.status async for page in listing.pages for item in page}

    async def charted(self, name: str) -> dict[str, float]:
        """The last value of what is counted of an application, family by family."""
        chart = await self.scene.conductor.operations.metrics.series(
            LOCAL,
            name,
            families=["workflow_started", "workflow_pending", "workflow_succeeded"],
            start=datetime.now(UTC) - timedelta(minutes=5),
            end=self.clock.now(),
            resolution_secs=60,
        )
        return {series.family: sum(value or 0 for value in series.values) for series in chart.series}

    async def unknown(self, name: str) -> list[Any]:
        """What needs attention as nobody is known to work on it."""
        overview = await self.scene.conductor.operations.overviews.application(LOCAL, name)
        return [item for item in overview.attention if item.kind == "unknown_executor"]


def test_each_application_is_known_by_its_own_work(run: Run, tmp_path: Path) -> None:
    require("dbos")

    async def body(scene: Served) -> None:
        await scene.conductor._policies.stop()
        with ExitStack() as stack:
            shared = Shared(scene, tmp_path, stack)
            await scene.conductor.operations.applications.register(LOCAL, BANK)
            await scene.conductor.operations.applications.update(
                LOCAL, BANK, ApplicationChanges(executor_timeout_secs=1)
            )
            shop, bank = await asyncio.gather(shared.app(APPLICATION, start=3), shared.app(BANK, start=2))
            await shared.rounds()
            assert await shared.known(APPLICATION) == {f"shop-{n:04}": "PENDING" for n in (1, 2, 3)}
            assert await shared.known(BANK) == {f"bank-{n:04}": "PENDING" for n in (1, 2)}
            for name in (APPLICATION, BANK):
                assert await shared.unknown(name) == []
            assert (await shared.charted(APPLICATION))["workflow_started"] == 3
            assert (await shared.charted(BANK))["workflow_started"] == 2
            # One leaves with its work undone: that is no orphan to the other, nor the other's to recover.
            bank.kill()
            await shared.await_status(BANK, bank, "DEAD")
            shared.release()
            await shared.rounds()
            assert await shared.unknown(APPLICATION) == []
            assert await shared.known(APPLICATION) == {f"shop-{n:04}": "SUCCESS" for n in (1, 2, 3)}
            assert await shared.known(BANK) == {f"bank-{n:04}": "PENDING" for n in (1, 2)}
            assert shop.returncode is None

    run(body)
