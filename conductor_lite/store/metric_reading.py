"""Metrics as charts and sums read them: long windows where they serve, shorter ones elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Result, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import (
    COVERAGE,
    DAY,
    FAMILIES,
    MINUTE,
    QUARTER,
    Group,
    Label,
    Rollup,
    coverage,
    families_of,
    floor,
)
from conductor_lite.store.metric_records import MetricSource, SeriesPoints
from conductor_lite.store.metric_schema import metric_points, metric_series, metric_sources

_series = metric_series.c

#: Rows of every application that are gone through before others have their turn.
_ROWS_AT_ONCE = 500


class _Stretch(NamedTuple):
    """Part of a range of time, and the windows to read there; times are seconds since 1970."""

    window_secs: int
    begin: int
    end: int


class MetricReading:
    """Reads of the tables of metrics.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def source(self, application_id: str) -> MetricSource | None:
        """An application's source; None while nothing was collected."""
        query = select(metric_sources).where(metric_sources.c.application_id == application_id)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else MetricSource(**row._asdict())

    async def steps(
        self,
        source: MetricSource,
        families: Collection[str],
        *,
        begin: int,
        end: int,
        step_secs: int,
        window_secs: int,
    ) -> list[SeriesPoints]:
        """Series in steps of equal length, those of what covers them included.

        Args:
            source: whose.
            families: which ones.
            begin: in seconds since 1970, a multiple of ``step_secs``.
            end: likewise, not included.
            step_secs: length of a step, a multiple of ``window_secs``.
            window_secs: the windows to read where they have been rolled up.
        """
        found: dict[Label, dict[int, float]] = {}
        # Of one instant: a series that is new has to be in all that is read, or in none of it.
        async with self._db.read() as connection:
            for stretch in _stretches(source, begin, end, window_secs):
                rows = await _read(connection, source.number, families, stretch, step_secs)
                for label, step, total, largest in rows:
                    values = found.setdefault(label, {})
                    match FAMILIES[label.family].rollup if label.family in FAMILIES else Rollup.SUM:
                        case Rollup.MAX:
                            values[step] = max(values.get(step, 0.0), largest)
                        case Rollup.SUM:
                            values[step] = values.get(step, 0.0) + total
                means = await _weighed(connection, source.number, families, stretch, step_secs)
                for label, step, weighed in means:
                    found[label][step] = found[label].get(step, 0.0) + weighed
        _divide_means(found)
        return [SeriesPoints(label=label, values=values) for label, values in sorted(found.items())]

    async def newest(
        self, source: MetricSource, group: Group, *, since: int
    ) -> tuple[int, dict[Label, float]] | None:
        """The last minute in which a group was known.

        Args:
            source: whose.
            group: whose families are read.
            since: how far to look back, in seconds since 1970.

        Returns:
            Where the minute begins and its values; None when there is none that late.
        """
        points, cover = metric_points.c, coverage(group)
        of_source = (_series.source == source.number) & (points.resolution_secs == MINUTE)
        joined = metric_series.join(metric_points, points.series == _series.id)
        last = (
            select(func.max(points.window_start))
            .select_from(joined)
            .where(of_source, _is(cover), points.window_start >= since)
        )
        async with self._db.read() as connection:
            at = (await connection.execute(last)).scalar_one_or_none()
            if at is None:
                return None
            rows = await connection.execute(
                select(_series.family, _series.first_label, _series.second_label, points.value)
                .select_from(joined)
                .where(of_source, _series.family.in_(families_of([group])), points.window_start == at)
            )
            return at, {Label(*label): value for *label, value in rows}

    async def totals(
        self, source: MetricSource, families: Collection[str], begin: int, end: int
    ) -> dict[Label, float]:
        """Sums over a range of whole minutes, and for how many seconds of it each group was known.

        Args:
            source: whose.
            families: which ones; they are added up.
            begin: in seconds since 1970.
            end: likewise, not included.
        """
        totals: dict[Label, float] = {}
        async with self._db.read() as connection:
            for stretch in _whole(source, begin, end):
                for label, _, total, _ in await _read(connection, source.number, families, stretch, DAY):
                    totals[label] = totals.get(label, 0.0) + total
        return totals

    async def recent_steps(
        self, families: Collection[str], cover: Group, begin: int, end: int, step_secs: int
    ) -> dict[str, dict[str, dict[int, float]]]:
        """Sums of every application over all labels, in steps.

        Args:
            families: which ones; they are added up.
            cover: the group of which is told for how many seconds it was known, as the family `COVERAGE`.
            begin: in seconds since 1970, a multiple of ``step_secs``.
            end: likewise, not included.
            step_secs: length of a step, a multiple of a quarter of an hour.

        Returns:
            By application, family and step.
        """
        wanted = _series.family.in_(sorted(families)) | _is(coverage(cover))
        step = (metric_points.c.window_start - metric_points.c.window_start % step_secs).label("step")
        found: dict[str, dict[str, dict[int, float]]] = {}
        async with self._db.read() as connection:
            owners = await _owners(connection)
            for stretch in _recent(wanted, begin, end, [_series.family, step]):
                query = stretch.add_columns(func.sum(metric_points.c.value))
                async for source, family, at, total in _in_turns(await connection.execute(query)):
                    steps = found.setdefault(owners[source], {}).setdefault(family, {})
                    steps[at] = steps.get(at, 0.0) + total
        return found

    async def recent_totals(
        self, families: Collection[str], begin: int, since: int, end: int
    ) -> dict[str, dict[Label, tuple[float, float]]]:
        """Sums of every application by label: of a whole stretch, and of the last part of it.

        Args:
            families: which ones; they are added up.
            begin: in seconds since 1970, a multiple of a quarter of an hour.
            since: where the last part begins, likewise.
            end: likewise, not included.
        """
        labels = [_series.family, _series.first_label, _series.second_label]
        lately = case((metric_points.c.window_start >= since, metric_points.c.value), else_=0.0)
        found: dict[str, dict[Label, tuple[float, float]]] = {}
        async with self._db.read() as connection:
            owners = await _owners(connection)
            for stretch in _recent(_series.family.in_(sorted(families)), begin, end, labels):
                query = stretch.add_columns(func.sum(metric_points.c.value), func.sum(lately))
                rows = _in_turns(await connection.execute(query))
                async for source, family, first, second, total, late in rows:
                    totals, label = found.setdefault(owners[source], {}), Label(family, first, second)
                    before = totals.get(label, (0.0, 0.0))
                    totals[label] = (before[0] + total, before[1] + late)
        return found


