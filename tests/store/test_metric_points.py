"""Windows of metrics: written, replaced, rolled up, deleted; and never counted twice."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from conductor_lite.policies.metric_pruning import _cutoffs
from conductor_lite.store import metric_reading
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import COVERAGE, DAY, MINUTE, QUARTER, Group, Label, coverage
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_reading import MetricReading
from conductor_lite.store.metric_records import MetricSource

T0 = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
PAY = Label("workflow_started", "pay")
STARTED = {Group.STARTED}

Run = Callable[..., Any]


async def _source(db: Database) -> MetricSource:
    now = datetime.fromtimestamp(T0, UTC)
    record, _ = await Applications(db).register("local", "shop", now=now)
    source = await MetricPoints(db).source(record.id, T0)
    assert source is not None
    return source


async def _total(db: Database, source: MetricSource, begin: int, end: int) -> dict[Label, float]:
    return await MetricReading(db).totals(source, [PAY.family], begin, end)


def test_a_window_written_again_replaces_what_stood_there(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        source = await points.write(
            source, MINUTE, T0, STARTED, {PAY: 5.0, Label("workflow_started", "x"): 1.0}
        )
        source = await points.write(source, MINUTE, T0, STARTED, {PAY: 3.0}, collected_until=T0 + 60)
        assert source.collected_until == T0 + 60
        assert await _total(db, source, T0, T0 + 60) == {PAY: 3, coverage(Group.STARTED): 60}

    run(body)


def test_other_groups_of_a_window_are_left_alone(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        healthy = Label("executors", "HEALTHY", "v1")
        source = await points.write(source, MINUTE, T0, {Group.FLEET}, {healthy: 2.0})
        source = await points.write(source, MINUTE, T0, STARTED, {PAY: 3.0, healthy: 9.0})
        assert (await MetricReading(db).totals(source, ["executors"], T0, T0 + 60))[healthy] == 2

    run(body)


def test_a_quarter_takes_the_place_of_its_minutes_and_is_not_rolled_up_from_what_is_left(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        healthy = Label("executors", "HEALTHY", "v1")
        for start in range(T0, T0 + QUARTER, 300):
            source = await points.write(source, MINUTE, start, STARTED, {PAY: 1.0})
            source = await points.write(source, MINUTE, start, {Group.FLEET}, {healthy: 2.0})
        source = await points.write(source, QUARTER, T0, STARTED, {PAY: 30.0})
        for _ in range(5):
            source = await points.roll_up(source, QUARTER, T0 + DAY)
        assert source.rolled_until_quarter == T0 + DAY
        assert await _total(db, source, T0, T0 + QUARTER) == {PAY: 30, coverage(Group.STARTED): QUARTER}
        # Minutes would be counted beside it.
        assert await _total(db, source, T0, T0 + QUARTER - 60) == {}
        mean = await MetricReading(db).totals(source, ["executors"], T0, T0 + QUARTER)
        assert mean == {healthy: 2, coverage(Group.FLEET): 180}

    run(body)


def test_a_mean_counts_by_the_time_of_which_it_is_known(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        healthy = Label("executors", "HEALTHY", "v1")
        # Five minutes of two, then a whole quarter of an hour of one.
        for start in range(T0 + 600, T0 + 2 * QUARTER, 60):
            count = 2.0 if start < T0 + QUARTER else 1.0
            source = await points.write(source, MINUTE, start, {Group.FLEET}, {healthy: count})
        for _ in range(2):
            source = await points.roll_up(source, QUARTER, T0 + 2 * QUARTER)
        reading = MetricReading(db)

        async def means(step_secs: int) -> list[float]:
            found = await reading.steps(
                source,
                ["executors"],
                begin=T0,
                end=T0 + 2 * QUARTER,
                step_secs=step_secs,
                window_secs=QUARTER,
            )
            (series,) = [series for series in found if series.label == healthy]
            return list(series.values.values())

        assert await means(QUARTER) == [2, 1]
        assert await means(2 * QUARTER) == [(5 * 2 + 15 * 1) / 20]

    run(body)


def test_what_is_written_while_a_chart_is_read_is_not_in_it(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        one, two = Label("executors", "HEALTHY", "v1"), Label("executors", "HEALTHY", "v2")
        await points.write(source, MINUTE, T0, {Group.FLEET}, {one: 2.0})
        weighed = metric_reading._weighed

        async def late(*arguments: Any) -> Any:
            await points.write(source, MINUTE, T0 + 60, {Group.FLEET}, {one: 4.0, two: 1.0})
            return await weighed(*arguments)

        async def chart() -> dict[Label, dict[int, float]]:
            found = await MetricReading(db).steps(
                source, ["executors"], begin=T0, end=T0 + QUARTER, step_secs=QUARTER, window_secs=MINUTE
            )
            return {series.label: dict(series.values) for series in found}

        with patch.object(metric_reading, "_weighed", late):
            assert await chart() == {coverage(Group.FLEET): {T0: 60}, one: {T0: 2}}
        assert await chart() == {coverage(Group.FLEET): {T0: 120}, one: {T0: 3}, two: {T0: 0.5}}

    run(body)


def test_lately_each_window_counts_once_wherever_rolling_up_has_got_to(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        reading, end = MetricReading(db), T0 + 2 * QUARTER

        async def lately() -> tuple[dict[int, float], tuple[float, float]]:
            (steps,) = (await reading.recent_steps([PAY.family], Group.STARTED, T0, end, QUARTER)).values()
            (totals,) = (await reading.recent_totals([PAY.family], T0, T0 + QUARTER, end)).values()
            assert set(steps[COVERAGE].values()) == {QUARTER}
            return steps[PAY.family], totals[PAY]

        for start in range(T0, end, MINUTE):
            source = await points.write(source, MINUTE, start, STARTED, {PAY: 1.0})
        for until in (T0, T0 + QUARTER, end):
            source = await points.roll_up(source, QUARTER, until)
            assert source.rolled_until_quarter == until
            assert await lately() == ({T0: 15, T0 + QUARTER: 15}, (30, 15))
        # Both quarters stay until they are made again from the minutes.
        source = await points.write(source, MINUTE, T0 + MINUTE, STARTED, {PAY: 4.0})
        assert source.rolled_until_quarter == T0
        assert await lately() == ({T0: 18, T0 + QUARTER: 15}, (33, 15))
        (later,) = (await reading.recent_totals([PAY.family], T0 + QUARTER, T0 + QUARTER, end)).values()
        assert later == {PAY: (15, 15)}

    run(body)


def test_what_is_written_late_is_rolled_up_again(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        for secs in (QUARTER, DAY):
            source = await points.roll_up(source, secs, T0 + 2 * DAY)
        source = await points.write(source, MINUTE, T0 + 60, STARTED, {PAY: 4.0})
        assert (source.rolled_until_quarter, source.rolled_until_day) == (T0, T0)
        for secs in (QUARTER, DAY):
            for _ in range(3):
                source = await points.roll_up(source, secs, T0 + 2 * DAY)
        assert await _total(db, source, T0, T0 + DAY) == {PAY: 4, coverage(Group.STARTED): 60}

    run(body)


def test_a_write_that_fails_leaves_no_numbers_of_series_behind(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        source = await points.write(source, MINUTE, T0, STARTED, {PAY: 1.0})
        new = Label("workflow_started", "new")
        # SQLite holds no such number.
        with pytest.raises(IntegrityError):
            await points.write(source, MINUTE, T0 + 60, STARTED, {new: math.nan})
        source = await points.write(source, MINUTE, T0 + 60, STARTED, {new: 2.0, PAY: 1.0})
        assert (await _total(db, source, T0, T0 + 120))[new] == 2

    run(body)


def test_pruning_takes_so_many_at_once_and_series_without_points_after_them(run: Run) -> None:
    async def body(db: Database) -> None:
        points, source = MetricPoints(db), await _source(db)
        for minute in range(10):
            source = await points.write(source, MINUTE, T0 + 60 * minute, STARTED, {PAY: 1.0})
        assert await points.prune(source, MINUTE, T0 + 300, 6) == 6
        assert await points.prune(source, MINUTE, T0 + 300, 6) == 4
        assert await points.prune_series(source) == 0
        assert (await _total(db, source, T0, T0 + 600))[PAY] == 5
        assert set(await points.recent_labels(source.number)) == {PAY, coverage(Group.STARTED)}
        await points.prune(source, MINUTE, T0 + DAY, 100)
        assert await points.prune_series(source) == 2
        # Its application is there still.
        assert len(await points.sources()) == 1

    run(body)


def test_nothing_is_deleted_before_it_is_rolled_up(run: Run) -> None:
    async def body(db: Database) -> None:
        source = msgspec.structs.replace(
            await _source(db), rolled_until_quarter=T0 + DAY, rolled_until_day=T0
        )
        assert _cutoffs(source, T0 + 90 * DAY) == [
            (MINUTE, T0 + DAY),
            (QUARTER, T0),
            (DAY, T0 + 90 * DAY - 730 * DAY),
        ]
        assert _cutoffs(source, T0 + DAY) == [
            (MINUTE, T0 - DAY),
            (QUARTER, T0 - 29 * DAY),
            (DAY, T0 - 729 * DAY),
        ]

    run(body)


def test_an_application_that_is_gone_has_no_source(run: Run) -> None:
    async def body(db: Database) -> None:
        assert await MetricPoints(db).source("nobody", T0) is None

    run(body)
