"""Metrics over HTTP: a thin handler and its row of the table."""

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.metrics import Metric, MetricChart, MetricSeries, RangeQuery, SeriesQuery
from conductor_lite.auth.permissions import METRIC_READ


async def _list(call: Call[ApplicationPath, RangeQuery, Nothing]) -> list[Metric]:
    metrics = await call.operations.metrics.list(
        call.actor, call.path.app_name, start=call.query.start_time, end=call.query.end_time
    )
    return [
        Metric(
            app_id=metric.application_id,
            metric_type=metric.metric_type,
            metric_name=metric.metric_name,
            granularity=metric.granularity_secs,
            time_bucket=timestamp(metric.start),
            value=metric.value,
        )
        for metric in metrics
    ]


async def _series(call: Call[ApplicationPath, SeriesQuery, Nothing]) -> MetricChart:
    query = call.query
    chart = await call.operations.metrics.series(
        call.actor,
        call.path.app_name,
        families=[name for name in (query.families or "").split(",") if name],
        start=query.start_time,
        end=query.end_time,
        resolution_secs=query.resolution_secs,
    )
    return MetricChart(
        start=timestamp(chart.start),
        step_secs=chart.step_secs,
        steps=chart.steps,
        counted_from=chart.counted_from,
        series=[
            MetricSeries(family=series.family, labels=series.labels, values=list(series.values))
            for series in chart.series
        ],
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/metrics",
        operation_id="listMetrics",
        summary="List metrics",
        tag="Metrics",
        permission=METRIC_READ,
        path_parameters=ApplicationPath,
        query_parameters=RangeQuery,
        body=Nothing,
        result=list[Metric],
        handler=_list,
    ),
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/metrics/series",
        operation_id="getMetricSeries",
        summary="Get series of metrics for a chart",
        tag="Metrics",
        permission=METRIC_READ,
        path_parameters=ApplicationPath,
        query_parameters=SeriesQuery,
        body=Nothing,
        result=MetricChart,
        handler=_series,
    ),
)
