"""What snapshots come to know of an application's workflows, turn by turn, and what they never lose."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.history import History
from support.served import APPLICATION, Served, served

from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.errors import StoreError
from conductor_lite.policies import snapshot_asking, snapshots
from conductor_lite.policies.snapshot_asking import PAGE_SIZE
from conductor_lite.policies.snapshot_sync import GAP_MS, Sync
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import ListWorkflows, ListWorkflowsReply
from conductor_lite.store import snapshots as snapshots_store
from conductor_lite.store.applications import Applications
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.snapshots import Snapshots as SnapshotStore

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
#: The application's time, in milliseconds; where nothing else is said, an hour before ours.
T0 = int((NOW - timedelta(hours=1)).timestamp() * 1_000)
MINUTE = 60_000
DAY = 86_400_000


class FakeClock(Clock):
    """Both clocks stand still until they are moved."""

    def __init__(self) -> None:
        self.time = NOW
        self.seconds = 1_000.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Let time go by."""
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)


class Stage:
    """A conductor, an executor that lists a history, and the policy, which has its turns when told to."""

    def __init__(self, scene: Served, application: ApplicationRecord) -> None:
        self.scene = scene
        self.application = application
        self.clock = FakeClock()
        self.store = SnapshotStore(scene.conductor.db)
        self.history = History()
        self.executor = ScriptedExecutor("e1")
        self.history.answer_through(self.executor)
        self.sync = Sync.__new__(Sync)
        self.policy = self._policy()

    def _policy(self) -> Snapshots:
        return Snapshots(
            self.scene.conductor.fleet,
            Applications(self.scene.conductor.db),
            self.store,
            self.clock,
            random.Random(1),
        )

    async def restart(self) -> None:
        """Begin anew with nothing but what the database holds."""
        source = await self.store.ensure_source(self.application.id)
        self.sync = Sync(self.store, source.number, source.progress)
        self.policy = self._policy()

    async def turn(self) -> bool | None:
        """One turn."""
        return await self.policy.sync(self.application, self.sync)

    async def full_pass(self) -> None:
        """Ask for a pass through everything, and let it happen."""
        await self.store.request_full_pass(self.application.id, self.clock.now())
        await self.turn()

    async def known(self) -> dict[str, str | None]:
        """The status of every workflow on record, by id."""
        source = await self.store.ensure_source(self.application.id)
        rows = await self.store.between(source.number, 0, None, None, 100_000)
        return {item.workflow_id: item.status for _, item in rows}

    async def settings(self, **changes: object) -> None:
        """Change the application's settings."""
        changed = await Applications(self.scene.conductor.db).update(
            self.application.id, changes, now=self.clock.now()
        )
        assert changed is not None
        self.application = changed


