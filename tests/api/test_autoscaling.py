"""Autoscaling and metrics over HTTP, with a scripted executor behind them."""

import asyncio
from pathlib import Path
from typing import Any

from support.served import Served, served

from conductor_lite.config import Settings
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetMetrics,
    GetMetricsReply,
    GetQueue,
    GetQueueReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    MetricRecord,
    QueueRecord,
    WorkflowAggregateRecord,
)

APP = "/v2/orgs/local/apps/shop"


def _run(folder: Path, body: Any) -> None:
    async def whole() -> None:
        async with served(Settings(data_dir=folder, port=0, dev=True)) as scene:
            await scene.application_id()
            await body(scene)

    asyncio.run(whole())


async def _executor(scene: Served) -> None:
    executor = await scene.executor("e1")
    queue = QueueRecord(name="orders", worker_concurrency=5, concurrency=10)
    executor.answers(GetQueue, GetQueueReply(queue=queue))
    versions = [
        ApplicationVersionRecord(version_name="v1", version_timestamp_epoch_ms=1),
        ApplicationVersionRecord(version_name="v2/x", version_timestamp_epoch_ms=2),
    ]
    executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=versions))
    backlog = [
        WorkflowAggregateRecord(group={"application_version": "v1"}, count=3),
        WorkflowAggregateRecord(group={"application_version": "v2/x"}, count=40),
    ]
    executor.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(aggregates=backlog))
    counted = [MetricRecord(metric_type="workflow_count", metric_name="charge", value=7)]
    executor.answers(GetMetrics, GetMetricsReply(metrics=counted))


def test_policy_is_echoed_as_stored_and_may_be_deleted_twice(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        path = f"{APP}/autoscaling-policy"
        assert (await scene.http("GET", path)).status_code == 404
        assert (await scene.http("PUT", path, json={"queue": "orders"})).status_code == 503
        await _executor(scene)
        for policy in (
            {"queue": "orders"},
            {"queue": "orders", "rollout": {}},
            {
                "queue": "orders",
                "rollout": {"maxOldApplicationVersions": 0, "maxExecutorsForOldApplicationVersions": 2},
            },
        ):
            answer = await scene.http("PUT", path, json=policy)
            assert (answer.status_code, answer.json()) == (200, {"policy": policy})
            assert (await scene.http("GET", path)).json() == {"policy": policy, "declared": False}
        wrong = {"queue": "orders", "rollout": {"maxOldApplicationVersions": -1}}
        answer = await scene.http("PUT", path, json=wrong)
        assert answer.status_code == 422
        location = "body.rollout.maxOldApplicationVersions"
        assert [error["location"] for error in answer.json()["errors"]] == [location]
        for _ in range(2):
            assert (await scene.http("DELETE", path)).status_code == 204
        assert (await scene.http("GET", f"{APP}/autoscale")).status_code == 404

    _run(tmp_path, body)


def test_recommendations_are_for_all_versions_or_one(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene)
        policy = {"queue": "orders", "rollout": {"maxOldApplicationVersions": 1}}
        await scene.http("PUT", f"{APP}/autoscaling-policy", json=policy)
        latest, old = (await scene.http("GET", f"{APP}/autoscale")).json()
        assert isinstance(latest.pop("observedAt"), int)
        assert latest == {
            "applicationVersion": "v2/x",
            "isLatest": True,
            "desiredExecutors": 2,
            "queueDepth": 40,
            "queueName": "orders",
        }
        assert (old["applicationVersion"], old["isLatest"], old["desiredExecutors"]) == ("v1", False, 1)
        for name in ("latest", "v2%2Fx"):
            one = (await scene.http("GET", f"{APP}/autoscale/versions/{name}")).json()
            assert isinstance(one.pop("observedAt"), int)
            assert one == latest
        assert (await scene.http("GET", f"{APP}/autoscale/versions/v9")).status_code == 404

    _run(tmp_path, body)


def test_metrics_of_a_stretch_of_time(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene)
        query = {"startTime": "2026-07-01T12:00:00Z", "endTime": "2026-07-01T12:01:00Z"}
        metrics = (await scene.http("GET", f"{APP}/metrics", params=query)).json()
        application_id = await scene.application_id()
        assert metrics == [
            {
                "appId": application_id,
                "metricType": metric_type,
                "metricName": name,
                "granularity": 60,
                "timeBucket": "2026-07-01T12:00:00.000Z",
                "value": value,
            }
            for metric_type, name, value in (
                ("workflow_count", "charge", 7),
                ("recovery_count", "recovery_count", 0),
            )
        ]
        answer = await scene.http("GET", f"{APP}/metrics", params={"startTime": "2026-07-01T12:00:00Z"})
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == ["query.endTime"]

    _run(tmp_path, body)
