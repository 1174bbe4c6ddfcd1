"""Autoscaling over HTTP: thin handlers and their rows of the table."""

from types import NoneType

import msgspec

from conductor_lite.api.fields import ApplicationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.autoscaling import (
    AutoscaleHistory,
    AutoscalePolicy,
    DesiredExecutors,
    PolicyOutputBody,
    QueueAutoscale,
    RolloutPolicy,
)
from conductor_lite.api.schemas.metrics import ChartQuery, MetricSeries
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.operations.autoscaling import AutoscalingPolicy, Recommendations
from conductor_lite.operations.autoscaling import RolloutPolicy as OperationsRolloutPolicy

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class VersionPath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one application version; ``latest`` stands for whichever is the latest."""

    version: str


def shown_policy(policy: AutoscalingPolicy) -> AutoscalePolicy:
    """A policy as the API shows it."""
    rollout: RolloutPolicy | Unset = UNSET
    if policy.rollout is not None:
        rollout = RolloutPolicy(
            max_old_application_versions=_given(policy.rollout.max_old_application_versions),
            max_executors_for_old_application_versions=_given(
                policy.rollout.max_executors_for_old_application_versions
            ),
        )
    return AutoscalePolicy(queue=policy.queue, rollout=rollout)


def given_policy(body: AutoscalePolicy) -> AutoscalingPolicy:
    """A policy as operations take it."""
    rollout = body.rollout
    return AutoscalingPolicy(
        queue=body.queue,
        rollout=None
        if rollout is UNSET
        else OperationsRolloutPolicy(
            max_old_application_versions=_or_none(rollout.max_old_application_versions),
            max_executors_for_old_application_versions=_or_none(
                rollout.max_executors_for_old_application_versions
            ),
        ),
    )


def _recommendations(found: Recommendations) -> list[QueueAutoscale]:
    return [
        QueueAutoscale(
            application_version=version.application_version,
            is_latest=version.is_latest,
            desired_executors=version.desired_executors,
            queue_depth=version.queue_depth,
            observed_at=found.observed_at_epoch_ms,
            queue_name=UNSET if found.queue_name is None else found.queue_name,
        )
        for version in found.versions
    ]


def _given(value: int | None) -> int | Unset:
    return UNSET if value is None else value


def _or_none(value: int | Unset) -> int | None:
    return None if value is UNSET else value


async def _get_policy(call: Call[ApplicationPath, Nothing, Nothing]) -> PolicyOutputBody:
    autoscaling, name = call.operations.autoscaling, call.path.app_name
    policy = await autoscaling.get_policy(call.actor, name)
    declared = await autoscaling.is_declared(call.actor, name)
    return PolicyOutputBody(policy=shown_policy(policy), declared=declared)


async def _set_policy(call: Call[ApplicationPath, Nothing, AutoscalePolicy]) -> PolicyOutputBody:
    stored = await call.operations.autoscaling.set_policy(
        call.actor, call.path.app_name, given_policy(call.body)
    )
    return PolicyOutputBody(policy=shown_policy(stored))


async def _delete_policy(call: Call[ApplicationPath, Nothing, Nothing]) -> None:
    await call.operations.autoscaling.delete_policy(call.actor, call.path.app_name)


async def _recommend_all(call: Call[ApplicationPath, Nothing, Nothing]) -> list[QueueAutoscale]:
    return _recommendations(await call.operations.autoscaling.recommendations(call.actor, call.path.app_name))


async def _recommend(call: Call[VersionPath, Nothing, Nothing]) -> QueueAutoscale:
    found = await call.operations.autoscaling.recommendation(
        call.actor, call.path.app_name, call.path.version
    )
    return _recommendations(found)[0]


async def _desired_executors(call: Call[VersionPath, Nothing, Nothing]) -> DesiredExecutors:
    found = await call.operations.autoscaling.desired_executors(
        call.actor, call.path.app_name, call.path.version
    )
    return DesiredExecutors(
        desired_executors=found.executors,
        basis=found.basis,
        application_version=found.application_version,
        observed_at=found.observed_at_epoch_ms,
    )


async def _history(call: Call[ApplicationPath, ChartQuery, Nothing]) -> AutoscaleHistory:
    query = call.query
    chart = await call.operations.autoscaling.history(
        call.actor,
        call.path.app_name,
        start=query.start_time,
        end=query.end_time,
        resolution_secs=query.resolution_secs,
    )
    return AutoscaleHistory(
        start=timestamp(chart.start),
        step_secs=chart.step_secs,
        steps=chart.steps,
        series=[
            MetricSeries(family=series.family, labels=series.labels, values=list(series.values))
            for series in chart.series
        ],
    )


_APP = "/v2/orgs/{orgName}/apps/{appName}"
_POLICY = f"{_APP}/autoscaling-policy"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=f"{_APP}/autoscale",
        operation_id="getAutoscale",
        summary="Get autoscaling recommendation",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[QueueAutoscale],
        handler=_recommend_all,
    ),
    Operation(
        method="GET",
        path=f"{_APP}/autoscale/versions/{{version}}",
        operation_id="getAutoscaleVersion",
        summary="Get autoscaling recommendation for one version",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=VersionPath,
        query_parameters=Nothing,
        body=Nothing,
        result=QueueAutoscale,
        handler=_recommend,
    ),
    Operation(
        method="GET",
        path=f"{_APP}/autoscale/versions/{{version}}/desired-executors",
        operation_id="getDesiredExecutors",
        summary="Get the number of executors a scaler is to run of one version",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=VersionPath,
        query_parameters=Nothing,
        body=Nothing,
        result=DesiredExecutors,
        plain_text=lambda found: f"{found.desired_executors}\n",
        handler=_desired_executors,
    ),
    Operation(
        method="GET",
        path=f"{_APP}/autoscale/history",
        operation_id="getAutoscaleHistory",
        summary="Get what was recommended, for a chart",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=ChartQuery,
        body=Nothing,
        result=AutoscaleHistory,
        handler=_history,
    ),
    Operation(
        method="GET",
        path=_POLICY,
        operation_id="getAutoscalingPolicy",
        summary="Get autoscaling policy",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=PolicyOutputBody,
        handler=_get_policy,
    ),
    Operation(
        method="PUT",
        path=_POLICY,
        operation_id="setAutoscalingPolicy",
        summary="Set autoscaling policy",
        tag="Queues",
        permission=APPLICATION_WRITE,
        audit="autoscaling_policy.set",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=AutoscalePolicy,
        body_required=True,
        result=PolicyOutputBody,
        handler=_set_policy,
    ),
    Operation(
        method="DELETE",
        path=_POLICY,
        operation_id="deleteAutoscalingPolicy",
        summary="Delete autoscaling policy",
        tag="Queues",
        permission=APPLICATION_WRITE,
        audit="autoscaling_policy.delete",
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete_policy,
    ),
)
