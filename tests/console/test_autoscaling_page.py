"""The page of autoscaling, of a scripted executor: what is wanted, the policy, and what scalers are given."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from console.test_alerts_page import browser
from support.executor import ScriptedExecutor
from support.keda import trigger_of
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.operations.autoscaling import AutoscalingPolicy, RolloutPolicy
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetQueue,
    GetQueueReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    QueueRecord,
    WorkflowAggregateRecord,
)
from conductor_lite.store.metric_families import MINUTE, Group, Label, floor
from conductor_lite.store.metric_points import MetricPoints

HERE = "/apps/shop/autoscaling"
HOSTILE = "<img src=x onerror=alert(1)>"
FIT = QueueRecord(name="orders", worker_concurrency=5, concurrency=40)
QUEUES = (
    FIT,
    QueueRecord(name=HOSTILE, worker_concurrency=2),
    QueueRecord(name="parts", worker_concurrency=2, partition_queue=True),
    QueueRecord(name="free"),
)
EMPTY = {"max_old_application_versions": "", "max_executors_for_old_application_versions": ""}


async def scripted(scene: Served, depths: dict[str, int] | None = None) -> ScriptedExecutor:
    executor = ScriptedExecutor("exec-1", "v3", scene.workload)
    by_name = {queue.name: queue for queue in QUEUES}

    async def queue(request: Any) -> GetQueueReply:
        return GetQueueReply(queue=by_name.get(request.name))

    executor.on(GetQueue, queue)
    executor.answers(ListQueues, ListQueuesReply(queues=list(QUEUES)))
    versions = [
        ApplicationVersionRecord(version_name=f"v{number}", version_timestamp_epoch_ms=number)
        for number in (1, 2, 3)
    ]
    executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=versions))
    aggregates = [
        WorkflowAggregateRecord(group={"application_version": version}, count=count)
        for version, count in (depths or {"v3": 12, "v2": 3}).items()
    ]
    executor.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(aggregates=aggregates))
    return await scene.connected(executor)


async def posted(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get(HERE)).text)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


async def data(client: httpx.AsyncClient, path: str = HERE) -> Any:
    return (await client.get(path, headers={"Accept": "application/json"})).json()


async def scaled(scene: Served, **rollout: int) -> None:
    policy = AutoscalingPolicy(queue="orders", rollout=RolloutPolicy(**rollout) if rollout else None)
    await scene.conductor.operations.autoscaling.set_policy(LOCAL, APPLICATION, policy)


def test_without_a_policy_the_page_teaches_and_says_which_queues_are_fit(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            page = (await client.get(HERE)).text
            assert "no autoscaling policy" in page
            assert "<img" not in page
            assert '<option value="orders">orders (5 at a time on each executor, 40 on all)</option>' in page
            assert '<option value="parts" disabled>parts: it is partitioned</option>' in page
            assert '<option value="free" disabled>free: it has no worker concurrency</option>' in page
            assert (await data(client))["versions"] == []
            assert (await client.get(f"{HERE}/delete")).status_code == 404

    run(body)


def test_a_policy_is_set_shown_and_deleted(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            rollout = {"max_old_application_versions": "1", "max_executors_for_old_application_versions": "4"}
            saved = await posted(client, HERE, queue="orders", **rollout)
            assert (saved.status_code, saved.headers["location"]) == (303, HERE)
            shown = await data(client)
            assert shown["policy"]["rollout"] == {name: int(value) for name, value in rollout.items()}
            rows = [
                (row["application_version"], row["desired_executors"], row["queue_depth"], row["healthy"])
                for row in shown["versions"]
            ]
            assert rows == [("v3", 3, 12, 1), ("v2", 1, 3, 0)]
            page = (await client.get(HERE)).text
            assert "2 missing" in page
            assert '<option value="orders" selected>' in page
            assert 'name="max_old_application_versions" type="number" min="0" step="1" value="1"' in page
            assert "Scalers that ask get an error" in (await client.get(f"{HERE}/delete")).text
            assert (await posted(client, f"{HERE}/delete")).headers["location"] == HERE
            assert (await data(client))["policy"] is None

    run(body)


def test_what_cannot_be_is_said_beside_its_field_and_what_was_typed_stays(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            refused = await posted(client, HERE, queue="free", **EMPTY)
            assert refused.status_code == 422
            assert 'id="queue-fault"' in refused.text
            assert '<option value="free" selected>free: it has no worker concurrency' in refused.text
            wrong = {"max_old_application_versions": "-1", "max_executors_for_old_application_versions": "x"}
            refused = await posted(client, HERE, queue="", **wrong)
            assert refused.status_code == 422
            assert set(re.findall(r'id="(\w+)-fault"', refused.text)) == {"queue", *wrong}
            assert 'value="x"' in refused.text
            assert (await data(client))["policy"] is None

    run(body)


def test_a_queue_that_is_no_longer_fit_is_pointed_out(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        await scaled(scene)
        executor.answers(GetQueue, GetQueueReply(queue=None))
        executor.answers(ListQueues, ListQueuesReply(queues=[]))
        async with browser(scene) as client:
            page = (await client.get(HERE)).text
            assert "no longer fit to scale by" in page
            assert "it is not registered" in page
            assert (await data(client))["versions"][0]["desired_executors"] == 1

    run(body)


def test_while_nobody_answers_it_says_what_scalers_are_told(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        await scaled(scene)
        async with browser(scene) as client:
            assert (await data(client))["versions"][0]["desired_executors"] == 3
            await executor.leave()

            async def noticed() -> bool:
                # What an executor has said serves other readers for a moment longer.
                return (await data(client))["problem"] != ""

            await wait_until_async(noticed, 5, "its leaving to be noticed")
            shown = await data(client)
            assert (shown["told"]["executors"], shown["told"]["basis"]) == (3, "observed")
            page = (await client.get(HERE)).text
            assert "are told 3 executors, as it was" in page
            # The policy is there to be read, and cannot be checked now.
            assert re.search(r'name="queue" value="orders" readonly', page)
            assert 'aria-disabled="true"' in page
            assert '<button class="button primary">Save policy' not in page
            refused = await posted(client, HERE, queue="orders", **EMPTY)
            assert refused.status_code == 422

    run(body)


def test_an_sdk_that_is_too_old_is_named_as_the_reason(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        await scaled(scene)
        unknown = "Unknown message type"
        executor.answers(ListQueues, ListQueuesReply(error_message=unknown))
        executor.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(error_message=unknown))
        async with browser(scene) as client:
            page = (await client.get(HERE)).text
            assert "does not know the message get_workflow_aggregates" in page
            assert "Scalers get an error" in page
            assert "does not know the message list_queues" in page
            assert '<button class="button primary">Save policy' not in page

    run(body)


def test_history_is_charted_wanted_beside_there(run: Run) -> None:
    async def body(scene: Served) -> None:
        minute = floor(int((datetime.now(UTC) - timedelta(minutes=30)).timestamp()), MINUTE)
        points = {
            Label("desired_executors", "v3", "orders"): 4.0,
            Label("queue_depth", "v3", "orders"): 18.0,
            Label("executors", "HEALTHY", "v3"): 2.0,
        }
        metrics = MetricPoints(scene.conductor.db)
        source = await metrics.source(await scene.application_id(), minute)
        assert source
        await metrics.write(source, MINUTE, minute, (Group.AUTOSCALING, Group.FLEET), points)
        async with browser(scene) as client:
            executors, depth = (await data(client, f"{HERE}?range=1h"))["plots"]
            lines = {line["label"]: max(v or 0 for v in line["values"]) for line in executors["lines"]}
            assert lines == {"Wanted": 4, "There": 2}
            assert executors["subtitle"] == "mean of each minute"
            assert depth["lines"][0]["label"] == "v3"
            page = (await client.get(f"{HERE}?range=1h")).text
            assert page.count('<figure class="chart"') == 2
            assert (await data(client, f"{HERE}?range=15m"))["plots"] == []

    run(body)


def test_what_scalers_are_given_works_as_it_stands(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        await scaled(scene)
        key = await scene.key("application.read")
        async with browser(scene) as client:
            page = (await client.get(HERE)).text
            yaml = re.search(r'data-copy="(apiVersion[^"]+)"', page)
            assert yaml
            trigger = trigger_of(yaml[1].replace("&#34;", '"'))
            assert trigger.url.startswith(f"{scene.url}/v2/orgs/local/apps/shop/")
            plain = {"Authorization": f"Bearer {key}", "Accept": "text/plain"}
            answer = await client.get(trigger.url, headers=plain)
            assert (answer.status_code, answer.text.strip()) == (200, "3")
            answer = await client.get(trigger.url, headers={"Authorization": f"Bearer {key}"})
            assert answer.json()[trigger.value_location] == 3

    run(body)


def test_who_may_only_look_is_told_why_buttons_are_off(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        await scaled(scene)
        key = await scene.key("application.read")
        async with browser(scene) as client:
            client.headers["Authorization"] = f"Bearer {key}"
            page = (await client.get(HERE)).text
            assert "application.write is missing" in page
            assert f'href="{HERE}/delete"' not in page
            assert (await posted(client, f"{HERE}/delete")).status_code == 403

    run(body)
