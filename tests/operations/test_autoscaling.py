"""Autoscaling against a scripted executor: which queues are fit, and what is counted."""

import time
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.errors import InvalidError, NoHealthyExecutorError, NotFoundError
from conductor_lite.operations.autoscaling import AutoscalingPolicy, RolloutPolicy
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetQueue,
    GetQueueReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    QueueRecord,
    WorkflowAggregateRecord,
)

POLICY = AutoscalingPolicy(queue="orders")


async def _executor(
    scene: Served,
    queue: QueueRecord | None,
    depths: dict[str | None, int] | None = None,
    versions: tuple[str, ...] = ("v1", "v3", "v2"),
) -> ScriptedExecutor:
    executor = await scene.executor("e1")
    executor.answers(GetQueue, GetQueueReply(queue=queue))
    executor.answers(
        ListApplicationVersions,
        ListApplicationVersionsReply(
            versions=[
                ApplicationVersionRecord(version_name=name, version_timestamp_epoch_ms=int(name[1:]))
                for name in versions
            ]
        ),
    )
    executor.answers(
        GetWorkflowAggregates,
        GetWorkflowAggregatesReply(
            aggregates=[
                WorkflowAggregateRecord(group={"application_version": version}, count=count)
                for version, count in (depths or {}).items()
            ]
        ),
    )
    return executor


def _queue(**changes: Any) -> QueueRecord:
    return QueueRecord(**{"name": "orders", "worker_concurrency": 5, **changes})


def test_policy_is_stored_replaced_and_forgotten(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene, _queue())
        autoscaling = scene.conductor.operations.autoscaling
        with pytest.raises(NotFoundError):
            await autoscaling.get_policy(LOCAL, APPLICATION)
        for policy in (POLICY, AutoscalingPolicy(queue="orders", rollout=RolloutPolicy())):
            assert await autoscaling.set_policy(LOCAL, APPLICATION, policy) == policy
            assert await autoscaling.get_policy(LOCAL, APPLICATION) == policy
        for _ in range(2):
            await autoscaling.delete_policy(LOCAL, APPLICATION)
        with pytest.raises(NotFoundError):
            await autoscaling.recommendations(LOCAL, APPLICATION)

    run(body)


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        (None, "not registered"),
        (_queue(partition_queue=True), "partitioned"),
        (_queue(worker_concurrency=None), "no worker concurrency"),
        (_queue(worker_concurrency=0), "no worker concurrency"),
    ],
)
def test_policy_by_a_queue_that_is_not_fit_is_refused_and_recorded(
    run: Run, queue: QueueRecord | None, why: str
) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene, queue)
        autoscaling = scene.conductor.operations.autoscaling
        with pytest.raises(InvalidError, match=why) as refusal:
            await autoscaling.set_policy(LOCAL, APPLICATION, POLICY)
        assert [error.location for error in refusal.value.errors] == ["body.queue"]
        with pytest.raises(NotFoundError):
            await autoscaling.get_policy(LOCAL, APPLICATION)
        assert [entry.status for entry in await scene.audit("autoscaling_policy.set")] == ["failure"]

    run(body)


def test_policy_that_could_not_be_read_back_is_refused(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene, _queue())
        policy = AutoscalingPolicy(queue="orders", rollout=RolloutPolicy(max_old_application_versions=-1))
        with pytest.raises(InvalidError):
            await scene.conductor.operations.autoscaling.set_policy(LOCAL, APPLICATION, policy)

    run(body)


def test_without_an_executor_no_policy_can_be_checked(run: Run) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(NoHealthyExecutorError):
            await scene.conductor.operations.autoscaling.set_policy(LOCAL, APPLICATION, POLICY)

    run(body)


def test_backlog_is_counted_by_version_and_what_has_none_is_the_latests(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await _executor(scene, _queue(), {"v3": 10, None: 1, "v1": 4, "v2": 0})
        autoscaling = scene.conductor.operations.autoscaling
        rollout = RolloutPolicy(max_old_application_versions=2)
        await autoscaling.set_policy(LOCAL, APPLICATION, AutoscalingPolicy(queue="orders", rollout=rollout))
        before = time.time() * 1_000
        found = await autoscaling.recommendations(LOCAL, APPLICATION)
        assert found.queue_name == "orders"
        assert before - 1 <= found.observed_at_epoch_ms <= time.time() * 1_000
        assert [
            (one.application_version, one.is_latest, one.queue_depth, one.desired_executors)
            for one in found.versions
        ] == [("v3", True, 11, 3), ("v1", False, 4, 1)]
        (asked,) = [request for request in executor.requests if isinstance(request, GetWorkflowAggregates)]
        assert asked.body.queue_name == ["orders"]
        # Applications may share a database, and call their queues alike.
        assert asked.body.application_name == [APPLICATION]
        assert set(asked.body.status or ()) == {"ENQUEUED", "PENDING"}
        assert (asked.body.group_by_application_version, asked.body.select_count) == (True, True)

    run(body)


def test_one_version_is_told_even_when_it_has_nothing_left(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene, _queue(), {"v1": 9})
        autoscaling = scene.conductor.operations.autoscaling
        await autoscaling.set_policy(LOCAL, APPLICATION, POLICY)
        expected = {"latest": ("v3", 1), "v3": ("v3", 1), "v2": ("v2", 0), "v1": ("v1", 2)}
        for asked, told in expected.items():
            (one,) = (await autoscaling.recommendation(LOCAL, APPLICATION, asked)).versions
            assert (one.application_version, one.desired_executors) == told
        with pytest.raises(NotFoundError, match="never registered"):
            await autoscaling.recommendation(LOCAL, APPLICATION, "v9")

    run(body)


def test_a_queue_that_is_no_longer_fit_strands_no_work(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await _executor(scene, _queue(), {"v3": 500, "v2": 50})
        autoscaling = scene.conductor.operations.autoscaling
        rollout = RolloutPolicy(max_old_application_versions=1)
        await autoscaling.set_policy(LOCAL, APPLICATION, AutoscalingPolicy(queue="orders", rollout=rollout))
        executor.answers(GetQueue, GetQueueReply(queue=None))
        found = await autoscaling.recommendations(LOCAL, APPLICATION)
        assert found.queue_name is None
        assert [(one.desired_executors, one.queue_depth) for one in found.versions] == [(1, 500), (1, 50)]

    run(body)


def test_an_application_without_versions_has_nothing_to_scale(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _executor(scene, _queue(), {"v3": 1}, versions=())
        autoscaling = scene.conductor.operations.autoscaling
        await autoscaling.set_policy(LOCAL, APPLICATION, POLICY)
        with pytest.raises(NotFoundError, match="not registered any version"):
            await autoscaling.recommendations(LOCAL, APPLICATION)

    run(body)
