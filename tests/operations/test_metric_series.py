"""Metrics read from what is on record: charts, and counts while the application is away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from support.figures import START, Clocks, Collecting, Step, Workflow

from conductor_lite.auth.actor import local_actor
from conductor_lite.errors import ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.metrics import MAX_STEPS, Metrics, Series, steps_for
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import DAY, MINUTE, QUARTER

T0 = int(START.timestamp())
LOCAL = local_actor(None)
HOUR = timedelta(hours=1)
Body = Callable[[Collecting, Metrics], Awaitable[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Body], Any]:
    """Runs an async function on a policy that collects, and on the operations that read."""

    async def whole(body: Body) -> Any:
        db = await Database.open(tmp_path)
        try:
            clocks = Clocks()
            clocks.pass_secs(5)
            scene = Collecting(db, clocks)
            return await body(scene, Metrics(_context(scene)))
        finally:
            await db.close()

    return lambda body: asyncio.run(whole(body))


def _context(scene: Collecting) -> Any:
    """As much of the context as these operations use, asking the scene's executors."""

    async def application(actor: Any, name: str) -> Any:
        record = await Applications(scene.db).get(actor.organization_id, name)
        if record is None or not actor.sees(record.id):
            raise NotFoundError(name)
        return record

    async def ask(record: Any, request: Any) -> Any:
        return await scene.fleet.ask(record.id, request)

    return SimpleNamespace(
        metric_reading=scene.reading,
        audit_log=scene.audit_log,
        now=scene.clocks.now,
        application=application,
        ask=ask,
    )


def _at(secs: float) -> datetime:
    return datetime.fromtimestamp(T0 + secs, UTC)


async def _hour_of(scene: Collecting) -> Any:
    """An application with an hour of history, that goes away in the 40th minute and returns in the 50th."""
    shop = await scene.application()
    shop.workflows = [
        Workflow("pay", T0 + n * 30, "q", T0 + n * 30 + 1, T0 + n * 30 + 2 + n % 7) for n in range(120)
    ]
    shop.steps = [Step("reserve", T0 + n * 20 + 1, "ERROR" if n % 10 == 0 else "SUCCESS") for n in range(180)]
    await scene.minutes(40)
    shop.is_here = False
    await scene.minutes(10)
    shop.is_here = True
    await scene.minutes(10)
    return shop


def _one(series: tuple[Series, ...], family: str) -> Series:
    (found,) = [line for line in series if line.family == family]
    return found


def test_a_chart_has_zeroes_where_nothing_happened_and_gaps_where_nobody_was_asked(run: Any) -> None:
    async def body(scene: Collecting, metrics: Metrics) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 70, completed=T0 + 200)]
        await scene.minutes(5)
        families = ["workflow_started", "workflow_latency_secs", "workflow_pending", "executors"]
        chart = await metrics.series(
            LOCAL, "shop", families=families, start=_at(-120), end=_at(420), resolution_secs=60
        )
        assert (chart.start, chart.step_secs, chart.steps) == (_at(-120), 60, 9)
        assert chart.counted_from == "aggregates"
        assert {line.family for line in chart.series} == {
            "workflow_started",
            "workflow_latency_secs",
            "executors",
        }
        started = _one(chart.series, "workflow_started")
        assert started.labels == {"workflow_name": "pay", "queue_name": ""}
        assert started.values == (None, None, 0, 1, 0, 0, 0, None, None)
        latency = _one(chart.series, "workflow_latency_secs")
        assert latency.values == (None, None, None, None, None, 130, None, None, None)
        executors = _one(chart.series, "executors")
        assert executors.labels == {"status": "HEALTHY", "application_version": "v1"}
        assert executors.values == (None, None, 1, 1, 1, 1, 1, None, None)

    run(body)


