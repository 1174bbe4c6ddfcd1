"""Metrics over HTTP: a thin handler and its row of the table."""

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.metrics import Metric, RangeQuery
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
)