async def _weighed(
    connection: AsyncConnection, source: int, families: Collection[str], stretch: _Stretch, step_secs: int
) -> list[tuple[Label, int, float]]:
    """Of every mean and step the sum over its windows, each by the seconds of which it is the mean."""
    means = [name for name in families if FAMILIES[name].rollup is Rollup.MEAN]
    if not means:
        return []
    windows = await _read(connection, source, means, stretch, stretch.window_secs)
    covered = {(label.first, at): secs for label, at, secs, _ in windows if label.family == COVERAGE}
    return [
        (label, floor(at, step_secs), mean * covered.get((FAMILIES[label.family].group, at), 0.0))
        for label, at, mean, _ in windows
        if label.family != COVERAGE
    ]


async def _read(
    connection: AsyncConnection, source: int, families: Collection[str], stretch: _Stretch, step_secs: int
) -> list[tuple[Label, int, float, float]]:
    """Of every series and step the sum and the largest value."""
    wanted = _wanted(source, families)
    names = select(_series.id, _series.family, _series.first_label, _series.second_label).where(wanted)
    labels = {number: Label(*label) for number, *label in await connection.execute(names)}
    # Names are left out of the many rows.
    rows = (await connection.execute(_stepped(wanted, stretch, step_secs))).all()
    return [(labels[number], step, total, largest) for number, step, total, largest in rows]


async def _in_turns(rows: Result[Any]) -> AsyncIterator[Any]:
    """Many rows, between some of which others have their turn."""
    for some in rows.partitions(_ROWS_AT_ONCE):
        for row in some:
            yield row
        await asyncio.sleep(0)


