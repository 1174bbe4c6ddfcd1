"""Calls about metrics, autoscaling and alerting rules."""

from types import NoneType

from conductor_lite.api.schemas.alerting import AlertingRule, CreateAlertInputBody
from conductor_lite.api.schemas.autoscaling import (
    AutoscaleHistory,
    AutoscalePolicy,
    DesiredExecutors,
    PolicyOutputBody,
    QueueAutoscale,
)
from conductor_lite.api.schemas.metrics import ChartQuery, Metric, MetricChart, RangeQuery, SeriesQuery
from conductor_lite.client.call import Call


def get_autoscale(app: str) -> Call[list[QueueAutoscale]]:
    """Get autoscaling recommendation."""
    return Call(
        operation_id="getAutoscale",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscale",
        names={"appName": app},
        result=list[QueueAutoscale],
    )


def get_autoscale_version(app: str, version: str) -> Call[QueueAutoscale]:
    """Get autoscaling recommendation for one version."""
    return Call(
        operation_id="getAutoscaleVersion",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscale/versions/{version}",
        names={"appName": app, "version": version},
        result=QueueAutoscale,
    )


def get_desired_executors(app: str, version: str) -> Call[DesiredExecutors]:
    """Get the number of executors a scaler is to run of one version."""
    return Call(
        operation_id="getDesiredExecutors",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscale/versions/{version}/desired-executors",
        names={"appName": app, "version": version},
        result=DesiredExecutors,
    )


def get_autoscale_history(app: str, query: ChartQuery) -> Call[AutoscaleHistory]:
    """Get what was recommended, for a chart."""
    return Call(
        operation_id="getAutoscaleHistory",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscale/history",
        names={"appName": app},
        query=query,
        result=AutoscaleHistory,
    )


def get_autoscaling_policy(app: str) -> Call[PolicyOutputBody]:
    """Get autoscaling policy."""
    return Call(
        operation_id="getAutoscalingPolicy",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscaling-policy",
        names={"appName": app},
        result=PolicyOutputBody,
    )


def set_autoscaling_policy(app: str, body: AutoscalePolicy) -> Call[PolicyOutputBody]:
    """Set autoscaling policy."""
    return Call(
        operation_id="setAutoscalingPolicy",
        method="PUT",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscaling-policy",
        names={"appName": app},
        body=body,
        result=PolicyOutputBody,
    )


def delete_autoscaling_policy(app: str) -> Call[None]:
    """Delete autoscaling policy."""
    return Call(
        operation_id="deleteAutoscalingPolicy",
        method="DELETE",
        path="/v2/orgs/{orgName}/apps/{appName}/autoscaling-policy",
        names={"appName": app},
        result=NoneType,
    )


def list_metrics(app: str, query: RangeQuery) -> Call[list[Metric]]:
    """List metrics."""
    return Call(
        operation_id="listMetrics",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/metrics",
        names={"appName": app},
        query=query,
        result=list[Metric],
    )


def get_metric_series(app: str, query: SeriesQuery) -> Call[MetricChart]:
    """Get series of metrics for a chart."""
    return Call(
        operation_id="getMetricSeries",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/metrics/series",
        names={"appName": app},
        query=query,
        result=MetricChart,
    )


def list_alerting_rules(app: str) -> Call[list[AlertingRule]]:
    """List alerting rules."""
    return Call(
        operation_id="listAlertingRules",
        method="GET",
        path="/v2/orgs/{orgName}/apps/{appName}/alerting-rules",
        names={"appName": app},
        result=list[AlertingRule],
    )


def create_alerting_rule(app: str, body: CreateAlertInputBody) -> Call[AlertingRule]:
    """Create alerting rule."""
    return Call(
        operation_id="createAlertingRule",
        method="POST",
        path="/v2/orgs/{orgName}/apps/{appName}/alerting-rules",
        names={"appName": app},
        body=body,
        result=AlertingRule,
        keyed=True,
    )


def delete_alerting_rule(app: str, rule_id: str) -> Call[None]:
    """Delete alerting rule."""
    return Call(
        operation_id="deleteAlertingRule",
        method="DELETE",
        path="/v2/orgs/{orgName}/apps/{appName}/alerting-rules/{ruleId}",
        names={"appName": app, "ruleId": rule_id},
        result=NoneType,
    )
