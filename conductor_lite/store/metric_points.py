"""Metrics as they are kept: writing windows, rolling them up, deleting what is past its time.

Charts read them by `metric_reading`. Whatever is written replaces what stood there, so that a window may be
asked for again after the clock went back, and nothing counts twice.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import delete, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.metric_families import (
    COVERAGE,
    DAY,
    MINUTE,
    QUARTER,
    ROLLED_FROM,
    Group,
    Label,
    coverage,
    families_of,
    floor,
    merge,
)
from conductor_lite.store.metric_records import MetricSource
from conductor_lite.store.metric_rolling import first_covered, sums
from conductor_lite.store.metric_schema import metric_points, metric_series, metric_sources
from conductor_lite.store.schema import applications

_ROLLED = {QUARTER: "rolled_until_quarter", DAY: "rolled_until_day"}
#: Series looked up in one statement, below every database's limit on parameters.
_CHUNK = 200


class MetricPoints:
    """The tables of metrics.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        # Numbers of series that are known to exist, by source; forgotten when series are deleted.
        self._ids: dict[int, dict[Label, int]] = {}

    async def sources(self) -> list[MetricSource]:
        """Every source, those of deleted applications too."""
        async with self._db.read() as connection:
            rows = await connection.execute(select(metric_sources).order_by(metric_sources.c.number))
            return [MetricSource(**row._asdict()) for row in rows]

    async def source(self, application_id: str, begin: int) -> MetricSource | None:
        """An application's source, made if need be.

        Args:
            application_id: whose.
            begin: from when on a new one is collected, in seconds since 1970.

        Returns:
            None when the application is gone.
        """
        query = select(metric_sources).where(metric_sources.c.application_id == application_id)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            async with self._db.write() as connection:
                present = select(exists().where(applications.c.id == application_id))
                if not (await connection.execute(present)).scalar_one():
                    return None
                await connection.execute(
                    insert(connection, metric_sources).on_conflict_do_nothing(),
                    {
                        "application_id": application_id,
                        "collected_until": begin,
                        "rolled_until_quarter": floor(begin, QUARTER),
                        "rolled_until_day": floor(begin, DAY),
                        "basis": "",
                    },
                )
                row = (await connection.execute(query)).one()
        return MetricSource(**row._asdict())

    async def recent_labels(self, source: int) -> list[Label]:
        """The series of a source of which there are minutes."""
        points, series = metric_points.c, metric_series.c
        query = select(series.family, series.first_label, series.second_label).where(
            series.source == source,
            exists().where(points.series == series.id, points.resolution_secs == MINUTE),
        )
        async with self._db.read() as connection:
            return [Label(*row) for row in await connection.execute(query)]

    async def last_minute(self, source: MetricSource) -> dict[Label, float]:
        """Every point of the last minute that was collected, with those that say which groups were known."""
        points, series = metric_points.c, metric_series.c
        query = (
            select(series.family, series.first_label, series.second_label, points.value)
            .select_from(metric_series.join(metric_points, points.series == series.id))
            .where(
                series.source == source.number,
                points.resolution_secs == MINUTE,
                points.window_start == source.collected_until - MINUTE,
            )
        )
        async with self._db.read() as connection:
            return {Label(*label): value for *label, value in await connection.execute(query)}

    async def active_until(self, source: MetricSource, since: int) -> dict[Label, int]:
        """The end of the last minute in which each series was more than nothing, from a time on."""
        points, series = metric_points.c, metric_series.c
        query = (
            select(
                series.family, series.first_label, series.second_label, func.max(points.window_start) + MINUTE
            )
            .select_from(metric_series.join(metric_points, points.series == series.id))
            .where(
                series.source == source.number,
                points.resolution_secs == MINUTE,
                points.window_start >= since,
                points.value > 0,
            )
            .group_by(series.id)
        )
        async with self._db.read() as connection:
            return {Label(*label): end for *label, end in await connection.execute(query)}

    async def write(
        self,
        source: MetricSource,
        window_secs: int,
        window_start: int,
        groups: Iterable[Group],
        points: Mapping[Label, float],
        *,
        collected_until: int | None = None,
        basis: str | None = None,
    ) -> MetricSource:
        """Replace what is known of some groups in one window.

        What had been rolled up from it is to be rolled up again, and shorter windows inside it go.

        Args:
            source: as it was read or written last.
            window_secs: length of the window.
            window_start: where it begins, in seconds since 1970.
            groups: of which groups everything is known in this window.
            points: the values; none stands for nothing.
            collected_until: how far collecting has come by this; None leaves that.
            basis: what it was worked out from; None leaves that.

        Returns:
            The source as it is now.
        """
        changes: dict[str, object] = {
            name: min(value, floor(window_start, longer))
            for longer, name in _ROLLED.items()
            if longer > window_secs and window_start < (value := getattr(source, name))
        }
        if collected_until is not None:
            changes["collected_until"] = collected_until
        if basis is not None:
            changes["basis"] = basis
        async with self._writing(source) as connection:
            await self._replace(connection, source.number, window_secs, window_start, groups, points)
            return await _change(connection, source, changes)

    async def covered_until(self, source: MetricSource, until: int) -> int | None:
        """The end of the last window of a source that was collected and ends by a time; None if none was."""
        points, series = metric_points.c, metric_series.c
        collected = (Group.STARTED.value, Group.FINISHED.value)
        last: int | None = None
        async with self._db.read() as connection:
            for window_secs in (MINUTE, QUARTER):
                query = (
                    select(func.max(points.window_start))
                    .select_from(metric_series.join(metric_points, points.series == series.id))
                    .where(
                        series.source == source.number,
                        series.family == COVERAGE,
                        series.first_label.in_(collected),
                        points.resolution_secs == window_secs,
                        points.window_start <= until - window_secs,
                    )
                )
                found = (await connection.execute(query)).scalar_one_or_none()
                if found is not None:
                    last = max(last or 0, found + window_secs)
        return last

    async def note(self, source: MetricSource, *, collected_until: int) -> MetricSource:
        """Note how far collecting has come, where nothing was collected."""
        async with self._db.write() as connection:
            return await _change(connection, source, {"collected_until": collected_until})

    async def roll_up(self, source: MetricSource, window_secs: int, until: int) -> MetricSource:
        """Roll up one window, the first of which anything is known; the caller asks again until all is done.

        Args:
            source: as it was read or written last.
            window_secs: fifteen minutes or a day.
            until: the time by which windows must have ended, in seconds since 1970.
        """
        begin, target = getattr(source, _ROLLED[window_secs]), floor(until, window_secs)
        if begin >= target:
            return source
        shorter_secs = ROLLED_FROM[window_secs]
        # Outside of the writer: a day may have many points, and nobody else writes those of this source.
        async with self._db.read() as connection:
            first = await first_covered(connection, source.number, shorter_secs, begin, target)
            found: dict[Label, tuple[float, float]] = {}
            if first is not None:
                target = floor(first, window_secs) + window_secs
                found = await sums(connection, source.number, shorter_secs, target - window_secs, target)
        merged = merge(found, shorter_secs)
        # What was collected in windows of this length has no shorter ones, and stays.
        groups = [group for group in Group if coverage(group) in merged]
        async with self._writing(source) as connection:
            if groups:
                start = target - window_secs
                await self._replace(
                    connection, source.number, window_secs, start, groups, merged, keep_shorter=True
                )
            return await _change(connection, source, {_ROLLED[window_secs]: target})

    async def prune(self, source: MetricSource, window_secs: int, before: int, limit: int) -> int:
        """Delete a source's points of one length of window that begin before a time.

        Returns:
            How many there were; fewer than ``limit`` when no others are left.
        """
        points, series = metric_points.c, metric_series.c
        old = (
            select(points.series, points.resolution_secs, points.window_start)
            .select_from(metric_series.join(metric_points, points.series == series.id))
            .where(
                series.source == source.number,
                points.resolution_secs == window_secs,
                points.window_start < before,
            )
            .limit(limit)
        )
        key = tuple_(points.series, points.resolution_secs, points.window_start)
        async with self._db.write() as connection:
            return (await connection.execute(delete(metric_points).where(key.in_(old)))).rowcount

    async def prune_series(self, source: MetricSource) -> int:
        """Delete a source's series that have no points, and the source if its application is gone as well."""
        series = metric_series.c
        async with self._db.write() as connection:
            gone = await connection.execute(
                delete(metric_series).where(
                    series.source == source.number, ~exists().where(metric_points.c.series == series.id)
                )
            )
            self._ids.pop(source.number, None)
            if source.application_id is None:
                remaining = exists().where(series.source == source.number)
                await connection.execute(
                    delete(metric_sources).where(metric_sources.c.number == source.number, ~remaining)
                )
            return gone.rowcount

    @asynccontextmanager
    async def _writing(self, source: MetricSource) -> AsyncIterator[AsyncConnection]:
        """A transaction that may make series; one that fails leaves no numbers behind that nobody wrote."""
        try:
            async with self._db.write() as connection:
                yield connection
        except BaseException:
            self._ids.pop(source.number, None)
            raise

    async def _replace(
        self,
        connection: AsyncConnection,
        source: int,
        window_secs: int,
        window_start: int,
        groups: Iterable[Group],
        points: Mapping[Label, float],
        *,
        keep_shorter: bool = False,
    ) -> None:
        groups = frozenset(groups)
        ids = self._ids.get(source)
        if ids is None:
            ids = self._ids[source] = await self._load_ids(connection, source)
        families = frozenset(families_of(groups))
        covers = {coverage(group) for group in groups}
        replaced = [number for label, number in ids.items() if label.family in families or label in covers]
        await _delete(connection, replaced, window_secs, window_start, window_start + 1)
        if not keep_shorter:
            for shorter_secs in (secs for secs in (MINUTE, QUARTER) if secs < window_secs):
                await _delete(connection, replaced, shorter_secs, window_start, window_start + window_secs)
        wanted = {label: value for label, value in points.items() if label.family in families and value}
        wanted |= {cover: points.get(cover, float(window_secs)) for cover in covers}
        await self._make_series(connection, source, ids, wanted)
        await connection.execute(
            metric_points.insert(),
            [
                {
                    "series": ids[label],
                    "resolution_secs": window_secs,
                    "window_start": window_start,
                    "value": value,
                }
                for label, value in wanted.items()
            ],
        )

    async def _make_series(
        self, connection: AsyncConnection, source: int, ids: dict[Label, int], wanted: Iterable[Label]
    ) -> None:
        new = [label for label in wanted if label not in ids]
        if not new:
            return
        await connection.execute(
            insert(connection, metric_series).on_conflict_do_nothing(),
            [
                {
                    "source": source,
                    "family": label.family,
                    "first_label": label.first,
                    "second_label": label.second,
                }
                for label in new
            ],
        )
        ids.update(await self._load_ids(connection, source))

    async def _load_ids(self, connection: AsyncConnection, source: int) -> dict[Label, int]:
        series = metric_series.c
        rows = await connection.execute(
            select(series.id, series.family, series.first_label, series.second_label).where(
                series.source == source
            )
        )
        return {Label(family, first, second): number for number, family, first, second in rows}


async def _change(
    connection: AsyncConnection, source: MetricSource, changes: Mapping[str, object]
) -> MetricSource:
    if changes:
        await connection.execute(
            update(metric_sources).where(metric_sources.c.number == source.number).values(**changes)
        )
    values = {name: getattr(source, name) for name in MetricSource.__struct_fields__}
    return MetricSource(**{**values, **changes})


async def _delete(
    connection: AsyncConnection, series: list[int], window_secs: int, begin: int, end: int
) -> None:
    columns = metric_points.c
    for start in range(0, len(series), _CHUNK):
        await connection.execute(
            delete(metric_points).where(
                columns.series.in_(series[start : start + _CHUNK]),
                columns.resolution_secs == window_secs,
                columns.window_start >= begin,
                columns.window_start < end,
            )
        )
