"""What needs a person, and what happened lately: rules as tables, and figures from a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest
from support.figures import START, Clocks, Collecting, Workflow

from conductor_lite.errors import StoreError
from conductor_lite.fleet.views import DEAD, DISCONNECTED, HEALTHY, ExecutorView, RecoveryView, VersionView
from conductor_lite.operations.activity import Activities, Activity, Backlog, Outcomes
from conductor_lite.operations.applications import Application
from conductor_lite.operations.attention import (
    ALERT_FIRING,
    EXECUTORS_LOST,
    KINDS,
    POLICY_FAILING,
    QUEUE_STUCK,
    RECOVERY_FAILING,
    STRANDED,
    UNAVAILABLE,
    UNRESPONSIVE,
    WORKFLOW_FAILING,
    is_failing,
    of_application,
    of_policies,
    worst_first,
)
from conductor_lite.store.alert_records import AlertRecord
from conductor_lite.store.database import Database
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.telemetry import PolicyHealth

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
T0 = int(START.timestamp())


def executor(id_: str, status: str = HEALTHY, version: str = "v1", **fields: Any) -> ExecutorView:
    return ExecutorView(
        application_id="1",
        executor_id=id_,
        application_version=version,
        status=status,
        created_at=NOW,
        updated_at=NOW - timedelta(seconds=30),
        last_seen_at=NOW,
        **fields,
    )


def found(
    *executors: ExecutorView,
    versions: tuple[VersionView, ...] = (),
    activity: Activity | None = None,
    alerts: tuple[AlertRecord, ...] = (),
) -> list[Any]:
    record = ApplicationRecord(
        id="1", organization_id="local", name="shop", created_at=NOW, updated_at=NOW, executor_timeout_secs=60
    )
    available = any(each.status == HEALTHY for each in executors)
    application = Application(record=record, available=available, versions=versions)
    return worst_first(of_application(application, executors, [], activity, alerts, NOW))


def kinds(*executors: ExecutorView, **given: Any) -> list[str]:
    return [item.kind for item in found(*executors, **given)]


def lately(**fields: Any) -> Activity:
    return Activity(start=NOW - timedelta(hours=6), hour=NOW - timedelta(hours=1), **fields)


def outcomes(name: str, succeeded: int, failed: int, succeeded_lately: int, failed_lately: int) -> Outcomes:
    return Outcomes(
        workflow_name=name,
        succeeded=succeeded,
        failed=failed,
        succeeded_lately=succeeded_lately,
        failed_lately=failed_lately,
    )


def backlog(waited_secs: float, dequeued: int | None, waiting: int = 12) -> Backlog:
    oldest = NOW - timedelta(seconds=waited_secs)
    return Backlog(queue_name="mail", waiting=waiting, oldest_at=oldest, dequeued_lately=dequeued)


def test_an_application_that_runs_needs_nobody() -> None:
    busy = lately(outcomes=(outcomes("pay", 100, 0, 10, 0),), backlogs=(backlog(600, 0),))
    assert kinds(executor("a"), activity=busy) == []


def test_lost_executors_of_one_application_are_one_item() -> None:
    (item,) = found(executor("a"), executor("b", DISCONNECTED), executor("c", DEAD))
    assert (item.kind, item.title) == (EXECUTORS_LOST, "2 executors are lost")
    (item,) = found(executor("a"), executor("b", DISCONNECTED))
    assert (item.title, item.executor_id) == ("Executor b is lost", "b")


def test_an_application_without_any_executor_is_told_of_as_a_whole() -> None:
    assert kinds(executor("a", DISCONNECTED), executor("b", DEAD)) == [UNAVAILABLE]


def test_a_stranded_version_is_not_told_of_as_lost_executors_too() -> None:
    version = VersionView(application_version="v0", dead=1, stranded_since=NOW)
    assert kinds(executor("a"), executor("b", DEAD, "v0"), versions=(version,)) == [STRANDED]


def test_the_worst_comes_first() -> None:
    failing = RecoveryView(stage="retrying", attempts=3, dead_since=NOW, error="no such workflow")
    everything = lately(outcomes=(outcomes("pay", 0, 1, 0, 1),), backlogs=(backlog(1000, 0),))
    alert = AlertRecord(
        id=1,
        application_id="1",
        rule_id="r",
        rule_type="WorkflowFailure",
        message="2 failed",
        alert_metadata={},
        fired_at=NOW,
        resolved_at=None,
    )
    assert kinds(
        executor("a", responsive=False),
        executor("b", DEAD, recovery=failing),
        activity=everything,
        alerts=(alert,),
    ) == [RECOVERY_FAILING, WORKFLOW_FAILING, QUEUE_STUCK, ALERT_FIRING, UNRESPONSIVE, EXECUTORS_LOST]
    assert len(set(KINDS)) == len(KINDS)


@pytest.mark.parametrize(
    ("succeeded", "failed", "succeeded_lately", "failed_lately", "fails"),
    [
        (0, 0, 0, 0, False),
        (0, 1, 0, 0, True),
        (10, 11, 5, 0, True),
        (10, 10, 5, 0, False),
        (1000, 1, 200, 1, False),
        (1000, 50, 20, 1, False),
        (1000, 50, 19, 1, True),
        (3, 1, 0, 1, True),
    ],
)
def test_a_workflow_fails_when_most_runs_do_or_lately_more_than_a_rare_one(
    succeeded: int, failed: int, succeeded_lately: int, failed_lately: int, fails: bool
) -> None:
    assert is_failing(outcomes("pay", succeeded, failed, succeeded_lately, failed_lately)) is fails


def test_the_workflows_that_fail_most_are_named_and_the_others_counted() -> None:
    many = tuple(outcomes(f"w{number}", 1, 10 + number, 0, 5) for number in range(6))
    items = found(executor("a"), activity=lately(outcomes=many))
    assert [item.workflow_name for item in items] == ["w5", "w4", "w3", None]
    assert items[0].title == "w5 fails: 15 of 16 that ended within the last hour failed"
    assert items[3].title == "3 more workflows fail: 33 of 36 that ended within the last hour failed"


@pytest.mark.parametrize(
    ("waited_secs", "dequeued", "word"),
    [
        (899, 0, ""),
        (900, 0, "stuck"),
        (900, 1, ""),
        (900, None, ""),
        (3600, 1, "far behind"),
        (3600, None, "far behind"),
        (3600, 0, "stuck"),
    ],
)
def test_a_queue_is_stuck_when_nothing_leaves_it_and_behind_when_it_does(
    waited_secs: float, dequeued: int | None, word: str
) -> None:
    items = found(executor("a"), activity=lately(backlogs=(backlog(waited_secs, dequeued),)))
    assert [word in item.title for item in items] == ([True] if word else [])


def test_only_policies_that_fail_again_and_again_are_told_of() -> None:
    def policy(name: str, failures: int) -> PolicyHealth:
        return PolicyHealth(name=name, interval_secs=5, failures=failures, duration_secs=1)

    late = PolicyHealth(name="snapshots", interval_secs=5, lag_secs=300)
    patient = PolicyHealth(name="retention", interval_secs=600, lag_secs=2_000)
    items = list(of_policies([policy("alerts", 2), policy("metrics", 3), late, patient]))
    assert {item.kind for item in items} == {POLICY_FAILING}
    assert "“metrics” has failed 3 times" in items[0].title
    assert "“snapshots” is not getting done" in items[1].title
    assert len(items) == 2


Body = Callable[[Collecting, Activities], Awaitable[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Body], Any]:
    """Runs an async function on a policy that collects, and on what tells of it."""

    async def whole(body: Body) -> Any:
        db = await Database.open(tmp_path)
        try:
            clocks = Clocks()
            clocks.pass_secs(5)
            scene = Collecting(db, clocks)
            context = SimpleNamespace(
                metric_reading=scene.reading, measurer=scene.measurer, now=scene.clocks.now
            )
            return await body(scene, Activities(cast(Any, context)))
        finally:
            await db.close()

    return lambda body: asyncio.run(whole(body))


def test_activity_is_counted_in_quarters_with_gaps_where_nobody_was_asked(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        shop = await scene.application()
        other = await scene.application("other")
        shop.workflows = [
            Workflow(
                "pay",
                T0 + n * 60,
                "q",
                T0 + n * 60 + 1,
                T0 + n * 60 + 2,
                "ERROR" if n % 4 == 0 else "SUCCESS",
            )
            for n in range(60)
        ]
        shop.workflows += [Workflow("wait", T0 + 600, "slow", status="ENQUEUED")] * 3
        other.workflows = [Workflow("once", T0 + 10, None, None, T0 + 20)]
        await scene.minutes(40)
        ids = {name: record.id for name, record in scene.applications.items()}
        activity = await activities.of(ids.values())
        mine, others = activity[ids["shop"]], activity[ids["other"]]
        # The quarter under way is the last one; before the first nothing is known.
        assert mine.start == START - timedelta(minutes=15 * 21)
        assert mine.started[:21] == (None,) * 21
        assert mine.started[21:] == (15 + 3, 15, 10)
        assert mine.failed[21:] == (4, 4, 2)
        assert others.succeeded[21:] == (1, 0, 0)
        assert mine.outcomes == (outcomes("pay", 30, 10, 19, 6),)
        (backlog,) = mine.backlogs or ()
        assert (backlog.queue_name, backlog.waiting, backlog.dequeued_lately) == ("slow", 3, 0)
        assert backlog.oldest_at == START + timedelta(minutes=10)
        assert (mine.waiting, others.waiting) == (3, 0)

    run(body)


def test_activity_is_read_anew_after_a_while_and_at_once_by_those_who_come_late(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + n * 60) for n in range(60)]
        await scene.minutes(3)
        id_ = scene.applications["shop"].id

        async def started() -> float:
            return (await activities.of([id_]))[id_].started[-1] or 0.0

        assert await started() == 3
        await scene.round(20)
        await scene.round(40)
        # Out of date by a little: told once more, while it is read anew.
        assert await started() == 3
        assert activities._reading is not None
        await activities._reading
        assert await started() == 4
        await scene.minutes(5)
        assert await started() == 9

    run(body)


def test_who_comes_first_after_a_start_is_not_kept_waiting(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + n * 60) for n in range(60)]
        await scene.minutes(3)
        id_ = scene.applications["shop"].id
        read, may_read, readings = scene.reading.recent_totals, asyncio.Event(), []

        async def slow(*arguments: Any) -> Any:
            readings.append(arguments)
            await may_read.wait()
            return await read(*arguments)

        with patch.object(scene.reading, "recent_totals", slow):
            assert await activities.of([id_], 0.01) is None
            assert await activities.of([id_], 0.01) is None
            may_read.set()
            # The same reading went on meanwhile.
            told = await activities.of([id_])
        assert told is not None
        assert told[id_].started[-1] == 3
        assert len(readings) == 1
        assert await activities.of([id_], 0.0) is not None

    run(body)


def test_what_waits_is_not_known_of_an_application_that_went_away(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("wait", T0, "slow", status="ENQUEUED")]
        await scene.minutes(2)
        id_ = scene.applications["shop"].id
        assert (await activities.of([id_]))[id_].waiting == 1
        shop.is_here = False
        await scene.minutes(4)
        away = (await activities.of([id_]))[id_]
        assert (away.backlogs, away.waiting) == (None, None)

    run(body)


def test_who_waits_for_a_reading_that_fails_hears_of_that_one_though_another_has_begun(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        await scene.application()
        read, others = scene.reading.recent_totals, list[asyncio.Task[Any]]()

        async def failing_once(*arguments: Any) -> Any:
            if others:
                return await read(*arguments)
            loop = asyncio.get_running_loop()
            # Comes in after the failure, and before who waits for it has woken up.
            loop.call_soon(lambda: others.append(loop.create_task(activities.of([]))))
            raise StoreError("The disk is gone.")

        with patch.object(scene.reading, "recent_totals", failing_once):
            with pytest.raises(StoreError, match="gone"):
                await activities.of([])
            assert await others[0] == {}

    run(body)


def test_a_failure_that_took_longer_than_anybodys_patience_is_told_to_the_next_one_once(run: Any) -> None:
    async def body(scene: Collecting, activities: Activities) -> None:
        await scene.application()
        may_fail = asyncio.Event()

        async def failing_late(*_: Any) -> Any:
            await may_fail.wait()
            raise StoreError("The disk is gone.")

        with patch.object(scene.reading, "recent_totals", failing_late):
            assert await activities.of([], 0.01) is None
            assert activities._reading is not None
            may_fail.set()
            await asyncio.wait({activities._reading})
            # The next reading would take as long.
            may_fail.clear()
            with pytest.raises(StoreError, match="gone"):
                await activities.of([], 0.01)
        assert await activities.of([]) == {}

    run(body)
