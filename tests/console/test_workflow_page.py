"""A workflow's page: its head and views, whatever the executor says or does not say."""

import asyncio
import itertools
import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from console.bookshop import NOW_MS, PAGE, Scene, play, step, text_of, workflow
from support.served import APPLICATION, LOCAL

from conductor_lite.console.kept import Kept
from conductor_lite.console.urls import workflow_url
from conductor_lite.console.workflow import carried
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.protocol import (
    Delete,
    DeleteReply,
    EventRecord,
    GetWorkflow,
    GetWorkflowEvents,
    GetWorkflowEventsReply,
    GetWorkflowNotifications,
    GetWorkflowNotificationsReply,
    GetWorkflowReply,
    GetWorkflowStreams,
    GetWorkflowStreamsReply,
    ImportWorkflow,
    ImportWorkflowReply,
    ListSteps,
    ListStepsReply,
    ListWorkflows,
    ListWorkflowsReply,
    NotificationRecord,
    Reply,
    Resume,
    ResumeReply,
    StepRecord,
    StreamRecord,
    WorkflowRecord,
)

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_page_tells_what_is_known_where_it_came_from_and_what_came_from_it(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(
            workflow(
                workflow_class_name="Fulfilment",
                queue_name="parcels",
                priority=3,
                queue_partition_key="eu",
                deduplication_id="order 7",
                dequeued_at_epoch_ms=NOW_MS + 2_000,
                timeout_ms=90_000,
                deadline_epoch_ms=NOW_MS + 90_000,
                authenticated_user="ada",
                assumed_role="clerk",
                authenticated_roles='["clerk", "admin"]',
                schedule_name="nightly",
                attributes='{"customer": "c-1"}',
                parent_workflow_id="batch-1",
                forked_from="order-6",
                application_name="elsewhere",
            ),
            workflow("order-7-ship", parent_workflow_id="order-7", workflow_name="ship"),
            workflow("order-7-again", forked_from="order-7", status="PENDING"),
            workflow("unrelated"),
        )
        # The executor's clock is a little behind the database's.
        scene.shop.steps["order-7"] = [step(1, started_at_epoch_ms=NOW_MS + 1_500)]
        html = await scene.reader.page(PAGE)
        page = text_of(html)
        for words in (
            "fulfil_order",
            "took 5 s",
            "Duration 5 s Waited 2 s Worked 3 s",
            "Class Fulfilment",
            "Queue parcels",
            "Priority 3",
            "Partition eu",
            "Deduplication id order 7",
            "Timeout 1 min 30 s",
            "User ada",
            "Assumed role clerk",
            "Roles clerk, admin",
            "Schedule nightly",
            "Application elsewhere",
            "child of batch-1",
            "forked from order-6",
            "Children 1 Success ship order-7-ship",
            "Forks 1 Pending fulfil_order order-7-again",
            "customer : 'c-1'",
        ):
            assert words in page.replace("customer:", "customer :"), words
        assert "unrelated" not in page
        for id_ in ("batch-1", "order-6", "order-7-ship", "order-7-again"):
            assert f'href="/apps/shop/workflows/{id_}"' in html
        assert f'href="/apps/{APPLICATION}?q=e-1"' in html or "executors?q=e-1" in html
        data = await scene.reader.data(PAGE)
        assert data["workflow"]["queue_name"] == "parcels"
        assert data["content"]["family"]["children"]["workflows"][0]["workflow_id"] == "order-7-ship"

    play(tmp_path, body)


def test_relatives_of_others_are_not_shown_where_the_sdk_knows_no_such_filters(tmp_path: Path) -> None:
    async def everything(request: ListWorkflows) -> Reply:
        return ListWorkflowsReply(
            workflows=[workflow("stranger"), workflow("child", parent_workflow_id="order-7")]
        )

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.executor.on(ListWorkflows, everything)
        page = text_of(await scene.reader.page(PAGE))
        assert "Children 1" in page
        assert "stranger" not in page

    play(tmp_path, body)


def test_steps_are_paged_and_the_last_page_is_found(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(number) for number in range(1, 5_001)]
        html = await scene.reader.page(PAGE)
        assert html.count('<tr id="step-') == 100
        assert "Steps 100+" in text_of(html)
        asked = [request for request in scene.shop.executor.requests if isinstance(request, ListSteps)]
        assert [(request.limit, request.offset) for request in asked] == [(101, 0)]
        third = await scene.reader.page(f"{PAGE}?page=3")
        assert '<tr id="step-201"' in third
        assert '<tr id="step-300"' in third
        last = await scene.reader.page(f"{PAGE}?page=last")
        assert '<tr id="step-5000"' in last
        assert "4,901–5,000 of 5,000" in text_of(last)
        beyond = text_of(await scene.reader.page(f"{PAGE}?page=60"))
        assert "There are no steps that far" in beyond

    play(tmp_path, body)


def test_steps_are_cut_here_where_the_sdk_knows_neither_limit_nor_offset(tmp_path: Path) -> None:
    async def all_steps(request: ListSteps) -> Reply:
        return ListStepsReply(steps=[step(number) for number in range(150)])

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.executor.on(ListSteps, all_steps)
        first = await scene.reader.page(PAGE)
        assert first.count('<tr id="step-') == 100
        second = await scene.reader.page(f"{PAGE}?page=2")
        assert re.findall(r'<tr id="step-(\d+)"', second) == [str(number) for number in range(100, 150)]

    play(tmp_path, body)


def test_steps_tell_their_kind_their_fate_and_their_children(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        # Recovered after its first step: dequeued for the last time after that began.
        queued = {"queue_name": "parcels", "dequeued_at_epoch_ms": NOW_MS + 2_500}
        scene.shop.holds(workflow(status="ERROR", output=None, error="boom", **queued))
        scene.shop.steps["order-7"] = [
            step(1, output=None, error="declined"),
            step(2),
            step(3, "DBOS.setEvent", output=None),
            step(4, "DBOS.sleep", output=str((NOW_MS + 9_000) / 1_000)),
            step(5, "ship", output=None, child_workflow_id="order-7-ship"),
        ]
        html = await scene.reader.page(PAGE)
        rows = {n: text_of(row) for n, row in re.findall(r'<tr id="step-(\d+)"(.*?)</tr>', html, re.DOTALL)}
        assert "repeated charge_card" in rows["1"]
        assert "declined" in rows["1"]
        assert "succeeded charge_card Output of step 2: result 2" in rows["2"]
        assert "1 s" in rows["2"]
        assert "DBOS.setEvent SDK" in rows["3"]
        assert "DBOS.sleep sleep" in rows["4"]
        assert "child order-7-ship" in rows["5"]
        assert f'href="{PAGE}/fork?step=2"' in html
        page = text_of(html)
        assert page.index("Error 4 characters") < page.index("28 characters")
        assert "boom" in page
        assert "Last dequeued" in page
        assert "Waited" not in page

    play(tmp_path, body)


def test_errors_show_type_message_and_a_stack_with_its_lines_kept(tmp_path: Path) -> None:
    stack = (
        "TypeError: pay is not a function\n    at charge (/app/pay.js:3:5)\n    at order (/app/order.js:9:1)"
    )
    error = json.dumps({"name": "TypeError", "message": "pay is not a function", "stack": stack})

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(status="ERROR", output=None, error=error))
        html = await scene.reader.page(PAGE)
        failure = re.search(r'<div class="failure">(.*?)</div>', html, re.DOTALL)
        assert failure
        assert "TypeError pay is not a function Stack, 2 frames" in text_of(failure[1])
        assert "at charge (/app/pay.js:3:5)\nat order (/app/order.js:9:1)" in failure[1]
        # A message of several lines, as Python sends it, keeps them as well.
        error_of_lines = "1 validation error\n  field missing"
        later = {"updated_at_epoch_ms": NOW_MS + 9_000}
        scene.shop.holds(workflow(status="ERROR", output=None, error=error_of_lines, **later))
        assert "1 validation error\n  field missing" in await scene.reader.page(PAGE)
        raw = await scene.reader.page(f"{PAGE}/payload?of=error&as=raw")
        assert "1 validation error\n  field missing" in raw

    play(tmp_path, body)


def test_what_is_on_record_is_fetched_once_however_often_the_page_is_looked_at(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        fields: dict[str, Any] = {"status": "PENDING", "output": None, "completed_at_epoch_ms": None}
        scene.shop.holds(workflow(**fields))
        scene.shop.steps["order-7"] = [step(1), step(2)]

        async def look() -> tuple[str, list[bool], list[tuple[bool, int | None, int | None]]]:
            before = len(executor.requests)
            page = text_of(await scene.reader.page(PAGE))
            asked = executor.requests[before:]
            loaded = [asked_.load_input for asked_ in asked if isinstance(asked_, GetWorkflow)]
            steps = [(r.load_output, r.limit, r.offset) for r in asked if isinstance(r, ListSteps)]
            return page, loaded, steps

        page, loaded, steps = await look()
        assert "result 2" in page
        assert (loaded, steps) == ([True], [(True, 101, 0)])
        again, loaded, steps = await look()
        assert ("args" in again, "result 2" in again) == (True, True)
        assert (loaded, steps) == ([False], [(False, 101, 0)])
        # Of what is new the results are fetched, and of nothing else.
        scene.shop.steps["order-7"] += [step(3)]
        page, loaded, steps = await look()
        assert ("result 1" in page, "result 3" in page) == (True, True)
        assert (loaded, steps) == ([False], [(False, 101, 0), (True, 99, 2)])
        # Another that goes on from an earlier step has other results.
        scene.shop.steps["order-7"][1:] = [step(2, started_at_epoch_ms=NOW_MS + 60_000, output="anew")]
        page, _, steps = await look()
        assert ("anew" in page, "result 3" in page) == (True, False)
        assert steps == [(False, 101, 0), (True, 100, 1)]
        scene.shop.holds(workflow(output="delivered", updated_at_epoch_ms=NOW_MS + 70_000))
        page, loaded, _ = await look()
        assert "delivered" in page
        assert loaded == [False, True]
        assert (await look())[1] == [False]
        # Deleted, and begun anew under the same id: its steps only look the same.
        scene.shop.holds(workflow(created_at_epoch_ms=NOW_MS - 1))
        scene.shop.steps["order-7"] = [step(1, output="of another")]
        page, _, steps = await look()
        assert ("of another" in page, steps) == (True, [(True, 101, 0)])

    play(tmp_path, body)


def test_what_was_made_anew_under_the_same_id_is_shown_at_once_whatever_its_times_say(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        actions = scene.served.conductor.operations.workflow_actions
        executor = scene.shop.executor
        executor.answers(Delete, DeleteReply(success=True))
        executor.answers(ImportWorkflow, ImportWorkflowReply(success=True))
        executor.answers(Resume, ResumeReply(success=True))
        scene.shop.holds(workflow(output="the first"))
        scene.shop.steps["order-7"] = [step(1, output="of the first")]
        await scene.reader.page(f"{PAGE}?view=timeline")
        page = text_of(await scene.reader.page(PAGE))
        assert ("the first" in page, "of the first" in page) == (True, True)

        async def deleted_and_imported() -> None:
            await actions.delete(LOCAL, APPLICATION, "order-7")
            await actions.import_(LOCAL, APPLICATION, "H4sI")

        async def resumed() -> None:
            await actions.resume(LOCAL, APPLICATION, "order-7")

        for word, remake in (("second", deleted_and_imported), ("third", resumed)):
            await remake()
            scene.shop.holds(workflow(output=f"the {word}"))
            scene.shop.steps["order-7"] = [step(1, output=f"of the {word}", error=f"the {word}'s fault")]
            page = text_of(await scene.reader.page(PAGE))
            assert (f"the {word}" in page, f"of the {word}" in page) == (True, True), page
            timeline = await scene.reader.data(f"{PAGE}?view=timeline")
            content = timeline["content"]["timeline"]
            assert [content["statuses"][number] for number in content["status"]] == ["succeeded", "failed"]

    play(tmp_path, body)


def test_events_messages_and_streams_of_what_runs_are_announced_as_they_come(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        scene.shop.holds(workflow(status="PENDING", output=None, completed_at_epoch_ms=None))

        async def goes_on() -> None:
            for number in itertools.count():
                text = str(number)
                events = [EventRecord(key="progress", value=text)]
                executor.answers(GetWorkflowEvents, GetWorkflowEventsReply(events=events))
                messages = [NotificationRecord(message=text)]
                executor.answers(
                    GetWorkflowNotifications, GetWorkflowNotificationsReply(notifications=messages)
                )
                streams = [StreamRecord(key="log", values=[text])]
                executor.answers(GetWorkflowStreams, GetWorkflowStreamsReply(streams=streams))
                await asyncio.sleep(0.2)

        async def announced(view: str) -> None:
            url, page = scene.served.url, f"{PAGE}?view={view}"
            async with (
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
                client.stream("GET", "/events", params={"page": page}) as stream,
            ):
                lines = stream.aiter_lines()
                while await anext(lines) != "event: change":
                    pass

        async with asyncio.timeout(60):
            work = asyncio.create_task(goes_on())
            await asyncio.gather(*(announced(view) for view in ("events", "notifications", "streams")))
            work.cancel()

    play(tmp_path, body)


def test_results_of_steps_that_tell_no_times_are_fetched_each_time(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        untold = {"started_at_epoch_ms": None, "completed_at_epoch_ms": None}
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(1, output="once"), step(2, output="before", **untold)]
        assert "before" in text_of(await scene.reader.page(PAGE))
        scene.shop.steps["order-7"][1] = step(2, output="later", **untold)
        page = text_of(await scene.reader.page(PAGE))
        assert ("once" in page, "later" in page, "before" in page) == (True, True, False)

    play(tmp_path, body)


def test_long_names_of_steps_that_are_kept_weigh_as_well() -> None:
    async def fetch(after: int, results: bool) -> list[StepRecord]:
        return [step(1, "n" * 5_000, child_workflow_id="c" * 7_000)][after:]

    with patch.object(carried, "_STEPS", Kept(most=100_000, secs=60)) as kept:
        asyncio.run(carried.with_results(("shop", False, "order-7"), NOW_MS, 0, fetch))
    assert kept.weight > 12_000


def test_large_payloads_stay_off_the_page_until_they_are_asked_for(tmp_path: Path) -> None:
    large = '{"words": ["' + "word " * 200_000 + '"]}'

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(input=large, output="{'a': 1}"))
        scene.shop.steps["order-7"] = [step(1, output="x" * 1_000_000)]
        html = await scene.reader.page(PAGE)
        assert len(html) < 60_000
        assert "1,000,015 characters" in text_of(html)
        assert f'href="{PAGE}/payload?of=input" data-swap' in html
        whole = await scene.reader.client.get(f"{PAGE}/payload/file?of=input")
        assert whole.text == large
        assert whole.headers["content-type"] == "text/plain; charset=utf-8"
        assert whole.headers["content-disposition"] == 'attachment; filename="order-7-input.txt"'
        # Too long for a tree: what is shown of it is bounded all the same.
        shown = await scene.reader.page(f"{PAGE}/payload?of=input")
        assert len(shown) < 300_000
        assert "The first 200,000 of 1,000,015 characters" in text_of(shown)
        result = await scene.reader.page(f"{PAGE}/payload?of=step-output&step=1")
        assert len(result) < 300_000
        assert (
            len((await scene.reader.client.get(f"{PAGE}/payload/file?of=step-output&step=1")).text)
            == 1_000_000
        )

    play(tmp_path, body)


@pytest.mark.parametrize("view", ["tree", "raw"])
def test_a_payload_has_a_page_of_its_own(tmp_path: Path, view: str) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(input='{"order": {"items": [1, {"deep": true}]}}'))
        html = await scene.reader.page(f"{PAGE}/payload?of=input" + ("&as=raw" if view == "raw" else ""))
        if view == "raw":
            assert '{"order": {"items": [1, {"deep": true}]}}' in unescape(html)
            assert '<ul class="tree">' not in html
        else:
            assert '<span class="key">deep</span> <span class="val val-boolean">true</span>' in html
        data = await scene.reader.data(f"{PAGE}/payload?of=input")
        assert data["sample"]["text"] == '{"order": {"items": [1, {"deep": true}]}}'

    play(tmp_path, body)


def test_of_a_long_payload_more_is_unfolded_on_demand_and_all_of_it_is_searched(tmp_path: Path) -> None:
    text = repr({"items": [f"item {number}" for number in range(10_000)]})

    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(input=text))
        html = await scene.reader.page(f"{PAGE}/payload?of=input")
        assert "'item 900'" in unescape(html)
        assert "'item 1000'" not in unescape(html)
        assert "Only the first 1,000 values are unfolded. The text has all." in text_of(html)
        more = re.search(r'href="([^"]*)" data-swap>Unfold the first 3,000<', html)
        assert more is not None
        html = await scene.reader.page(unescape(more[1]))
        assert "'item 2900'" in unescape(html)
        assert "Only the first 3,000 values" in text_of(html)
        assert "data-swap>Unfold" not in html
        # What is looked for may stand where nothing is unfolded.
        assert 'placeholder="Find in all"' in html
        html = await scene.reader.page(f"{PAGE}/payload?of=input&find=ITEM+999")
        assert "11 places: ITEM 999" in text_of(html)
        assert "<mark>item 999</mark>" in html
        assert '<ul class="tree">' not in html
        data = await scene.reader.data(f"{PAGE}/payload?of=input&find=ITEM+9999")
        assert [place["hit"] for place in data["found"]["places"]] == ["item 9999"]
        nowhere = await scene.reader.page(f"{PAGE}/payload?of=input&find=%3Cb%3E")
        assert "Nowhere in the whole text: &lt;b&gt;" in re.sub(r"</?q>", "", nowhere)
        # On the workflow's page as well, and by the whole of an id that is shown cut.
        long = "x" * 3_000
        scene.shop.holds(workflow(long, input=repr(list(range(400)))))
        html = await scene.reader.page(f"/apps/{APPLICATION}/workflows/~?id={long}")
        assert f'<input type="hidden" name="id" value="{long}">' in html.partition("data-find-all")[2]

    play(tmp_path, body)


def test_every_kind_of_payload_can_be_opened(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        scene.shop.holds(workflow(error="it broke", attributes='{"a": 1}'))
        scene.shop.steps["order-7"] = [step(number, output=f"result {number}") for number in (1, 2, 4, 9)]
        scene.shop.steps["order-7"].append(step(11, output=None, error="step broke"))
        events = [EventRecord(key="progress", value="half"), EventRecord(key="a b/c", value="odd")]
        executor.answers(GetWorkflowEvents, GetWorkflowEventsReply(events=events))
        messages = [
            NotificationRecord(topic="pay", message="cash", created_at_epoch_ms=NOW_MS, consumed=True),
            NotificationRecord(message="no topic"),
        ]
        executor.answers(GetWorkflowNotifications, GetWorkflowNotificationsReply(notifications=messages))
        streams = [StreamRecord(key="log", values=["one", "two"])]
        executor.answers(GetWorkflowStreams, GetWorkflowStreamsReply(streams=streams))
        for query, text in (
            ("of=input", "{'args': (7,), 'kwargs': {}}"),
            ("of=output", "shipped"),
            ("of=error", "it broke"),
            ("of=attributes", '{"a": 1}'),
            ("of=step-output&step=4&at=2", "result 4"),
            # What ran side by side has got between since.
            ("of=step-output&step=9&at=1", "result 9"),
            ("of=step-output&step=9", "result 9"),
            ("of=step-error&step=11&at=4", "step broke"),
            ("of=event&key=progress", "half"),
            ("of=event&key=a+b%2Fc", "odd"),
            ("of=notification&number=1", "no topic"),
            ("of=stream&key=log&number=1", "two"),
        ):
            answer = await scene.reader.client.get(f"{PAGE}/payload/file?{query}")
            assert (answer.status_code, answer.text) == (200, text), query
            assert text in unescape(await scene.reader.page(f"{PAGE}/payload?{query}")).replace(
                "<", " <"
            ) or ("val" in await scene.reader.page(f"{PAGE}/payload?{query}"))
        for query in (
            "of=nonsense",
            "",
            "of=step-output&step=3",
            "of=step-output&step=11",
            "of=step-output",
            "of=event&key=none",
            "of=notification&number=7",
            "of=stream&key=log&number=2",
            "of=stream&key=none&number=0",
        ):
            await scene.reader.page(f"{PAGE}/payload?{query}", 404)

    play(tmp_path, body)


def test_events_messages_and_streams_are_asked_for_only_when_they_are_shown(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        scene.shop.holds(workflow())
        kinds = (GetWorkflowEvents, GetWorkflowNotifications, GetWorkflowStreams)
        await scene.reader.page(PAGE)
        assert not any(executor.count(kind) for kind in kinds)
        assert "It has set no event" in await scene.reader.page(f"{PAGE}?view=events")
        assert "No message was sent to it" in await scene.reader.page(f"{PAGE}?view=notifications")
        assert "It has no stream" in await scene.reader.page(f"{PAGE}?view=streams")
        assert [executor.count(kind) for kind in kinds] == [1, 1, 1]
        events = [EventRecord(key=f"event {n:03}", value="v" * 1_000) for n in range(150)]
        executor.answers(GetWorkflowEvents, GetWorkflowEventsReply(events=events))
        messages = [
            NotificationRecord(topic="pay", message="cash", created_at_epoch_ms=NOW_MS, consumed=True),
            NotificationRecord(message=None),
        ]
        executor.answers(GetWorkflowNotifications, GetWorkflowNotificationsReply(notifications=messages))
        streams = [
            StreamRecord(key="log", values=[f"line {n}" for n in range(250)]),
            StreamRecord(key="empty", values=[]),
        ]
        executor.answers(GetWorkflowStreams, GetWorkflowStreamsReply(streams=streams))
        page = text_of(await scene.reader.page(f"{PAGE}?view=events&page=2"))
        assert "Events 150" in page
        assert "event 100" in page
        assert "event 099" not in page
        page = text_of(await scene.reader.page(f"{PAGE}?view=notifications"))
        assert "pay Message 0: cash" in page
        assert "Received" in page
        assert "no topic empty" in page
        assert "Waiting" in page
        page = text_of(await scene.reader.page(f"{PAGE}?view=streams"))
        assert "log 250" in page
        assert "line 249" in page
        assert "line 149" not in page
        assert "Nothing was written to it" in page
        older = text_of(await scene.reader.page(f"{PAGE}?view=streams&stream=log&page=2"))
        assert "line 149" in older
        assert "line 249" not in older

    play(tmp_path, body)


def test_hostile_data_is_shown_as_text_and_stays_small(tmp_path: Path) -> None:
    huge = EVIL + "x" * 1_000_000

    async def body(scene: Scene) -> None:
        fields: dict[str, Any] = {
            name: EVIL
            for name in WorkflowRecord.__struct_fields__
            if WorkflowRecord.__annotations__[name] in ("str", str, "str | None", str | None)
        }
        evil = {**fields, "workflow_id": EVIL, "created_at_epoch_ms": 10**18, "updated_at_epoch_ms": -5}
        scene.shop.holds(WorkflowRecord(**evil))
        scene.shop.steps[EVIL] = [step(1, EVIL, output=EVIL, error=EVIL, child_workflow_id=EVIL)]
        executor = scene.shop.executor
        executor.answers(
            GetWorkflowEvents, GetWorkflowEventsReply(events=[EventRecord(key=EVIL, value=EVIL)])
        )
        note = NotificationRecord(topic=EVIL, message=EVIL)
        executor.answers(GetWorkflowNotifications, GetWorkflowNotificationsReply(notifications=[note]))
        streams = [StreamRecord(key=EVIL, values=[EVIL])]
        executor.answers(GetWorkflowStreams, GetWorkflowStreamsReply(streams=streams))
        url = workflow_url(APPLICATION, EVIL)
        for address in (
            url,
            *(f"{url}&view={view}" for view in ("events", "notifications", "streams")),
            *(
                workflow_url(APPLICATION, EVIL, *parts, **query)
                for parts, query in (
                    (("payload",), {"of": "input"}),
                    (("payload",), {"of": "error"}),
                    (("payload",), {"of": "event", "key": EVIL}),
                    (("cancel",), {}),
                    (("fork",), {"step": EVIL}),
                    (("export",), {}),
                )
            ),
        ):
            html = await scene.reader.page(address)
            assert "<script>alert" not in html, address
            assert "<img" not in html, address
        scene.shop.holds(
            workflow(
                **{
                    name: huge
                    for name in fields
                    if name not in ("workflow_id", "application_name", "parent_workflow_id", "forked_from")
                }
            )
        )
        scene.shop.steps["order-7"] = [step(1, huge, output=huge, error=huge, child_workflow_id=huge)]
        html = await scene.reader.page(PAGE)
        assert len(html) < 100_000
        assert "<script>alert" not in html

    play(tmp_path, body)


def test_ids_that_cannot_stand_in_a_path_stand_in_the_query(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        odd = "sched/2026 ?#é"
        url = workflow_url(APPLICATION, odd)
        assert url.startswith(f"/apps/{APPLICATION}/workflows/~?id=")
        scene.shop.holds(workflow(odd))
        scene.shop.steps[odd] = [step(1)]
        html = await scene.reader.page(url)
        assert odd in text_of(html)
        for link in re.findall(r'href="(/apps/shop/workflows/~[^"]*)"', html):
            await scene.reader.page(unescape(link))
        assert (
            unescape(f"{workflow_url(APPLICATION, odd, 'cancel')}") in unescape(html)
            or "nothing to cancel" in html
        )
        await scene.reader.page(f"/apps/{APPLICATION}/workflows/~", 404)

    play(tmp_path, body)


def test_private_mode_is_explained_and_nothing_is_fetched(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        operations = scene.served.conductor.operations
        await operations.applications.update(LOCAL, APPLICATION, ApplicationChanges(private_mode=True))
        # One that sends payloads whatever it is asked.
        record = workflow(input="secret input", error="secret error")
        scene.shop.executor.answers(GetWorkflow, GetWorkflowReply(workflow=record))
        scene.shop.steps["order-7"] = [step(1, output="secret output")]
        page = text_of(await scene.reader.page(PAGE))
        assert "Private mode. Inputs, outputs and errors" in page
        assert "charge_card" in page
        assert "secret" not in page
        assert "secret" not in str(await scene.reader.data(PAGE))
        for view in ("events", "notifications", "streams"):
            assert "payloads are never fetched" in await scene.reader.page(f"{PAGE}?view={view}")
        for path in ("payload?of=input", "payload/file?of=input", "export/file"):
            await scene.reader.page(f"{PAGE}/{path}", 403)
        executor = scene.shop.executor
        gets = [request for request in executor.requests if isinstance(request, GetWorkflow)]
        assert gets
        assert not any(request.load_input or request.load_output for request in gets)
        assert not executor.count(GetWorkflowEvents)
        export = re.search(r"<[^<]*>Export<.*?</span>", await scene.reader.page(PAGE), re.DOTALL)
        assert export
        assert "private mode" in export[0]

    play(tmp_path, body)


def test_without_an_executor_the_last_snapshot_is_shown(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(
            workflow(attributes='{"customer": "c-1"}'),
            workflow("order-7-ship", parent_workflow_id="order-7", workflow_name="ship"),
        )
        await scene.take_snapshots()
        await scene.shop.executor.leave()
        await scene.served.await_status("e-1", "DISCONNECTED")
        html = await scene.reader.page(PAGE)
        page = text_of(html)
        assert "Offline." in page
        assert "took 5 s" in page
        assert "Children 1 Success ship" in page
        assert "Steps are not kept in snapshots" in page
        assert "Input, output and error are not kept in snapshots" in page
        assert 'href="' + PAGE + "/restart" not in html
        assert page.count("No executor is connected; this can be done when one is.") >= 7
        assert "Only an executor can tell" in await scene.reader.page(f"{PAGE}?view=events")
        await scene.reader.page(f"{PAGE}/cancel", 503)
        away = text_of(await scene.reader.page(f"{PAGE}/payload?of=input"))
        assert "Offline." in away
        assert "This one shows here as soon as an executor is connected." in away
        # Attributes are in the snapshot.
        assert "c-1" in text_of(await scene.reader.page(f"{PAGE}/payload?of=attributes&as=raw"))
        missing = text_of(await scene.reader.page(f"/apps/{APPLICATION}/workflows/other", 404))
        assert "in the snapshots" in missing

    play(tmp_path, body)


def test_an_executor_that_does_not_answer_is_told_from_none(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        await scene.take_snapshots()
        scene.shop.executor.ignores(GetWorkflow)
        page = text_of(await scene.reader.page(PAGE))
        assert "The executors that are connected did not answer" in page
        assert "took 5 s" in page

    play(tmp_path, body, request_timeout_secs=2)


def test_steps_that_cannot_be_fetched_do_not_take_the_page_with_them(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.executor.answers(ListSteps, ListStepsReply(error_message="the database is locked"))
        page = text_of(await scene.reader.page(PAGE))
        assert "The steps could not be fetched: the database is locked" in page
        assert "shipped" in page
        answer = GetWorkflowEventsReply(error_message="Unknown message type")
        scene.shop.executor.answers(GetWorkflowEvents, answer)
        page = text_of(await scene.reader.page(f"{PAGE}?view=events"))
        assert "does not know the message get_workflow_events" in page
        assert "fulfil_order" in page

    play(tmp_path, body)


def test_unknown_workflow_is_not_found_and_the_page_helps_to_look_for_it(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        html = await scene.reader.page(PAGE, 404)
        assert "No such workflow" in text_of(html)
        assert f'href="/apps/{APPLICATION}/workflows?id=order-7&amp;range=all"' in html
        assert "another application" not in html
        await scene.served.conductor.operations.applications.register(LOCAL, "other")
        html = await scene.reader.page(PAGE, 404)
        assert 'href="/search?q=order-7"' in html
        assert "There is no application" in await scene.reader.page("/apps/none/workflows/x", 404)

    play(tmp_path, body)


def test_a_page_is_looked_at_more_often_while_its_workflow_goes_on(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        for status, words in (
            ("PENDING", "A step shows when it is completed"),
            ("ENQUEUED", "It has not begun"),
            ("SUCCESS", "It ended without completing a step"),
            ("SOMETHING_NEW", "SOMETHING_NEW"),
        ):
            scene.shop.holds(workflow(status=status, completed_at_epoch_ms=None, output=None))
            assert words in text_of(await scene.reader.page(PAGE))

    play(tmp_path, body)


def test_two_looks_at_the_same_page_cost_one_question(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        await scene.reader.page(PAGE)
        before = len(scene.shop.executor.requests)
        await scene.reader.page(PAGE)
        assert len(scene.shop.executor.requests) == before

    play(tmp_path, body, kept_secs=60)