@pytest.mark.parametrize("resolution_secs", [60, 300, 900, 1_800])
def test_steps_add_up_whatever_windows_they_are_read_from(run: Any, resolution_secs: int) -> None:
    async def body(scene: Collecting, metrics: Metrics) -> None:
        await _hour_of(scene)
        chart = await metrics.series(
            LOCAL, "shop", start=_at(0), end=_at(3_600), resolution_secs=resolution_secs
        )
        assert chart.steps == 3_600 // resolution_secs
        for family, total in (
            ("workflow_started", 120),
            ("workflow_dequeued", 120),
            ("step_failed", 18),
            ("step_succeeded", 162),
        ):
            assert sum(value or 0 for value in _one(chart.series, family).values) == total
        assert max(value or 0 for value in _one(chart.series, "workflow_latency_secs").values) == 8
        # It was disconnected for ten minutes; the mean over each step says so.
        healthy, gone = (
            [line for line in chart.series if line.labels.get("status") == status]
            for status in ("HEALTHY", "DISCONNECTED")
        )
        mean = sum(value or 0 for value in healthy[0].values) / chart.steps
        assert mean == pytest.approx(50 / 60)
        assert sum(value or 0 for value in gone[0].values) / chart.steps == pytest.approx(10 / 60)

    run(body)


def test_series_are_for_those_who_may_see_them(run: Any) -> None:
    async def body(scene: Collecting, metrics: Metrics) -> None:
        await scene.application()

        blind = msgspec.structs.replace(LOCAL, permissions=frozenset({"application.read"}))
        elsewhere = msgspec.structs.replace(LOCAL, application_ids=frozenset({"another"}))
        with pytest.raises(ForbiddenError):
            await metrics.series(blind, "shop", start=_at(0), end=_at(60))
        with pytest.raises(NotFoundError):
            await metrics.series(elsewhere, "shop", start=_at(0), end=_at(60))
        with pytest.raises(InvalidError) as refusal:
            await metrics.series(LOCAL, "shop", families=["nonsense"], start=_at(0), end=_at(60))
        assert refusal.value.errors[0].location == "query.families"
        # Nothing was collected yet, and that is no error.
        chart = await metrics.series(LOCAL, "shop", start=_at(0), end=_at(60))
        assert chart.series == ()

    run(body)


def test_counts_come_from_the_record_when_it_is_whole(run: Any) -> None:
    async def body(scene: Collecting, metrics: Metrics) -> None:
        shop = await _hour_of(scene)
        asked = len(shop.requests)
        shop.is_here = False
        counted = await metrics.list(LOCAL, "shop", start=_at(0), end=_at(3_600))
        assert [(m.metric_type, m.metric_name, m.value) for m in counted] == [
            ("workflow_count", "pay", 120),
            ("step_count", "reserve", 180),
            ("recovery_count", "recovery_count", 0),
        ]
        part = await metrics.list(LOCAL, "shop", start=_at(600), end=_at(1_200))
        assert [m.value for m in part] == [20, 30, 0]
        assert part[0].granularity_secs == 600
        assert len(shop.requests) == asked

    run(body)


def test_counts_of_other_ranges_are_asked_for_and_the_record_serves_while_nobody_is_there(run: Any) -> None:
    async def body(scene: Collecting, metrics: Metrics) -> None:
        shop = await _hour_of(scene)
        asked = len(shop.requests)
        counted = await metrics.list(LOCAL, "shop", start=_at(15), end=_at(3_600))
        assert sorted((m.metric_name, m.value) for m in counted) == [
            ("pay", 119),
            ("recovery_count", 0),
            ("reserve", 179),
        ]
        assert len(shop.requests) == asked + 1
        shop.is_here = False
        # The minutes that begin in it.
        counted = await metrics.list(LOCAL, "shop", start=_at(15), end=_at(3_600))
        assert [m.value for m in counted] == [118, 177, 0]

    run(body)


@pytest.mark.parametrize(
    "length", [60, 61, 3_600, 6 * 3_600, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 730 * DAY]
)
@pytest.mark.parametrize("age", [0, DAY, 29 * DAY, 400 * DAY])
@pytest.mark.parametrize("wished", [None, 60, 900, 7_200, DAY])
def test_a_chart_of_any_range_has_few_steps_of_windows_that_are_kept(
    length: int, age: int, wished: int | None
) -> None:
    now = T0 + 12_345
    end = now - age
    window_secs, step_secs = steps_for(end - length, end, now, wished)
    assert step_secs % window_secs == 0
    assert step_secs >= (wished or 0)
    assert length // step_secs + 2 <= MAX_STEPS + 1
    if wished is not None and wished >= length / MAX_STEPS:
        assert step_secs == wished or window_secs > wished
    kept = {MINUTE: 2 * DAY, QUARTER: 30 * DAY, DAY: 10**9}[window_secs]
    assert end - length >= now - kept - 3_600
    # Few windows are read, or all there are.
    assert length / window_secs <= 3_000
