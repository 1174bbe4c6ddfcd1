"""The pages of schedules, of a scripted executor: what they say and do, and say when they cannot."""

import re
from typing import Any

import httpx
from support.executor import ScriptedExecutor
from support.served import Run, Served

from conductor_lite.protocol import (
    BackfillSchedule,
    BackfillScheduleReply,
    GetSchedule,
    GetScheduleReply,
    ListSchedules,
    ListSchedulesReply,
    ListWorkflows,
    ListWorkflowsReply,
    PauseSchedule,
    PauseScheduleReply,
    ScheduleRecord,
    TriggerSchedule,
    TriggerScheduleReply,
    WorkflowRecord,
)

HOSTILE = "<img src=x onerror=alert(1)>/.."
NIGHTLY = ScheduleRecord(
    schedule_name="nightly",
    workflow_name="report",
    cron="0 3 * * *",
    status="ACTIVE",
    cron_timezone="Europe/Berlin",
    last_fired_at="2026-01-01T02:00:00+00:00",
    context="{'a': 1}",
)
ODD = ScheduleRecord(
    schedule_name=HOSTILE,
    workflow_name="odd",
    cron="every tuesday",
    status="PAUSED",
    last_fired_at="last week",
)
NIGHTLY_PAGE = "/apps/shop/schedules/nightly"
BOTH = {record.schedule_name: record for record in (NIGHTLY, ODD)}


async def scripted(scene: Served) -> ScriptedExecutor:
    executor = await scene.executor("exec-1")
    executor.answers(ListSchedules, ListSchedulesReply(schedules=[ODD, NIGHTLY]))

    async def get(request: Any) -> GetScheduleReply:
        return GetScheduleReply(schedule=BOTH.get(request.schedule_name))

    executor.on(GetSchedule, get)
    executor.answers(PauseSchedule, PauseScheduleReply(success=True))
    executor.answers(TriggerSchedule, TriggerScheduleReply(workflow_id="run 1/2"))
    executor.answers(BackfillSchedule, BackfillScheduleReply(workflow_ids=["a", "b"]))
    run = WorkflowRecord(
        workflow_id="sched-nightly-1", status="SUCCESS", created_at_epoch_ms=1_767_225_600_000
    )
    executor.answers(ListWorkflows, ListWorkflowsReply(workflows=[run]))
    return executor


async def posted(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get(path)).text)
    assert token
    return await client.post(path, data={"csrf_token": token[1], **fields})


def browser(scene: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=scene.url, trust_env=False, headers={"Origin": scene.url}, timeout=60)


