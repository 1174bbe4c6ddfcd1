"""The pages of queues and versions, of a scripted executor, one of an old SDK, and one that is gone."""

import re
from datetime import UTC, datetime, timedelta

from console.test_schedules import browser, posted
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.console.queues.limits import limits_of
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    QueueRecord,
    SetLatestApplicationVersion,
    SetLatestApplicationVersionReply,
    WorkflowAggregateRecord,
)
from conductor_lite.store.metric_families import MINUTE, Group, Label
from conductor_lite.store.metric_points import MetricPoints

HOSTILE = "<img src=x onerror=alert(1)>/.."
JSON = {"Accept": "application/json"}

MAIL = QueueRecord(
    name="mail",
    concurrency=1_000,
    worker_concurrency=5,
    rate_limit_max=20,
    rate_limit_period_secs=10.0,
    priority_enabled=True,
    partition_queue=True,
    partition_concurrency=2,
    polling_interval_secs=0.5,
)


def now() -> datetime:
    """Asked for anew each time: a long run of all tests reads this file minutes before it comes to it."""
    return datetime.now(UTC).replace(microsecond=0)


def group(count: int, created: datetime | None = None, **names: str | None) -> WorkflowAggregateRecord:
    created_ms = None if created is None else round(created.timestamp() * 1000)
    return WorkflowAggregateRecord(group=names, count=count, min_created_at_epoch_ms=created_ms)


async def answer_aggregates(request: GetWorkflowAggregates) -> GetWorkflowAggregatesReply:
    """What an SDK would say, for the questions of these pages."""
    body = request.body
    assert body.application_name == [APPLICATION]
    if body.group_by_application_version:
        return GetWorkflowAggregatesReply(
            aggregates=[
                group(3, status="PENDING", application_version="1"),
                group(7, status="PENDING", application_version="0.9"),
                group(2, status="ENQUEUED", application_version=None),
            ]
        )
    name = {"name": "send"} if body.group_by_name else {}
    found = [
        group(12, now() - timedelta(hours=2), status="ENQUEUED", queue_name="mail", **name),
        group(4, now(), status="PENDING", queue_name="mail", **name),
        *([group(1, now(), status="ENQUEUED", queue_name="mail", name="other")] if name else []),
        group(1, now(), status="DELAYED", queue_name=HOSTILE, **name),
        group(9, now(), status="PENDING", queue_name=None, **name),
    ]
    wanted = body.queue_name
    return GetWorkflowAggregatesReply(
        aggregates=[each for each in found if not wanted or each.group["queue_name"] in wanted]
    )


def version(name: str, ago: timedelta) -> ApplicationVersionRecord:
    at_ms = round((now() - ago).timestamp() * 1000)
    return ApplicationVersionRecord(
        version_name=name, version_timestamp_epoch_ms=at_ms, created_at_epoch_ms=at_ms
    )


async def scripted(scene: Served) -> ScriptedExecutor:
    executor = await scene.executor("exec-1")
    executor.answers(ListQueues, ListQueuesReply(queues=[MAIL, QueueRecord(name="idle")]))
    executor.on(GetWorkflowAggregates, answer_aggregates)
    versions = [version("0.9", timedelta(days=9)), version("1", timedelta(days=2))]
    executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=versions))
    executor.answers(SetLatestApplicationVersion, SetLatestApplicationVersionReply(success=True))
    return executor


