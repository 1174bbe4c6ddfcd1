"""The page of workflows over HTTP, in front of a scripted executor: what it asks for, shows and links to."""

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.workflow_table import PAGE, Table, link, run_table
from support.served import APPLICATION, LOCAL, Run, Served
from support.shelf import FIRST_EPOCH_MS
from support.wait import wait_until_async

from conductor_lite.auth.actor import LOCAL_ORGANIZATION
from conductor_lite.clock import Clock
from conductor_lite.console import site
from conductor_lite.console.workflows.rows import bounded
from conductor_lite.policies.snapshot_sync import Sync
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListWorkflows,
    ListWorkflowsReply,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.snapshot_records import WorkflowSnapshot
from conductor_lite.store.snapshots import Snapshots as SnapshotStore

#: Columns that are shown only where they have something to show.
OPTIONAL = ("Queued", "Queue", "Version", "Executor", "User", "Schedule", "Application", "Attributes")


@pytest.fixture
def on_table(tmp_path: Path) -> Run:
    """Runs an async function on a table."""
    return lambda body: run_table(tmp_path, body)


async def take_snapshots(scene: Served) -> None:
    db = scene.conductor.db
    application = await Applications(db).get(LOCAL_ORGANIZATION, APPLICATION)
    assert application is not None
    store = SnapshotStore(db)
    source = await store.ensure_source(application.id)
    policy = Snapshots(scene.conductor.fleet, Applications(db), store, Clock(), random.Random(1))
    await policy.sync(application, Sync(store, source.number, source.progress))