Body = Callable[[Stage], Awaitable[Any]]
Play = Callable[[Body], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs an async function on a ``Stage``."""
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, request_timeout_secs=60)

    async def whole(body: Body) -> None:
        async with served(settings) as scene:
            # On a slow machine the server's own policy would have its turns in between.
            await scene.conductor._policies.stop()
            await scene.application_id()
            application = await Applications(scene.conductor.db).get("local", APPLICATION)
            assert application is not None
            stage = Stage(scene, application)
            await scene.connected(stage.executor)
            await stage.restart()
            await body(stage)

    return lambda body: asyncio.run(whole(body))


def test_new_workflows_are_seen_with_all_but_their_payloads(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0, workflow_name="charge", input="hush!", output="hush!", error="hush!")
        stage.history.add("b", T0 + 1, "PENDING", executor_id="e1")
        await stage.turn()
        assert await stage.known() == {"a": "SUCCESS", "b": "PENDING"}
        stage.history.add("c", T0 + 2, "ENQUEUED", queue_name="mail")
        await stage.turn()
        assert await stage.known() == {"a": "SUCCESS", "b": "PENDING", "c": "ENQUEUED"}
        assert all(
            filters.load_input is False and filters.load_output is False and filters.limit
            for filters in stage.history.asked
        )
        path = stage.scene.conductor.db.path
        for file in path.parent.glob(path.name + "*"):
            assert b"hush!" not in file.read_bytes()

    play(body)


def test_what_ends_is_seen_although_it_was_created_long_ago(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("old", T0 - DAY, "PENDING")
        stage.history.add("cancelled", T0 - DAY, "PENDING")
        stage.history.add("new", T0, "PENDING")
        await stage.turn()
        stage.history.change("old", status="SUCCESS", completed_at_epoch_ms=T0 + MINUTE)
        stage.history.change("cancelled", status="CANCELLED", completed_at_epoch_ms=T0 + MINUTE)
        await stage.turn()
        assert await stage.known() == {"old": "SUCCESS", "cancelled": "CANCELLED", "new": "PENDING"}

    play(body)


@pytest.mark.parametrize("tells_ends", [True, False])
def test_what_ran_for_longer_than_snapshots_are_kept_is_seen_to_end_and_kept_from_then_on(
    play: Play, tells_ends: bool
) -> None:
    async def body(stage: Stage) -> None:
        await stage.settings(snapshot_keep_days=2)
        stage.history.add("lengthy", T0 - 3 * DAY, "PENDING")
        stage.history.add("new", T0, "PENDING")
        await stage.turn()
        ended = {"completed_at_epoch_ms": T0 + MINUTE} if tells_ends else {}
        stage.history.change("lengthy", status="SUCCESS", **ended)
        await stage.turn()
        assert await stage.known() == {"lengthy": "SUCCESS", "new": "PENDING"}
        for days, is_kept in ((0, tells_ends), (3, False)):
            stage.clock.pass_by(days * 86_400)
            await stage.policy._prune(stage.application, stage.sync)
            await stage.turn()
            assert ("lengthy" in await stage.known()) is is_kept

    play(body)


def test_a_resumed_workflow_goes_on_in_the_snapshot_too(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0 - DAY, "CANCELLED", completed_at_epoch_ms=T0 - DAY)
        stage.history.add("b", T0)
        await stage.turn()
        stage.history.change("a", status="PENDING", completed_at_epoch_ms=None)
        await stage.turn()
        assert (await stage.known())["a"] == "PENDING"

    play(body)


def test_more_than_a_page_are_read_also_within_one_millisecond(play: Play) -> None:
    async def body(stage: Stage) -> None:
        for number in range(PAGE_SIZE * 2 + 3):
            stage.history.add(f"same-{number}", T0)
        for number in range(PAGE_SIZE + 3):
            stage.history.add(f"later-{number}", T0 + 1 + number // 2)
        await stage.turn()
        assert (await stage.known()).keys() == stage.history.workflows.keys()

    play(body)


def test_many_that_end_at_once_are_all_seen(play: Play) -> None:
    async def body(stage: Stage) -> None:
        chance = random.Random(5)
        ids = [f"w{number}" for number in range(PAGE_SIZE * 4)]
        for number, workflow_id in enumerate(ids):
            stage.history.add(workflow_id, T0 - 2 * DAY + number, "PENDING")
        await stage.turn()
        for workflow_id in ids:
            # Half of them within one millisecond.
            after = chance.choice((0, chance.randrange(MINUTE)))
            stage.history.change(workflow_id, status="SUCCESS", completed_at_epoch_ms=T0 + MINUTE + after)
        stage.history.asked.clear()
        await stage.turn()
        assert set((await stage.known()).values()) == {"SUCCESS"}
        assert not any(filters.workflow_ids for filters in stage.history.asked)

    play(body)


def test_an_sdk_too_old_to_know_times_of_completion_is_asked_by_id(play: Play) -> None:
    async def body(stage: Stage) -> None:
        old = History(["completed_after", "completed_before", "dequeued_after", "dequeued_before"])
        stage.history = old
        old.answer_through(stage.executor)
        for number in range(600):
            old.add(f"w{number}", T0 - number * MINUTE, "PENDING")
        await stage.turn()
        for number in range(600):
            old.change(f"w{number}", status="SUCCESS")
        await stage.turn()
        assert set((await stage.known()).values()) == {"SUCCESS"}

    play(body)


@pytest.mark.parametrize(
    ("message", "least", "most"),
    [("Unknown message type", 1, 1), ("the database is away", 2, 5)],
    ids=["old SDK", "failure"],
)
def test_an_application_that_cannot_list_is_said_to_and_asked_seldom(
    play: Play, message: str, least: int, most: int
) -> None:
    async def body(stage: Stage) -> None:
        stage.executor.answers(ListWorkflows, ListWorkflowsReply(error_message=message))
        for _ in range(10):
            await stage.policy.round()
            stage.clock.pass_by(20)
        assert least <= stage.executor.count(ListWorkflows) <= most
        source = await stage.store.source(stage.application.id)
        assert source is not None
        assert source.synced_at is None
        assert source.progress.error is not None
        assert stage.policy.notes == ("1 application could not be listed: its page says why",)

    play(body)


def test_deleted_workflows_disappear_unfinished_ones_at_once_and_ended_ones_with_the_next_pass(
    play: Play,
) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("oldest", T0 - DAY)
        for number in range(5):
            stage.history.add(f"ended-{number}", T0 + number)
        stage.history.add("waiting", T0, "ENQUEUED")
        stage.history.add("running", T0, "PENDING")
        await stage.turn()
        del stage.history.workflows["waiting"]
        del stage.history.workflows["ended-2"]
        await stage.turn()
        assert "waiting" not in await stage.known()
        await stage.full_pass()
        assert (await stage.known()).keys() == stage.history.workflows.keys()

    play(body)


def test_what_retention_has_collected_stays_on_record(play: Play) -> None:
    async def body(stage: Stage) -> None:
        for number in range(10):
            stage.history.add(f"w{number}", T0 + number)
        await stage.turn()
        for number in range(6):
            del stage.history.workflows[f"w{number}"]
        await stage.full_pass()
        assert len(await stage.known()) == 10
        stage.history.workflows.clear()
        await stage.full_pass()
        assert len(await stage.known()) == 10

    play(body)


def test_one_that_ended_after_retention_had_been_there_takes_no_history_with_it(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("lengthy", T0 - 3 * DAY, "PENDING")
        for day in range(3):
            at = T0 - day * DAY
            stage.history.add(f"day-{day}", at, completed_at_epoch_ms=at, updated_at_epoch_ms=at)
        await stage.turn()
        # Retention leaves what goes on, however old that is.
        del stage.history.workflows["day-2"]
        del stage.history.workflows["day-1"]
        stage.history.change(
            "lengthy", status="SUCCESS", completed_at_epoch_ms=T0 + 1, updated_at_epoch_ms=T0 + 1
        )
        await stage.full_pass()
        assert (await stage.known()).keys() == {"lengthy", "day-2", "day-1", "day-0"}

    play(body)


def test_a_restarted_conductor_goes_on_where_it_was(play: Play) -> None:
    async def body(stage: Stage) -> None:
        for number in range(PAGE_SIZE + 10):
            stage.history.add(f"w{number}", T0 + number * MINUTE)
        await stage.turn()
        await stage.restart()
        stage.history.add("new", T0 + 10_000 * MINUTE)
        stage.history.asked.clear()
        await stage.turn()
        assert "new" in await stage.known()
        beginnings = [filters.start_time for filters in stage.history.asked if filters.start_time]
        assert min(beginnings) > snapshot_asking.iso(T0 + PAGE_SIZE * MINUTE)

    play(body)


def test_the_gap_of_an_absence_is_filled(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("before", T0 - MINUTE)
        stage.history.add("long", T0, "PENDING")
        await stage.turn()
        await stage.executor.leave()
        for number in range(PAGE_SIZE * 3):
            stage.history.add(f"meanwhile-{number}", T0 + number, completed_at_epoch_ms=T0 + number + 5)
        stage.history.change("long", status="ERROR", completed_at_epoch_ms=T0 + 3 * DAY)
        stage.clock.pass_by(3 * 86_400)
        again = ScriptedExecutor("e2")
        stage.history.answer_through(again)
        await stage.scene.connected(again)
        await stage.turn()
        assert len(await stage.known()) == PAGE_SIZE * 3 + 2
        assert (await stage.known())["long"] == "ERROR"

    play(body)


def test_a_clock_that_was_ahead_and_is_set_back_hides_nothing(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("ahead", T0 + DAY, completed_at_epoch_ms=T0 + DAY)
        await stage.turn()
        for number in range(20):
            at = T0 + number * MINUTE // 4
            status = "PENDING" if number == 19 else "SUCCESS"
            stage.history.add(f"w{number}", at, status, completed_at_epoch_ms=at + 5 if number < 19 else None)
        await stage.turn()
        assert (await stage.known()).keys() == stage.history.workflows.keys()
        assert stage.sync.progress.gaps == ()

    play(body)


def test_times_that_no_calendar_tells_hide_no_other_workflow(play: Play) -> None:
    async def body(stage: Stage) -> None:
        # As of somebody who took microseconds for milliseconds.
        absurd = T0 * 1_000
        for number in range(3):
            stage.history.add(f"created-{number}", absurd + number, "PENDING")
            stage.history.add(
                f"ended-{number}", T0 + number, completed_at_epoch_ms=absurd, dequeued_at_epoch_ms=absurd
            )
        stage.history.add("running", T0, "PENDING")
        await stage.turn()
        stage.history.change("running", status="SUCCESS", completed_at_epoch_ms=T0 + MINUTE)
        stage.history.add("new", T0 + MINUTE)
        await stage.turn()
        await stage.full_pass()
        expected = dict.fromkeys(["ended-0", "ended-1", "ended-2", "running", "new"], "SUCCESS")
        assert await stage.known() == expected
        assert (stage.sync.progress.created_until or 0) < T0 + DAY
        assert (stage.sync.progress.completed_until or 0) < T0 + DAY

    play(body)


def test_our_own_clock_moves_no_watermark(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0, "PENDING")
        await stage.turn()
        for seconds in (-10 * 86_400, 10 * 86_400, 86_400):
            stage.clock.time += timedelta(seconds=seconds)
            before = stage.sync.progress
            await stage.turn()
            assert stage.sync.progress == before
        stage.history.add("b", T0 + 1, "PENDING")
        await stage.turn()
        assert (await stage.known()).keys() == {"a", "b"}

    play(body)


def test_a_calendar_that_jumps_ahead_deletes_nothing_and_leaves_nothing_out(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0)
        await stage.turn()
        for jump_days in (400, -400):
            stage.clock.time += timedelta(days=jump_days)
            stage.clock.pass_by(3_600)
            await stage.policy._prune(stage.application, stage.sync)
            stage.history.add(f"{jump_days}", T0 + 3_600_000 + jump_days)
            await stage.turn()
        assert (await stage.known()).keys() == {"a", "400", "-400"}
        # One that stays there was right.
        stage.clock.time += timedelta(days=400)
        await stage.policy._prune(stage.application, stage.sync)
        stage.clock.pass_by(86_400)
        await stage.policy._prune(stage.application, stage.sync)
        assert await stage.known() == {}

    play(body)


def test_a_simulated_month_is_kept_whole_for_as_long_as_promised(play: Play) -> None:
    """Every eight hours some begin, and most have ended by the next; the application forgets after a week."""

    async def body(stage: Stage) -> None:
        every: dict[str, tuple[datetime, str]] = {}
        running: list[str] = []
        step = timedelta(hours=8)
        for turn in range(33 * 3):
            now = stage.clock.now()
            at = int(now.timestamp() * 1_000)
            for workflow_id in running[:-2]:
                status = "ERROR" if workflow_id.endswith("3") else "SUCCESS"
                stage.history.change(workflow_id, status=status, completed_at_epoch_ms=at - MINUTE)
                every[workflow_id] = (now - timedelta(minutes=1), status)
            del running[:-2]
            for number in range(20):
                workflow_id = f"{turn}-{number}"
                stage.history.add(workflow_id, at - 30 * MINUTE + number, "PENDING")
                every[workflow_id] = (now - timedelta(minutes=30), "PENDING")
                running.append(workflow_id)
            for workflow_id, item in list(stage.history.workflows.items()):
                if item.status != "PENDING" and (item.created_at_epoch_ms or 0) < at - 7 * DAY:
                    del stage.history.workflows[workflow_id]
            # By night it is away, and on the tenth day the conductor is as well.
            if turn % 3:
                await stage.turn()
                await stage.policy._prune(stage.application, stage.sync)
            if turn == 30:
                await stage.restart()
            stage.clock.pass_by(step.total_seconds())
        kept_from = now - timedelta(days=stage.application.snapshot_keep_days)
        expected = {id_: status for id_, (since, status) in every.items() if since >= kept_from}
        assert await stage.known() == expected
        # And those that began before, and ended since.
        assert len(expected) == 30 * 3 * 20 + 22

    play(body)


def test_a_full_disk_costs_a_turn_and_no_workflow(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0)
        await stage.turn()
        for number in range(PAGE_SIZE * 2):
            stage.history.add(f"w{number}", T0 + number, completed_at_epoch_ms=T0 + number)
        save, saves = SnapshotStore.save, 0

        async def full(store: SnapshotStore, number: int, rows: Any) -> None:
            nonlocal saves
            saves += 1
            if saves == 2:
                await save(store, number, rows[:7])
                raise StoreError("The disk is full.")
            await save(store, number, rows)

        monkeypatch.setattr(SnapshotStore, "save", full)
        with pytest.raises(StoreError):
            await stage.turn()
        await stage.restart()
        await stage.turn()
        assert (await stage.known()).keys() == stage.history.workflows.keys()

    play(body)


def test_workflows_of_another_application_in_the_same_database_are_left_out(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("ours", T0, application_name=APPLICATION)
        stage.history.add("nobody's", T0)
        stage.history.add("theirs", T0, application_name="another")
        stage.history.add("theirs too", T0, "PENDING", application_name="another")
        await stage.turn()
        await stage.full_pass()
        assert (await stage.known()).keys() == {"ours", "nobody's"}

    play(body)


@pytest.mark.parametrize("batches", [1, 100])
def test_all_facets_without_workflows_go_also_while_others_are_left_to_remove(
    play: Play, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    for module in (snapshots, snapshots_store):
        monkeypatch.setattr(module, "BATCH_SIZE", 50)
        monkeypatch.setattr(module, "FACETS_BATCH_SIZE", 10)
    monkeypatch.setattr(snapshots, "PRUNE_BATCHES", batches)

    async def body(stage: Stage) -> None:
        for number in range(80):
            stage.history.add(f"w{number:02}", T0 - DAY + number, application_version=f"v{number}")
        await stage.turn()
        await stage.sync.limit(T0)
        rounds = []
        async with asyncio.timeout(30):
            while True:
                is_over = await stage.policy._prune(stage.application, stage.sync)
                async with stage.scene.conductor.db.read() as connection:
                    facets = await connection.exec_driver_sql("SELECT number FROM workflow_snapshot_facets")
                    rounds.append((len(await stage.known()), len(facets.all())))
                if is_over:
                    break
        # Fifty of them go in one batch, and ten facets.
        in_ones = [(30, 70), *((0, left) for left in range(60, -1, -10)), (0, 0)]
        assert rounds == (in_ones if batches == 1 else [(0, 0)])

    play(body)


def test_old_and_too_many_are_pruned_and_do_not_come_back(play: Play) -> None:
    async def body(stage: Stage) -> None:
        for number in range(100):
            stage.history.add(f"w{number:03}", T0 - (100 - number) * DAY // 2)
        stage.history.add("going on", T0 - 50 * DAY, "PENDING")
        await stage.settings(snapshot_keep_days=40)
        await stage.turn()
        assert len(await stage.known()) == 80
        await stage.settings(snapshot_keep_days=20)
        await stage.policy._prune(stage.application, stage.sync)
        assert len(await stage.known()) == 40
        await stage.full_pass()
        assert len(await stage.known()) == 40
        await stage.settings(snapshot_keep_rows=10)
        await stage.policy._limit(stage.application, stage.sync)
        await stage.policy._prune(stage.application, stage.sync)
        await stage.turn()
        assert sorted(await stage.known()) == [f"w{number:03}" for number in range(90, 100)]
        async with stage.scene.conductor.db.read() as connection:
            # That of the one which was going on went with it.
            statuses = await connection.exec_driver_sql("SELECT status FROM workflow_snapshot_facets")
            assert [row.status for row in statuses] == ["SUCCESS"]

    play(body)


def test_more_than_goes_in_one_round_goes_in_the_next_ones(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(stage: Stage) -> None:
        monkeypatch.setattr(snapshots, "PRUNE_BATCHES", 2)
        for number in range(snapshots.BATCH_SIZE * 7):
            stage.history.add(f"w{number:04}", T0 + number)
        await stage.policy.round()
        stage.clock.pass_by(17)
        await stage.policy.round()
        assert len(await stage.known()) == snapshots.BATCH_SIZE * 7
        await stage.settings(snapshot_keep_rows=snapshots.BATCH_SIZE, snapshot_interval_secs=3_600)
        counts = []
        stage.clock.pass_by(60)
        for _ in range(5):
            await stage.policy.round()
            counts.append(len(await stage.known()) // snapshots.BATCH_SIZE)
            stage.clock.pass_by(1)
        assert counts == [5, 3, 1, 1, 1]

    play(body)


def test_what_an_older_version_saved_gets_facets_a_part_in_each_round(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(stage: Stage) -> None:
        monkeypatch.setattr(snapshots, "FACET_BATCHES", 2)
        for number in range(snapshots.BATCH_SIZE * 5):
            stage.history.add(f"w{number:04}", T0 + number)
        await stage.turn()
        async with stage.scene.conductor.db.write() as connection:
            await connection.exec_driver_sql("UPDATE workflow_snapshots SET facet = NULL, marks = NULL")
            await connection.exec_driver_sql("DELETE FROM workflow_snapshot_facets")
        missing = []
        for _ in range(4):
            await stage.policy.round()
            async with stage.scene.conductor.db.read() as connection:
                query = "SELECT count(*) FROM workflow_snapshots WHERE marks IS NULL"
                missing.append((await connection.exec_driver_sql(query)).scalar_one() // snapshots.BATCH_SIZE)
        assert missing == [3, 1, 0, 0]

    play(body)


def test_turns_come_at_the_interval_of_the_application_and_not_when_it_is_off(play: Play) -> None:
    async def body(stage: Stage) -> None:
        stage.history.add("a", T0)
        await stage.policy.round()
        assert stage.executor.count(ListWorkflows) == 0
        stage.clock.pass_by(17)
        await stage.policy.round()
        assert await stage.known() == {"a": "SUCCESS"}
        asked = stage.executor.count(ListWorkflows)
        await stage.policy.round()
        assert stage.executor.count(ListWorkflows) == asked
        stage.clock.pass_by(17)
        await stage.policy.round()
        assert asked < stage.executor.count(ListWorkflows) <= asked + 6
        asked = stage.executor.count(ListWorkflows)
        await stage.settings(snapshots_enabled=False)
        stage.clock.pass_by(1_000)
        await stage.policy.round()
        assert stage.executor.count(ListWorkflows) == asked

    play(body)


def test_a_slow_application_is_asked_less(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(stage: Stage) -> None:
        monkeypatch.setattr(snapshot_asking, "MAX_REST_SECS", 0.0)
        listing = stage.history.list

        def slowly(filters: Any) -> Any:
            stage.clock.pass_by(3)
            return listing(filters)

        monkeypatch.setattr(stage.history, "list", slowly)
        stage.history.add("a", T0)
        stage.clock.pass_by(17)
        await stage.policy.round()
        turns = []
        for _ in range(40):
            stage.clock.pass_by(17)
            before = stage.executor.count(ListWorkflows)
            await stage.policy.round()
            turns.append(stage.executor.count(ListWorkflows) - before)
        assert max(turns) <= 3
        assert sum(1 for count in turns if count) < 12
        assert stage.policy.notes == ("1 application answers slowly: asked less often",)

    play(body)


def test_whoever_is_behind_gets_the_next_turn_soon(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(stage: Stage) -> None:
        monkeypatch.setattr(snapshot_asking, "MAX_REST_SECS", 0.0)
        monkeypatch.setattr(snapshot_asking, "PAGE_SIZE", 20)
        listing = stage.history.list

        def at_leisure(filters: Any) -> Any:
            stage.clock.pass_by(snapshot_asking.SLOW_SECS)
            return listing(filters)

        monkeypatch.setattr(stage.history, "list", at_leisure)
        for number in range(300):
            stage.history.add(f"w{number:03}", T0 + number)
        await stage.policy.round()
        stage.clock.pass_by(17)
        known, asked = [], []
        for _ in range(12):
            await stage.policy.round()
            known.append(len(await stage.known()))
            asked.append(stage.executor.count(ListWorkflows))
            stage.clock.pass_by(2)
        # A turn ends after ten seconds, that is after five answers.
        assert known[0] < known[1] < known[2] <= 300
        assert known[-1] == 300
        # Once all is known, the next look is not due for a while.
        assert asked[-1] == asked[-2] == asked[-3]

    play(body)


def test_what_a_deleted_application_leaves_is_cleared_away(play: Play) -> None:
    async def body(stage: Stage) -> None:
        for number in range(snapshots.BATCH_SIZE * 2 + 1):
            stage.history.add(f"w{number}", T0, attributes='{"tenant": "x"}')
        await stage.turn()
        await Applications(stage.scene.conductor.db).delete(stage.application.id)
        assert await stage.store.deserted() == [stage.sync.number]
        await stage.policy.round()
        assert await stage.store.deserted() == []
        assert await stage.store.between(stage.sync.number, 0, None, None, 10) == []

    play(body)


def test_gaps_are_joined_where_they_touch() -> None:
    from conductor_lite.policies.snapshot_sync import MAX_GAPS, joined

    assert joined([(10, 10), (12, 12)]) == ((10 - GAP_MS, 12 + GAP_MS),)
    assert joined([(0, 5), (7, 9)]) == ((0, 5), (7, 9))
    many = joined([(number * 10 * GAP_MS, number * 10 * GAP_MS + 1) for number in range(100)])
    assert len(many) == MAX_GAPS
    assert many[0][0] == 0
    assert many[-1][1] == 990 * GAP_MS + 1
