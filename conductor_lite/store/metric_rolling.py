"""What shorter windows hold between two times, for those that roll them up. Writes nothing."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.metric_families import COVERAGE, Label
from conductor_lite.store.metric_schema import metric_points, metric_series


async def first_covered(
    connection: AsyncConnection, source: int, window_secs: int, begin: int, end: int
) -> int | None:
    """When the first window begins of which anything was collected; None where there is none."""
    points, series = metric_points.c, metric_series.c
    query = (
        select(points.window_start)
        .select_from(metric_series.join(metric_points, points.series == series.id))
        .where(
            series.source == source,
            series.family == COVERAGE,
            points.resolution_secs == window_secs,
            points.window_start >= begin,
            points.window_start < end,
        )
        .order_by(points.window_start)
        .limit(1)
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def sums(
    connection: AsyncConnection, source: int, window_secs: int, begin: int, end: int
) -> dict[Label, tuple[float, float]]:
    """Sum and largest value of each series."""
    points, series = metric_points.c, metric_series.c
    query = (
        select(
            series.family,
            series.first_label,
            series.second_label,
            func.sum(points.value),
            func.max(points.value),
        )
        .select_from(metric_series.join(metric_points, points.series == series.id))
        .where(
            series.source == source,
            points.resolution_secs == window_secs,
            points.window_start >= begin,
            points.window_start < end,
        )
        .group_by(series.id)
    )
    rows = await connection.execute(query)
    return {Label(family, first, second): (total, largest) for family, first, second, total, largest in rows}