def test_newest_first_narrowed_by_every_filter(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("a-1", status="ERROR", queue_name="mail", attributes='{"country": "DE"}')
        table.shelf.add("a-2", status="PENDING", workflow_name="ship", executor_id="exec-1")
        table.shelf.add("b-1", status="ERROR", authenticated_user="ada", parent_workflow_id="a-2")
        assert await table.ids() == ["b-1", "a-2", "a-1"]
        assert await table.ids("sort=oldest") == ["a-1", "a-2", "b-1"]
        for query, wanted in (
            ("status=ERROR", ["b-1", "a-1"]),
            ("status=ERROR&status=PENDING&id=a-", ["a-2", "a-1"]),
            ("name=ship", ["a-2"]),
            ("queue=mail", ["a-1"]),
            ("executor=exec-1", ["a-2"]),
            ("user=ada", ["b-1"]),
            ("parent=a-2", ["b-1"]),
            ("has_parent=no", ["a-2", "a-1"]),
            ("attr=country=DE", ["a-1"]),
            ("queued=yes", ["a-1"]),
            ("user=nobody", []),
        ):
            assert await table.ids(query) == wanted, query
        assert all(
            not request.body.load_input
            for request in table.executor.requests
            if isinstance(request, ListWorkflows)
        )
        assert "No workflow matches these filters." in await table.see("user=nobody")

    on_table(body)


def test_pages_stay_what_they_are_while_new_workflows_arrive(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(250)
        html = await table.see()
        assert "1–100 of 250" in html
        following = link(html, "Next").partition("?")[2]
        before = await table.ids(following)
        assert before == [f"wf-{number:05}" for number in range(149, 49, -1)]
        table.shelf.fill(120, prefix="new")
        assert await table.ids(following) == before

        async def moved() -> bool:
            return (await table.ids())[0] == "new-00119"

        # Looks share what an executor said a moment ago.
        await wait_until_async(moved, 5, "the first page to show the new ones")
        last = link(await table.see(following), "Next").partition("?")[2]
        assert await table.ids(last) == [f"wf-{number:05}" for number in range(49, -1, -1)]
        third = await table.see(last)
        assert ">Next<" not in third
        assert link(third, "Previous").partition("?")[2] == following
        assert "There is nothing on this page any more" in await table.see(last.replace("page=3", "page=9"))

    on_table(body)


def test_one_question_counts_every_status_and_an_old_sdk_goes_without(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(3, status="ERROR")
        table.shelf.fill(1, prefix="ok")
        assert (await table.data("status=ERROR"))["counts"] == {"ERROR": 3, "SUCCESS": 1}
        assert table.executor.count(GetWorkflowAggregates) == 1
        table.executor.answers(
            GetWorkflowAggregates,
            GetWorkflowAggregatesReply(error_message="Unknown message type: get_workflow_aggregates"),
        )
        found = await table.data("status=ERROR&name=order")
        assert (found["counts"], len(found["workflows"])) == (None, 3)
        # It is not asked again and again.
        await table.data("status=ERROR&name=order")
        assert table.executor.count(GetWorkflowAggregates) == 2

    on_table(body)


def test_slow_counting_does_not_hold_up_the_table(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(1)
        may_answer = asyncio.Event()

        async def slowly(request: GetWorkflowAggregates) -> Any:
            await may_answer.wait()
            return await table.shelf._aggregates(request)

        table.executor.on(GetWorkflowAggregates, slowly)
        found = await table.data()
        assert (found["counts"], len(found["workflows"])) == (None, 1)
        may_answer.set()

        async def counted() -> bool:
            return (await table.data())["counts"] == {"SUCCESS": 1}

        await wait_until_async(counted, 5, "the figures")

    on_table(body)


def test_the_tree_shows_children_of_what_is_open(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("top")
        table.shelf.add("other")
        table.shelf.add("mid", parent_workflow_id="top")
        table.shelf.add("leaf", parent_workflow_id="mid")
        table.shelf.fill(130, prefix="many", parent_workflow_id="other")
        assert await table.ids("tree=1") == ["other", "top"]
        assert [row["children"] for row in (await table.data("tree=1"))["workflows"]] == [130, 1]
        html = await table.see("tree=1")
        opened = link(html, "▸")
        assert opened == f"{PAGE}?tree=1&open=other"
        rows = (await table.data("tree=1&open=top&open=mid"))["workflows"]
        assert [(row["workflow_id"], row["depth"], row["children"]) for row in rows] == [
            ("other", 0, 130),
            ("top", 0, 1),
            ("mid", 1, 1),
            ("leaf", 2, 0),
        ]
        assert link(await table.see("tree=1&open=top"), "▾") == f"{PAGE}?tree=1"
        html = await table.see("tree=1&open=other")
        assert html.count('class="below"') == 101
        assert "All 130 children of order" in html

    on_table(body)


def test_what_is_wrong_with_a_filter_is_said_and_the_form_keeps_it(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(1)
        html = await table.see("attr=country&queue=mail")
        assert "Attribute: &#39;country&#39; is no attribute" in html
        assert 'value="country"' in html
        assert 'value="mail"' in html
        assert table.executor.count(ListWorkflows) == 0
        table.executor.answers(ListWorkflows, ListWorkflowsReply(error_message="ValueError: bad <b>body</b>"))
        html = await table.see("user=x")
        assert "ValueError: bad &lt;b&gt;body&lt;/b&gt;" in html
        assert 'value="x"' in html

    on_table(body)


def test_a_filter_that_the_sdk_does_not_know_is_named(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("a", schedule_name="nightly")
        table.shelf.add("b", status="PENDING")

        async def knows_no_schedules(request: ListWorkflows) -> ListWorkflowsReply:
            return ListWorkflowsReply(workflows=list(table.shelf.workflows.values()))

        table.executor.on(ListWorkflows, knows_no_schedules)
        html = await table.see("schedule=nightly")
        assert "seems not to know the filter <strong>Schedule</strong>" in html
        question = await table.client.get(
            "/apps/shop/bulk/delete?schedule=nightly", headers={"Accept": "text/html"}
        )
        assert question.status_code == 422
        assert "They are left alone" in question.text

    on_table(body)


def test_columns_without_anything_in_them_are_left_out(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("a", application_version=None)
        html = await table.see()
        assert not [column for column in OPTIONAL if f">{column}</th>" in html]
        table.shelf.add(
            "b",
            queue_name="mail",
            application_version="1",
            executor_id="e",
            authenticated_user="ada",
            schedule_name="nightly",
            application_name="another",
            attributes='{"k": "v"}',
            dequeued_at_epoch_ms=FIRST_EPOCH_MS + 4_000,
            completed_at_epoch_ms=FIRST_EPOCH_MS + 5_500,
        )
        html = await table.see("status=SUCCESS")
        assert [column for column in OPTIONAL if f">{column}</th>" in html] == list(OPTIONAL)
        assert ">3 s<" in html
        assert ">1.5 s<" in html
        assert link(html, "mail") == f"{PAGE}?status=SUCCESS&queue=mail"
        # Recovered: what was before its last dequeuing was not all waiting.
        table.shelf.add(
            "c",
            queue_name="_dbos_internal_queue",
            dequeued_at_epoch_ms=FIRST_EPOCH_MS + 4_000,
            completed_at_epoch_ms=FIRST_EPOCH_MS + 9_500,
        )
        html = await table.see("id=c")
        assert ">Queued</th>" not in html
        assert ">7.5 s<" in html

    on_table(body)


def test_hostile_values_stay_text(on_table: Run) -> None:
    evil = "<img src=x onerror=alert(1)>\"'{{7*7}}"

    async def body(table: Table) -> None:
        table.shelf.add(
            f"../{evil}",
            workflow_name=evil,
            status=evil,
            queue_name=evil,
            executor_id="e" * 100_000,
            attributes=f'{{"{evil[:20]}": [1, {{"a": null}}], "n": {"9" * 400}}}',
            created_at_epoch_ms=10**17,
        )
        table.shelf.add(
            "deep", attributes="[" * 19_000, created_at_epoch_ms=-5, status=None, workflow_name=None
        )
        html = await table.see("tree=1")
        assert "<img" not in html
        assert "49" not in re.sub(r'="[^"]*"', "", html)
        assert len(html) < 60_000
        assert link(html, "&lt;img").startswith("/apps/shop/workflows/~?id=")
        assert "without a name" in html

    on_table(body)


def test_rows_are_bounded_whatever_the_names_are_and_files_have_them_whole(on_table: Run) -> None:
    async def body(table: Table) -> None:
        for number in range(20):
            long = f"{number:03}" + "n" * 100_000
            table.shelf.add(f"id-{long}", workflow_name=long, queue_name=long, authenticated_user=long)
        table.shelf.add("i" * 3_000, workflow_name="m" * 1_500)
        view = await table.client.get("/apps/shop/workflows", headers={"Accept": "application/json"})
        assert len(view.content) < 250_000
        rows = view.json()["workflows"]
        assert len(rows) == 21
        assert {len(row["name"]) for row in rows} == {1_500, 2_000}
        assert all(row["name"].endswith("…") for row in rows if len(row["name"]) == 2_000)
        html = await table.see()
        assert len(html) < 400_000
        record = table.shelf.workflows["i" * 3_000]
        assert bounded(record) is record
        assert len(bounded(next(iter(table.shelf.workflows.values()))).workflow_name or "") == 4_000
        # What is cut off leads nowhere.
        assert html.count('title="Its id is too long for an address"') == 20
        assert link(html, "m" * 50).endswith("i" * 3_000)
        whole = await table.client.get("/apps/shop/workflows.json")
        assert {len(row["name"]) for row in whole.json()} == {1_500, 100_003}

    on_table(body)


def test_offline_the_last_snapshot_is_shown_and_without_one_that_is_said(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(3, status="PENDING")
        await take_snapshots(table.scene)
        await table.executor.vanish()
        await table.scene.await_status("exec-1", "DISCONNECTED")
        html = await table.see()
        assert "Offline." in html
        assert "wf-00002" in html
        await table.scene.conductor.operations.applications.register(LOCAL, "newcomer")
        response = await table.client.get("/apps/newcomer/workflows", headers={"Accept": "text/html"})
        assert response.status_code == 200
        assert "No executor of newcomer is connected" in response.text
        missing: httpx.Response = await table.client.get("/apps/nobody/workflows")
        assert missing.status_code == 404

    on_table(body)


def test_last_snapshot_serves_while_executors_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "VIEW_SECS", 0.3)

    async def body(table: Table) -> None:
        conductor = table.scene.conductor
        snapshots = SnapshotStore(conductor.db)
        number = (await snapshots.ensure_source(await table.scene.application_id())).number
        kept = WorkflowSnapshot(
            workflow_id="kept-1", created_at_epoch_ms=1_767_225_600_000, status="ERROR", finished=True
        )
        await snapshots.save(number, [kept])
        table.executor.ignores(ListWorkflows, GetWorkflowAggregates)
        data = await table.data("range=all")
        assert [row["workflow_id"] for row in data["workflows"]] == ["kept-1"]
        assert data["served"]["source"] == "snapshot"
        assert "did not answer, so this is the last snapshot" in await table.see("range=all")

    run_table(tmp_path, body)
