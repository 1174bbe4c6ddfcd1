"""Acting on many workflows from the console: what is asked before, what is hit, and what is told after."""

import asyncio
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from console.workflow_table import Table, link, run_table
from support.served import Run
from support.shelf import FIRST_EPOCH_MS
from support.wait import wait_until_async

from conductor_lite.console.bulk import page as bulk
from conductor_lite.console.bulk import target as bulk_target
from conductor_lite.protocol import (
    Cancel,
    Delete,
    ForkFromFailure,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    Resume,
)

HTML = {"Accept": "text/html"}


@pytest.fixture
def on_table(tmp_path: Path) -> Run:
    """Runs an async function on a table."""
    return lambda body: run_table(tmp_path, body)


def fields_of(html: str) -> dict[str, Any]:
    """What the form of a question would send."""
    form = html[html.index('action="/apps/shop/jobs"') :]
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(unescape(value))
    del fields["csrf_token"]
    return fields


async def asked(table: Table, url: str) -> str:
    response = await table.client.get(url, headers=HTML)
    assert response.status_code == 200, response.text
    return response.text


def test_all_that_match_are_counted_named_and_cancelled(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(30, status="PENDING", queue_name="mail")
        table.shelf.fill(12, prefix="q", status="ENQUEUED", queue_name="mail")
        table.shelf.fill(7, prefix="done", queue_name="mail")
        table.shelf.fill(5, prefix="other", status="PENDING")
        html = await table.see("queue=mail")
        html = await asked(table, link(html, "Cancel…"))
        assert "Cancel 42 workflows?" in html
        assert "Queue mail" in html
        assert "and 37 more" in html
        # What comes after the question is not meant.
        table.shelf.fill(3, prefix="late", status="PENDING", queue_name="mail")
        fields = {**fields_of(html), "children": "yes"}
        done = await table.post("/apps/shop/jobs", fields)
        assert (done.status_code, done.headers["location"]) == (303, "/apps/shop/workflows?queue=mail")
        assert "Cancelled 42 workflows." in await table.see("queue=mail")
        assert table.shelf.statuses() == {"CANCELLED": 42, "PENDING": 8, "SUCCESS": 7}
        [request] = [request for request in table.executor.requests if isinstance(request, Cancel)]
        assert request.cancel_children
        # Pressed twice, or sent again with the Back button, it begins nothing new.
        await table.post("/apps/shop/jobs", fields)
        assert table.executor.count(Cancel) == 1

    on_table(body)


def test_those_that_are_ticked_and_only_where_it_changes_anything(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("a", status="ERROR")
        table.shelf.add("b", status="ERROR")
        table.shelf.add("c", status="SUCCESS")
        html = (await table.post("/apps/shop/bulk/fork-from-failure", {"id": ["a", "c"]})).text
        assert "Fork 1 workflow from where it failed?" in html
        assert "1 chosen workflow is passed over" in html
        fields = {**fields_of(html), "queue_name": "slow", "application_version": "2"}
        # Asked on the home page, it goes on there.
        script = {"HX-Request": "true", "HX-Current-URL": "http://localhost/?q=shop"}
        done = await table.post("/apps/shop/jobs", fields, **script)
        assert (done.json()["location"], done.json()["stays"]) == ("/", True)
        assert done.json()["text"] == "Forked 1 workflow."
        [request] = [request for request in table.executor.requests if isinstance(request, ForkFromFailure)]
        assert (request.body.workflow_ids, request.body.queue_name) == (["a"], "slow")
        nothing = (await table.post("/apps/shop/bulk/cancel", {"id": ["a", "c"]})).text
        assert "Nothing to cancel" in nothing
        assert "/apps/shop/jobs" not in nothing.partition("<main")[2]
        assert (await table.post("/apps/shop/bulk/cancel", {})).status_code == 422
        # Without scripts one comes back to what one had filtered by.
        back = re.search(r'name="back" value="([^"]+)"', await table.see("id=a&sort=oldest"))
        assert back
        ticked = {"id": ["a", "b", "c"], "back": unescape(back[1])}
        html = (await table.post("/apps/shop/bulk/delete", ticked)).text
        assert link(html, "Keep them") == "/apps/shop/workflows?id=a&sort=oldest"
        done = await table.post("/apps/shop/jobs", fields_of(html))
        assert done.headers["location"] == link(html, "Keep them")
        assert list(table.shelf.workflows) == ["fork-of-a"]

    on_table(body)


def test_too_many_that_are_selected_are_told_from_an_unreadable_form(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(bulk.MAX_SELECTED, status="PENDING")
        ids = list(table.shelf.workflows)
        html = await table.see()
        assert f"at most {bulk.MAX_SELECTED}" in html
        html = (await table.post("/apps/shop/bulk/cancel", {"id": ids})).text
        assert f"Cancel {bulk.MAX_SELECTED} workflows?" in html
        # As many as may be asked about may be begun with.
        assert (await table.post("/apps/shop/jobs", fields_of(html))).status_code == 303
        longest = [f"{number:03}{'é' * 997}" for number in range(bulk.MAX_SELECTED)]
        for id_ in longest:
            table.shelf.add(id_, status="PENDING")
        html = (await table.post("/apps/shop/bulk/cancel", {"id": longest})).text
        assert f"Cancel {bulk.MAX_SELECTED} workflows?" in html
        for many in ([*ids, "more"], [str(n) for n in range(600)]):
            refused = await table.post("/apps/shop/bulk/cancel", {"id": many}, Accept="text/html")
            assert refused.status_code == 422
            assert f"At most {bulk.MAX_SELECTED} can be" in refused.text
            assert "all that match" in refused.text

    on_table(body)


def test_a_link_with_a_range_and_a_tree_means_what_was_shown(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("top", status="PENDING")
        table.shelf.add("child", status="PENDING", parent_workflow_id="top")
        html = await asked(table, "/apps/shop/bulk/cancel?tree=1&start=2026-01-01T00:00Z")
        assert "Cancel 1 workflow?" in html
        await table.post("/apps/shop/jobs", fields_of(html))
        assert table.shelf.workflows["child"].status == "PENDING"
        html = await asked(table, "/apps/shop/bulk/cancel?range=1h")
        # Nothing was created within the last hour.
        assert "Nothing to cancel" in html

    on_table(body)


def test_an_sdk_too_old_to_count_is_counted_one_by_one(
    on_table: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_target, "MAX_COUNTED", 600)

    async def body(table: Table) -> None:
        old = GetWorkflowAggregatesReply(error_message="Unknown message type: get_workflow_aggregates")
        table.executor.answers(GetWorkflowAggregates, old)
        table.shelf.fill(600)
        assert "Delete 600 workflows?" in await asked(table, "/apps/shop/bulk/delete")
        table.shelf.add("one-more")

        async def counted() -> str:
            html = await asked(table, "/apps/shop/bulk/delete")
            return html if "Delete more than 600 workflows?" in html else ""

        # Looks share what an executor said a moment ago.
        html = await wait_until_async(counted, 5, "the larger number")
        await table.post("/apps/shop/jobs", fields_of(html))
        await wait_until_async(lambda: not table.shelf.workflows, 5, "all to be deleted")

    on_table(body)


def test_a_long_job_is_shown_where_it_goes_on_and_stopped(
    on_table: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SMALL_JOB_SECS", 0.05)

    async def body(table: Table) -> None:
        table.shelf.fill(500)
        second, may_go_on = asyncio.Event(), asyncio.Event()

        async def slowly(request: Delete) -> Any:
            if table.executor.count(Delete) == 2:
                second.set()
                await may_go_on.wait()
            return await table.shelf._delete(request)

        table.executor.on(Delete, slowly)
        html = await asked(table, "/apps/shop/bulk/delete")
        begun = await table.post("/apps/shop/jobs", fields_of(html))
        job = begun.headers["location"]
        await second.wait()
        html = await asked(table, job)
        assert "Deleting 500 workflows" in html
        assert "200 of 500" in html
        strip = await table.see()
        assert link(strip, "Deleting 500 workflows") == job
        assert (await table.data())["jobs"][0]["done"] == 200
        await table.post(f"{job}/stop", {})
        may_go_on.set()

        async def stopped() -> bool:
            return "Deleted 400 of 500 workflows, then it was stopped" in await asked(table, job)

        await wait_until_async(stopped, 5, "the job to stop")
        assert "Stopped by local user." in await asked(table, job)
        assert (await table.data())["jobs"] == []
        assert link(await asked(table, "/apps/shop/jobs"), "Deleted 400 of 500") == job
        assert (await table.client.get("/apps/shop/jobs/another", headers=HTML)).status_code == 404

    on_table(body)


def test_what_could_not_be_done_is_named(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(5, status="CANCELLED")
        html = await asked(table, "/apps/shop/bulk/resume")
        table.shelf.before = lambda request: table.shelf.workflows.pop("wf-00002", None) and None
        done = await table.post("/apps/shop/jobs", {**fields_of(html), "queue_name": "slow"})
        html = await asked(table, done.headers["location"])
        assert "Resumed 4 of 5 workflows" in html
        assert "wf-00002 does not exist" in html
        requests = [request for request in table.executor.requests if isinstance(request, Resume)]
        assert {request.queue_name for request in requests} == {"slow"}

    on_table(body)


def test_what_makes_no_sense_is_refused(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(2, status="PENDING")
        fields = fields_of(await asked(table, "/apps/shop/bulk/cancel"))
        for wrong in ({"until": "x"}, {"action": "explode"}, {"query": "attr=x"}, {"job": "../x"}):
            answer = await table.post("/apps/shop/jobs", {**fields, **wrong})
            assert answer.status_code == 422, wrong
        assert (await table.client.get("/apps/shop/bulk/explode", headers=HTML)).status_code == 404
        unreadable = await table.client.get("/apps/shop/bulk/cancel?start=x", headers=HTML)
        assert unreadable.status_code == 422
        assert "&#39;x&#39; is no time" in unreadable.text
        forged = await table.client.post("/apps/shop/jobs", data=fields, headers=HTML)
        assert forged.status_code == 403
        assert table.executor.count(Cancel) == 0

    on_table(body)


def test_offline_nothing_can_be_done_and_the_page_says_why(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(1)
        assert 'data-select aria-label="Select order wf-00000"' in await table.see()
        await table.executor.vanish()
        await table.scene.await_status("exec-1", "DISCONNECTED")
        html = await table.see("id=wf")
        assert "data-select " not in html
        assert "No executor is connected; this can be done when one is." in html
        assert "/bulk/" not in html

    on_table(body)


def test_the_list_as_a_file(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(700)
        table.shelf.add(
            "=evil",
            workflow_name='@sum("x")\nline',
            attributes='{"k": "ü"}',
            queue_name="mail",
            dequeued_at_epoch_ms=FIRST_EPOCH_MS + 701_500,
        )
        html = await table.see()
        csv = await table.client.get(link(html, "CSV"))
        assert csv.headers["content-disposition"].startswith('attachment; filename="shop-workflows.csv"')
        head, first, *rest = csv.text.split("\r\n")
        assert head.startswith("workflow_id,status,name,")
        assert first.startswith('\'=evil,SUCCESS,"\'@sum(""x"")\nline",,mail,')
        assert ',1.5,,"{""k"":""ü""}"' in first
        assert len(rest) == 701
        found = (await table.client.get(f"{link(html, 'JSON').partition('?')[0]}?queue=mail")).json()
        assert [row["workflow_id"] for row in found] == ["=evil"]
        assert (await table.client.get("/apps/shop/workflows.json?user=nobody")).json() == []
        assert (await table.client.get("/apps/shop/workflows.csv?start=x", headers=HTML)).status_code == 422

    on_table(body)


def test_an_export_is_imported_however_it_comes(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(1)
        page = await asked(table, "/apps/shop/import")
        assert "Import a workflow" in page
        for number, text in enumerate(
            ("H4sIAAAA", " H4sIAA\nBBBB== ", '{"serializedWorkflow": "H4sI' + "C" * 200_000 + '"}'), start=2
        ):
            done = await table.post("/apps/shop/import", {"text": text})
            assert (done.status_code, done.headers.get("location")) == (303, "/apps/shop/workflows"), (
                done.text
            )
            assert len(table.shelf.workflows) == number
        await table.post("/apps/shop/import", {"text": "", "file": "H4sIDDDDDDDDDDDD"})
        assert "imported-16" in table.shelf.workflows
        for text, words in (
            ("", "There is nothing to import"),
            ('{"a": 1}', "has no serializedWorkflow"),
            ("<script>", "one long word of base64"),
            ("H4sIAAA===", "one long word of base64"),
            ("==", "one long word of base64"),
            ("H4=sI", "one long word of base64"),
            ("H4sIé", "one long word of base64"),
            ("AAAA", "ValueError: not gzip"),
        ):
            refused = await table.post("/apps/shop/import", {"text": text})
            assert refused.status_code in (422, 503)
            assert words in refused.text
            assert f">{text}</textarea>" in unescape(refused.text)
        # Other forms stay small.
        assert (await table.post("/apps/shop/jobs", {"query": "x" * 70_000})).status_code == 422

    on_table(body)


def test_what_there_is_to_narrow_by(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.fill(3, workflow_name="ship", queue_name="mail")
        table.shelf.fill(1, prefix="x", workflow_name="<b>")
        known = (await table.client.get("/apps/shop/known", headers={"Accept": "application/json"})).json()
        assert known["names"] == {"ship": 3, "<b>": 1}
        assert (known["queues"], known["versions"], known["executors"]) == (["mail"], ["1"], ["exec-1"])
        html = await asked(table, "/apps/shop/known")
        assert link(html, "mail") == "/apps/shop/workflows?queue=mail"
        await table.executor.vanish()
        await table.scene.await_status("exec-1", "DISCONNECTED")

        async def unknown() -> bool:
            return "None that is known now." in await asked(table, "/apps/shop/known")

        # Names were never snapshotted; queues are as they were last told.
        await wait_until_async(unknown, 5, "the page to say that nobody can tell")
        assert "mail" in await asked(table, "/apps/shop/known")

    on_table(body)
