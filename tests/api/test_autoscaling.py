"""Autoscaling and metrics over HTTP, with a scripted executor behind them."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.documentation import blocks
from support.executor import ScriptedExecutor
from support.served import Served, served
from support.tools import require

from conductor_lite.config import Settings
from conductor_lite.operations import autoscaling
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


async def _executor(scene: Served) -> ScriptedExecutor:
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
    return executor


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


DESIRED = f"{APP}/autoscale/versions/latest/desired-executors"


async def _scaled(scene: Served) -> ScriptedExecutor:
    executor = await _executor(scene)
    answer = await scene.http("PUT", f"{APP}/autoscaling-policy", json={"queue": "orders"})
    assert answer.status_code == 200
    return executor


def test_the_number_for_a_scaler_is_json_or_plain_text(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        assert (await scene.http("GET", DESIRED)).status_code == 404
        await _scaled(scene)
        answer = await scene.http("GET", DESIRED)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["vary"] == "Accept"
        assert answer.headers["cache-control"] == "no-store"
        found = answer.json()
        assert isinstance(found.pop("observedAt"), int)
        assert found == {"desiredExecutors": 2, "basis": "observed", "applicationVersion": "v2/x"}
        for accept, expected in (
            ("text/plain", "2\n"),
            ("TEXT/plain;charset=utf-8, */*;q=0.1", "2\n"),
            ("application/json;q=0.5, text/plain", "2\n"),
            ("application/json, text/plain", None),
            ("application/json, text/plain;q=0.9", None),
            ("text/plain;q=0", None),
            ("text/html,*/*", None),
        ):
            answer = await scene.http("GET", DESIRED, headers={"Accept": accept})
            if expected is None:
                assert answer.json()["desiredExecutors"] == 2
            else:
                assert answer.text == expected
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        head = await scene.http("HEAD", DESIRED, headers={"Accept": "text/plain"})
        assert (head.status_code, head.text, head.headers["content-length"]) == (200, "", "2")
        # Only where it makes sense.
        answer = await scene.http("GET", f"{APP}/autoscale", headers={"Accept": "text/plain"})
        assert answer.headers["content-type"] == "application/json"

    _run(tmp_path, body)


def test_scaler_is_answered_in_time_by_executors_that_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # KEDA's own patience, by default.
    assert autoscaling.PATIENCE_SECS < 3
    monkeypatch.setattr(autoscaling, "PATIENCE_SECS", 0.5)

    async def body(scene: Served) -> None:
        executor = await _scaled(scene)
        executor.ignores(GetWorkflowAggregates)
        for _ in range(2):
            answer = await scene.http("GET", DESIRED, timeout=3)
            assert (answer.json()["desiredExecutors"], answer.json()["basis"]) == (1, "minimum")
        answer = await scene.http("GET", DESIRED.replace("latest", "v1"), timeout=3)
        assert answer.status_code == 502
        # It was asked once: whoever does not answer is not asked again at once.
        assert executor.count(ListApplicationVersions) == 1

    _run(tmp_path, body)


def test_only_who_may_read_the_application_is_told_the_number(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        await _scaled(scene)
        await scene.application_id("other-shop")
        keys = {
            200: await scene.key("application.read", name="scaler", apps=("shop",)),
            403: await scene.key("metric.read", name="scraper", apps=("shop",)),
            404: await scene.key("application.read", name="elsewhere", apps=("other-shop",)),
            401: "dbos_nonsense",
        }
        for status, key in keys.items():
            answer = await scene.http("GET", DESIRED, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == status

    _run(tmp_path, body)


def test_history_is_a_chart(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        path, period = f"{APP}/autoscale/history", {"startTime": "2026-07-01T12:00:00Z"}
        answer = await scene.http("GET", path, params=period)
        assert [error["location"] for error in answer.json()["errors"]] == ["query.endTime"]
        period |= {"endTime": "2026-07-01T13:00:00Z", "resolutionSecs": "1800"}
        answer = await scene.http("GET", path, params=period)
        # Nothing was recommended, which is no error.
        assert answer.status_code == 200
        chart = answer.json()
        assert chart.pop("steps") * chart.pop("stepSecs") >= 3_600
        assert chart["series"] == []
        answer = await scene.http("GET", path, params={**period, "endTime": "2026-06-01T13:00:00Z"})
        assert answer.status_code == 422

    _run(tmp_path, body)


def _run_loop(folder: Path, url: str, key: str) -> str:
    """Go through the page's loop once, with a stand-in for Docker; gives what that was told."""
    require("curl")
    (block,) = blocks("autoscaling.md", "sh")
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    # The second time, sleeping fails, and the loop ends.
    (tools / "sleep").write_text(f'#!/bin/sh\n[ ! -e "{folder}/slept" ] && : > "{folder}/slept"\n')
    (tools / "docker").write_text(f'#!/bin/sh\necho "$*" >> "{folder}/docker"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    script = re.sub(r"(?m)^url=http://[^/]*", f"url={url}", block)
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "CONDUCTOR_KEY": key, "no_proxy": "*"}
    subprocess.run(["sh", "-u", "-c", script], env=environment, timeout=30)
    return (folder / "docker").read_text()


def test_the_loop_of_the_page_tells_docker_the_number(tmp_path: Path) -> None:
    async def body(scene: Served) -> None:
        await _scaled(scene)
        key = await scene.key("application.read", apps=("shop",))
        told = await asyncio.to_thread(_run_loop, tmp_path, scene.url, key)
        assert told == "compose up --detach --no-recreate --scale worker=2 worker\n"
        # Where nothing is told, nothing is done.
        await scene.http("DELETE", f"{APP}/autoscaling-policy")
        (tmp_path / "slept").unlink()
        told_again = await asyncio.to_thread(_run_loop, tmp_path, scene.url, key)
        assert told_again == told

    _run(tmp_path, body)