def _divide_means(found: Mapping[Label, dict[int, float]]) -> None:
    for label, values in found.items():
        family = FAMILIES.get(label.family)
        if family is not None and family.rollup is Rollup.MEAN:
            covered = found.get(coverage(family.group), {})
            for step in values:
                values[step] = values[step] / covered[step] if covered.get(step) else 0.0


def _wanted(source: int, families: Collection[str]) -> ColumnElement[bool]:
    covers = {FAMILIES[name].group.value for name in families if name in FAMILIES}
    is_cover = (_series.family == COVERAGE) & _series.first_label.in_(sorted(covers))
    return (_series.source == source) & (_series.family.in_(sorted(families)) | is_cover)


def _is(label: Label) -> ColumnElement[bool]:
    return (_series.family == label.family) & (_series.first_label == label.first)


async def _owners(connection: AsyncConnection) -> dict[int, str]:
    """Applications by their source."""
    sources = metric_sources.c
    query = select(sources.number, sources.application_id).where(sources.application_id.is_not(None))
    return {row.number: row.application_id for row in await connection.execute(query)}


def _recent(
    wanted: ColumnElement[bool], begin: int, end: int, columns: Sequence[ColumnElement[Any]]
) -> Iterator[Select[Any]]:
    """Queries of every application's points: in quarters of an hour up to where those are rolled up.

    Two, for one with an ``or`` in it would have the database look through every point of each series.
    """
    points, rolled_until = metric_points.c, metric_sources.c.rolled_until_quarter
    joined = metric_sources.join(metric_series, _series.source == metric_sources.c.number).join(
        metric_points, points.series == _series.id
    )
    living = select(metric_sources.c.number).where(metric_sources.c.application_id.is_not(None))
    query = (
        select(_series.source, *columns)
        .select_from(joined)
        # Said like this, databases begin with the series and not with the many points.
        .where(_series.source.in_(living), wanted)
        .group_by(_series.source, *columns)
    )
    yield query.where(
        points.resolution_secs == QUARTER, points.window_start >= begin, points.window_start < rolled_until
    )
    yield query.where(
        points.resolution_secs == MINUTE,
        points.window_start >= case((rolled_until > begin, rolled_until), else_=begin),
        points.window_start < end,
    )


def _stepped(wanted: ColumnElement[bool], stretch: _Stretch, step_secs: int) -> Select[Any]:
    points = metric_points.c
    step = (points.window_start - points.window_start % step_secs).label("step")
    return (
        select(points.series, step, func.sum(points.value), func.max(points.value))
        .select_from(metric_series.join(metric_points, points.series == _series.id))
        .where(
            wanted,
            points.resolution_secs == stretch.window_secs,
            points.window_start >= stretch.begin,
            points.window_start < stretch.end,
        )
        .group_by(points.series, step)
    )


def _stretches(source: MetricSource, begin: int, end: int, window_secs: int) -> Iterator[_Stretch]:
    """The range in windows of one length, up to where those are rolled up; then in shorter ones."""
    for secs, rolled_until in (
        (DAY, source.rolled_until_day),
        (QUARTER, source.rolled_until_quarter),
        (MINUTE, end),
    ):
        if secs > window_secs:
            continue
        stop = min(end, rolled_until)
        if begin < stop:
            yield _Stretch(secs, begin, stop)
            begin = stop


def _whole(source: MetricSource, begin: int, end: int) -> Iterator[_Stretch]:
    """The range exactly, in the longest windows that fit into it."""
    days = _inside(begin, min(end, source.rolled_until_day), DAY)
    quarters = _inside(begin, min(end, source.rolled_until_quarter), QUARTER)
    outer = quarters or days
    if outer is None:
        yield _Stretch(MINUTE, begin, end)
        return
    first, last = outer
    inner = days or (last, last)
    for secs, start, stop in (
        (MINUTE, begin, first),
        (QUARTER, first, inner[0]),
        (DAY, *inner),
        (QUARTER, inner[1], last),
        (MINUTE, last, end),
    ):
        if start < stop:
            yield _Stretch(secs, start, stop)


def _inside(begin: int, end: int, window_secs: int) -> tuple[int, int] | None:
    first, last = -(-begin // window_secs) * window_secs, floor(end, window_secs)
    return (first, last) if first < last else None