def test_schedules_are_told_in_words_with_their_next_run(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            page = (await client.get("/apps/shop/schedules")).text
            for words in (
                "At 03:00 every day",
                "Europe/Berlin",
                "every tuesday",
                "last week",
                "none while paused",
            ):
                assert words in page
            assert "<img" not in page
            data = (await client.get("/apps/shop/schedules", headers={"Accept": "application/json"})).json()
            assert [each["name"] for each in data["schedules"]] == [HOSTILE, "nightly"]
            assert len(data["schedules"][1]["next_runs"]) == 2
            assert data["schedules"][0]["words"] is None
            narrowed = (await client.get("/apps/shop/schedules?q=report&status=active")).text
            assert narrowed.count('id="schedule-') == 1

    run(body)


def test_a_schedule_has_a_page_whatever_its_name(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        async with browser(scene) as client:
            page = (await client.get("/apps/shop/schedules/nightly")).text
            assert page.count("<li><time") == 10
            assert "sched-nightly-1" in page
            odd = await client.get("/apps/shop/schedules/~", params={"id": HOSTILE})
            assert odd.status_code == 200
            assert "<img" not in odd.text
            assert (await client.get("/apps/shop/schedules/none")).status_code == 404
            assert (await client.get("/apps/shop/schedules/~")).status_code == 404

    run(body)


def test_pause_and_run_now(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        async with browser(scene) as client:
            paused = await posted(client, "/apps/shop/schedules/nightly/pause")
            assert (paused.status_code, paused.headers["location"]) == (303, "/apps/shop/schedules")
            assert executor.count(PauseSchedule) == 1
            started = await posted(client, "/apps/shop/schedules/nightly/trigger")
            assert started.headers["location"] == "/apps/shop/workflows/~?id=run+1%2F2"
            again = [await posted(client, f"{NIGHTLY_PAGE}/trigger", once="a-token-of-ours") for _ in "12"]
            assert again[0].headers["location"] == again[1].headers["location"]
            assert executor.count(TriggerSchedule) == 2
            forged = {"csrf_token": "forged"}
            refused = await client.post("/apps/shop/schedules/nightly/pause", data=forged)
            assert refused.status_code == 403
            assert executor.count(PauseSchedule) == 1

    run(body)


def test_a_form_that_nobody_was_there_to_carry_out_is_kept(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        async with browser(scene) as client:
            page = (await client.get(f"{NIGHTLY_PAGE}/backfill")).text
            token = re.search(r'name="csrf_token" value="([^"]+)"', page)
            assert token
            fields = {"csrf_token": token[1], "start": "2026-02-01T00:00", "end": "2026-02-08T02:59"}
            gone = await client.post("/apps/shop/schedules/none/backfill", data=fields)
            assert gone.status_code == 404
            assert "Send it again" not in gone.text
            await executor.vanish()
            await scene.await_status("exec-1", "DISCONNECTED")
            kept = await client.post(f"{NIGHTLY_PAGE}/backfill", data=fields)
            assert kept.status_code == 503
            assert "Send it again" in kept.text
            for name in ("start", "end"):
                assert f'<input type="hidden" name="{name}" value="{fields[name]}">' in kept.text

    run(body)


def test_a_backfill_is_counted_before_it_is_started(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scripted(scene)
        async with browser(scene) as client:
            client.cookies.set("conductor_zone", "Europe%2FBerlin")
            path = "/apps/shop/schedules/nightly/backfill"
            period = {"start": "2026-02-01T00:00", "end": "2026-02-08T02:59"}
            counted = await posted(client, path, **period)
            assert counted.status_code == 200
            assert (
                "<strong>7 runs</strong>, from 2026-02-01 03:00:00 CET to 2026-02-07 03:00:00 CET"
                in counted.text
            )
            assert executor.count(BackfillSchedule) == 0
            done = await posted(client, path, **period, sure="yes")
            assert done.headers["location"] == "/apps/shop/schedules/nightly"
            request = next(each for each in executor.requests if isinstance(each, BackfillSchedule))
            assert request.start == "2026-01-31T23:00:00+00:00"
            for wrong in (
                {"start": "2026-02-08T00:00", "end": "2026-02-01T00:00"},
                {"start": "x", "end": "2026-02-01T00:00"},
                {"start": "", "end": ""},
                {"start": "2020-02-08T00:00", "end": "2026-02-01T00:00"},
            ):
                refused = await posted(client, path, **wrong, sure="yes")
                assert refused.status_code == 422
                assert 'role="alert"' in refused.text
            assert executor.count(BackfillSchedule) == 1

    run(body)


def test_without_an_executor_it_says_why_nothing_is_there(run: Run) -> None:
    async def body(scene: Served) -> None:
        async with browser(scene) as client:
            page = await client.get("/apps/shop/schedules")
            assert page.status_code == 200
            assert "only an executor can read them" in page.text
            page = await client.get("/apps/shop/schedules/nightly")
            assert page.status_code == 200
            assert "only an executor can read them" in page.text

    run(body)


def test_who_may_only_look_is_told_why_buttons_are_off(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene)
        key = await scene.key("application.read")
        async with browser(scene) as client:
            client.headers["Authorization"] = f"Bearer {key}"
            page = (await client.get("/apps/shop/schedules")).text
            assert "application.write is missing" in page
            assert "/pause" not in page
            # Whoever is given the address of a question is told so as well, before a click.
            for question in ("schedules/nightly/pause", "delete"):
                page = (await client.get(f"/apps/shop/{question}")).text
                assert "application.write is missing" in page, question
                assert '<button class="button primary">' not in page, question
                assert '<button class="button danger">' not in page, question

    run(body)
