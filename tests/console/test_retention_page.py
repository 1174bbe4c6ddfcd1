"""The page of retention, of a scripted executor: limits, what would go, and runs."""

import re
from typing import Any

import httpx
from support.executor import ScriptedExecutor
from support.served import LOCAL, Run, Served

from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    Retention,
    RetentionReply,
    WorkflowAggregateRecord,
)
from conductor_lite.store.snapshots import Snapshots

PATH = "/apps/shop/retention"


async def scripted(scene: Served) -> ScriptedExecutor:
    executor = await scene.executor("exec-1")

    async def counts(request: GetWorkflowAggregates) -> Any:
        count = 12 if request.body.status is None else 3
        return GetWorkflowAggregatesReply(aggregates=[WorkflowAggregateRecord(count=count)])

    executor.on(GetWorkflowAggregates, counts)
    executor.answers(Retention, RetentionReply(success=True))
    return executor


def browser(scene: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=scene.url,
        trust_env=False,
        headers={"Origin": scene.url},
        follow_redirects=True,
        timeout=60,
    )


async def posted(client: httpx.AsyncClient, path: str, shown: str = "", **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get(shown or path)).text)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


def test_limits_are_saved_in_units_of_people_and_the_page_says_what_they_do(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            limits = {"keep_days": "1.5", "keep_rows": "10", "timeout_hours": ""}
            page = await posted(client, PATH, **limits)
            assert page.status_code == 200
            record = (await scene.conductor.operations.applications.get(LOCAL, "shop")).record
            assert record.gc_time_threshold_ms == 129_600_000
            assert (record.gc_rows_threshold, record.global_timeout_ms) == (10, None)
            for words in ("<strong>3 workflows</strong>", "<strong>2 workflows</strong>", 'value="1.5"'):
                assert words in page.text
            off = await posted(client, PATH, keep_days="", keep_rows="", timeout_hours="")
            assert "every limit is off" in off.text
            assert "Retention is off" in off.text

    run(body)


def test_nonsense_is_refused_and_what_was_typed_is_kept(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            for wrong in ("-1", "many", "nan", "1e999", "9" * 5_000, "0.5"):
                page = await posted(client, PATH, keep_days="7", keep_rows=wrong, timeout_hours="")
                assert page.status_code == 422, wrong
                assert 'role="alert"' in page.text
                assert 'value="7"' in page.text

    run(body)


def test_a_run_is_asked_for_made_and_listed(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        async with browser(scene) as client:
            question = await client.get(f"{PATH}/run")
            assert "cannot be brought back" in question.text
            assert executor.count(Retention) == 0
            page = await posted(client, f"{PATH}/run")
            assert executor.count(Retention) == 1
            assert "Retention ran" in page.text
            assert 'id="run-1"' in page.text
            executor.answers(Retention, RetentionReply(success=False, error_message="disk <full>"))
            page = await posted(client, f"{PATH}/run")
            assert "disk &lt;full&gt;" in page.text
            data = (await client.get(PATH, headers={"Accept": "application/json"})).json()
            assert [each["status"] for each in data["runs"]] == ["failed", "succeeded"]

    run(body)


def test_without_an_executor_the_page_stays_readable(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            page = await client.get(PATH)
            assert page.status_code == 200
            assert "Nobody can count now" in page.text
            assert "No executor is connected; this can be done when one is." in page.text

    run(body)


def test_an_sdk_that_is_too_old_to_count_is_named_as_the_reason_for_a_snapshot(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        unknown = GetWorkflowAggregatesReply(error_message="Unknown message type")
        executor.answers(GetWorkflowAggregates, unknown)
        await Snapshots(scene.conductor.db).ensure_source(await scene.application_id())
        async with browser(scene) as client:
            page = (await client.get(PATH)).text
            assert "its SDK is too old. So this is of the last snapshot" in page
            assert "Offline" not in page

    run(body)