async def on_record(scene: Served, *points: tuple[str, str, str, float]) -> None:
    """Put a minute of metrics on record: family, workflow, queue and value."""
    store = MetricPoints(scene.conductor.db)
    start = int(now().timestamp()) // MINUTE * MINUTE - 5 * MINUTE
    source = await store.source(await scene.application_id(), start)
    assert source is not None
    groups = {Group.STARTED, Group.FINISHED, Group.LEVELS}
    labels = {Label(family, name, queue): value for family, name, queue, value in points}
    await store.write(source, MINUTE, start, groups, labels)


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_queues_are_told_with_their_limits_and_what_is_in_them(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        left, unqueued = ("workflow_dequeued", "a", "gone", 8.0), ("workflow_dequeued", "odd", "", 1.0)
        await on_record(scene, ("workflow_enqueued", "send", "mail", 30.0), left, unqueued)
        async with browser(scene) as client:
            page = (await client.get("/apps/shop/queues?range=1h")).text
            words = words_of(page)
            assert "mail 12 2 h ago 4 0" in words
            assert "Concurrency 1,000 Per worker 5 Rate 20 in 10 s Per partition 2" in words
            assert "Partitioned yes Priority yes Polling 0.5 s" in words
            # Known by what is in it, by what is on record, and by its registration.
            assert words.count("not registered") == 2
            assert "<img" not in page
            data = (await client.get("/apps/shop/queues?range=1h", headers=JSON)).json()
            assert [queue["name"] for queue in data["queues"]] == ["mail", HOSTILE, "gone", "idle"]
            assert max(value or 0 for value in data["queues"][0]["waited"]) == 30
            assert data["queues"][2]["left"] == 8
            assert data["queues"][3]["limits"] == []
            one = await client.get("/apps/shop/queues?q=MAI", headers=JSON)
            assert [queue["name"] for queue in one.json()["queues"]] == ["mail"]

    run(body)


def test_a_queue_has_a_page_whatever_its_name(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        await on_record(
            scene, ("workflow_enqueued", "send", "mail", 30.0), ("workflow_failed", "send", "mail", 2.0)
        )
        async with browser(scene) as client:
            page = (await client.get("/apps/shop/queues/mail?range=1h")).text
            words = words_of(page)
            age = r"(just now|\d+ s ago)"
            assert re.search(f"All 13 2 h ago 4 0 send 12 2 h ago 4 0 other 1 {age} 0 0", words)
            assert "At most 20 workflows are started within 10 s." in words
            assert "One executor is healthy" in words
            assert (
                'href="/apps/shop/workflows?status=ENQUEUED&amp;queue=mail&amp;name=send&amp;range=all"'
                in page
            )
            data = (await client.get("/apps/shop/queues/mail?range=1h", headers=JSON)).json()
            charts = {chart["key"]: chart["lines"] for chart in data["charts"]}
            assert [line["label"] for line in charts["depth"]] == ["send"]
            assert sum(value or 0 for value in charts["ended"][1]["values"]) == 2
            odd = await client.get("/apps/shop/queues/~", params={"id": HOSTILE})
            assert odd.status_code == 200
            assert "<img" not in odd.text
            # Its ranges stay with it.
            assert "/apps/shop/queues/~?" in odd.text
            assert (await client.get("/apps/shop/queues/none")).status_code == 404

    run(body)


def test_what_an_old_sdk_does_not_tell_is_explained(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("exec-1")
        for kind, reply in (
            (ListQueues, ListQueuesReply),
            (GetWorkflowAggregates, GetWorkflowAggregatesReply),
            (ListApplicationVersions, ListApplicationVersionsReply),
        ):
            executor.answers(kind, reply(error_message="Unknown message type"))
        await on_record(scene, ("workflow_enqueued", "send", "mail", 30.0))
        async with browser(scene) as client:
            for path in ("queues", "queues/mail", "versions"):
                page = await client.get(f"/apps/shop/{path}?range=1h")
                assert page.status_code == 200
                assert "SDK is too old to tell" in page.text
            assert "mail" in words_of((await client.get("/apps/shop/queues?range=1h")).text)

    run(body)


def test_what_is_on_record_stays_readable_while_nobody_is_there(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        await on_record(scene, ("workflow_enqueued", "send", "mail", 30.0))
        await executor.vanish()
        await scene.await_status("exec-1", "DISCONNECTED")
        async with browser(scene) as client:
            queues = await client.get("/apps/shop/queues?range=1h")
            assert "What is shown besides is from the record." in words_of(queues.text)
            # That it is not registered nobody can say either.
            assert "not registered" not in queues.text
            assert (await client.get("/apps/shop/queues/mail")).status_code == 200
            # Nobody can say that there is none.
            assert (await client.get("/apps/shop/queues/unheard-of")).status_code == 200
            versions = words_of((await client.get("/apps/shop/versions")).text)
            assert "1 Nothing connected 0 1 0 – – – –" in versions
            assert (await client.get("/apps/shop")).status_code == 200

    run(body)


def test_versions_are_told_with_who_runs_them_and_what_waits(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        async with browser(scene) as client:
            page = (await client.get("/apps/shop/versions")).text
            words = words_of(page)
            assert "1 latest Running 1 0 0 3 0 0 2 d ago" in words
            assert "0.9 Nothing runs it" in words
            assert "2 workflows in queues of no version yet" in words
            asked = await client.get("/apps/shop/versions/latest?version=0.9")
            assert "no longer to 1 ." in words_of(asked.text)
            assert "No executor of it is connected" in asked.text
            assert (await client.get("/apps/shop/versions/latest?version=7")).status_code == 404
            done = await posted(client, "/apps/shop/versions/latest?version=0.9", version="0.9")
            assert (done.status_code, done.headers["location"]) == (303, "/apps/shop/versions")
            (request,) = [each for each in executor.requests if isinstance(each, SetLatestApplicationVersion)]
            assert request.version_name == "0.9"
            assert [entry.status for entry in await scene.audit("application.set_latest_version")] == [
                "success"
            ]

    run(body)


def test_everything_is_looked_through_on_demand(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            page = await client.get("/apps/shop/settings")
            assert "None taken yet" in page.text
            token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
            assert token
            done = await client.post("/apps/shop/settings/full-pass", data={"csrf_token": token[1]})
            assert done.status_code == 303
            status = await scene.conductor.operations.snapshots.status(LOCAL, APPLICATION)
            assert status.full_pass_pending
            assert "Under way" in (await client.get("/apps/shop/settings")).text
            fields = {"csrf_token": token[1], "snapshot_interval_secs": "30", "snapshot_keep_days": "7"}
            await client.post("/apps/shop/settings/snapshots", data=fields | {"snapshot_keep_rows": "10"})
            record = (await scene.conductor.operations.applications.get(LOCAL, APPLICATION)).record
            assert (record.snapshots_enabled, record.snapshot_keep_rows) == (False, 10)
            refused = await client.post("/apps/shop/settings/full-pass", data={"csrf_token": token[1]})
            assert (refused.status_code, "switched off" in refused.text) == (409, True)

    run(body)


def test_a_queue_without_limits_says_so() -> None:
    assert limits_of(QueueRecord(name="free")) == ()
    (alone,) = limits_of(QueueRecord(name="alone", concurrency=1))
    assert alone.meaning == "At most 1 workflow runs at a time, over all executors."
    labels = {limit.label: limit.meaning for limit in limits_of(MAIL)}
    assert labels["Per partition"] == (
        "At most 2 workflows of one partition run at the same time, over all executors."
    )
