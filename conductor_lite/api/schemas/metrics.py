"""Metrics as the API shows them."""

from typing import Annotated

import msgspec

from conductor_lite.api.fields import Int32, Int64, Moment, Timestamp


class Metric(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often something happened from ``timeBucket`` on, for ``granularity`` seconds."""

    app_id: str
    metric_type: str
    metric_name: str
    granularity: Int32
    time_bucket: Timestamp
    value: Int64


class RangeQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The stretch of time to count in."""

    start_time: Moment
    end_time: Moment


class ChartQuery(RangeQuery, frozen=True, kw_only=True, rename="camel"):
    """When to draw, and how finely."""

    #: Seconds of a step; longer ones are taken where that would be too many.
    resolution_secs: (
        Annotated[int, msgspec.Meta(ge=60, le=2_419_200, extra_json_schema={"format": "int32"})] | None
    ) = None


class SeriesQuery(ChartQuery, frozen=True, kw_only=True, rename="camel"):
    """What to draw besides."""

    #: Names of families, with commas between them; all of them when left out.
    families: str | None = None


class MetricSeries(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of a chart: a value for each step, null where it is not known."""

    family: str
    labels: dict[str, str]
    values: list[float | None]


class MetricChart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Series over the same steps, each ``stepSecs`` long, from ``start`` on.

    ``countedFrom`` is ``aggregates``, or ``listings`` where the SDK is too old for those: figures may be low.
    """

    start: Timestamp
    step_secs: Int32
    steps: Int32
    counted_from: str
    series: list[MetricSeries]
