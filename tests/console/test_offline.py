"""Every page of an application that nobody runs now: what was last known, and of when."""

import re
import time
from pathlib import Path

import pytest
from console.test_workflows import take_snapshots
from console.workflow_table import Table, run_table
from support.served import LOCAL, Run
from support.shelf import FIRST_EPOCH_MS
from support.wait import wait_until_async

from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    GetSchedule,
    GetScheduleReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListSchedules,
    ListSchedulesReply,
    ScheduleRecord,
)

NIGHTLY = ScheduleRecord(
    schedule_name="nightly",
    workflow_name="report",
    cron="0 3 * * *",
    status="ACTIVE",
    context="kept from snapshots",
)
_AS_OF = r"as of (just now|\d+ (s|min) ago) \(20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
#: What each page says of the time, and what it still shows.
PAGES = {
    "": (r"Offline\. As of .*: no executor is connected", "Running 2 In queues 3 Oldest waits"),
    "/queues": (rf"What is in queues is {_AS_OF}\. Limits are {_AS_OF}\.", "mail 2 2026-09-21 0"),
    "/queues/mail": (rf"What is in queues is {_AS_OF}\. Limits are {_AS_OF}\.", "order 2 2026-09-21 0 0"),
    "/versions": (
        rf"Which versions are registered is {_AS_OF}\. How many workflows each has is {_AS_OF}\.",
        "1 latest Nothing connected 0 1 0 2 3 0",
    ),
    "/schedules": (rf"Schedules are {_AS_OF}\.", "nightly At 03:00"),
    "/schedules/nightly": (rf"The schedule is {_AS_OF}\. Its runs are {_AS_OF}\.", "run-1"),
    "/workflows": (r"Offline\. As of", "waits-1"),
    "/workflows?tree=1": (r"Offline\. As of", "waits-1"),
    "/workflows/waits-1": (r"Offline\. As of", "Queue mail"),
    **{
        f"/workflows/waits-1?view={view}": (r"Offline\. As of", "Only an executor can tell.")
        for view in ("timeline", "graph", "events", "notifications", "streams")
    },
    "/workflows/waits-1/payload?of=input": (r"Offline\. As of", "Payloads are not kept in snapshots."),
    "/known": (r"Offline\.", "Names order report Queues mail parcels Versions 1"),
    "/retention": (r"Offline\. As of", "There are 6 workflows."),
    "/settings": (r"No executor is connected; what is kept is shown", "Up to date as of"),
    # What is told there is known here.
    "/executors": (r"Disconnected", "exec-1"),
    "/alerts": ("", "Choose what to watch"),
    "/autoscaling": ("queues are known when an executor answers", "A policy names one queue."),
    "/jobs": ("", "No job since the server started."),
    "/import": ("No executor is connected; this can be done when one is.", "Writes a workflow"),
}


#: What asks for more than workflows.
ASKING = ("/queues", "/queues/mail", "/versions", "/schedules", "/schedules/nightly")


@pytest.fixture
def on_table(tmp_path: Path) -> Run:
    """Runs an async function on a table."""
    return lambda body: run_table(tmp_path, body)


async def _words(table: Table, path: str) -> tuple[str, str]:
    response = await table.client.get(f"/apps/shop{path}", headers={"Accept": "text/html"})
    assert response.status_code == 200, path
    main = response.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split()), main


def test_every_page_shows_what_was_last_known_and_of_when(on_table: Run) -> None:
    async def body(table: Table) -> None:
        for number, queue in enumerate(("mail", "mail", "parcels")):
            table.shelf.add(f"waits-{number}", status="ENQUEUED", queue_name=queue, application_version="1")
        for number in range(2):
            table.shelf.add(f"runs-{number}", status="PENDING", application_version="1")
        ran = {"workflow_name": "report", "schedule_name": "nightly", "application_version": "1"}
        # What has ended is kept for some days only.
        now_ms = int(time.time() * 1_000)
        table.shelf.add("run-1", created_at_epoch_ms=now_ms - 2_000, completed_at_epoch_ms=now_ms, **ran)
        version = ApplicationVersionRecord(version_name="1", version_timestamp_epoch_ms=FIRST_EPOCH_MS)
        table.executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=[version]))
        table.executor.answers(ListSchedules, ListSchedulesReply(schedules=[NIGHTLY]))
        table.executor.answers(GetSchedule, GetScheduleReply(schedule=NIGHTLY))
        await take_snapshots(table.scene)
        # However long this takes, it is lost, and not dead.
        await table.scene.conductor.operations.applications.update(
            LOCAL, "shop", ApplicationChanges(executor_timeout_secs=3_600)
        )
        for path in ASKING:
            assert "Offline" not in (await _words(table, path))[0]
        await table.executor.vanish()
        await table.scene.await_status("exec-1", "DISCONNECTED")

        async def none_is_shared() -> bool:
            looks = [(await _words(table, path))[0] for path in ASKING]
            return all(re.search(PAGES[path][0], words) for path, words in zip(ASKING, looks, strict=True))

        # Answers serve all readers for a second.
        await wait_until_async(none_is_shared, 60, "answers to be too old to share")
        for path, (as_of, kept) in PAGES.items():
            words, main = await _words(table, path)
            assert re.search(as_of, words), (path, words)
            assert kept in words, (path, words)
            # Whatever would ask an executor is off, and says why; forms are refused by what they ask.
            live = re.findall(r'<a class="button[^"]*" href="([^"]*)" data-modal', main)
            assert [
                url
                for url in live
                if re.search(r"/(bulk|workflows/[^/]+|schedules/[^/]+|versions|retention)/\w", url)
            ] == []
            for inert in re.findall(r'<span class="button inert[^>]*>', main):
                assert "No executor is connected" in inert or "title" not in inert, (path, inert)
        # A context is a payload, which is not kept.
        assert "kept from snapshots" not in (await _words(table, "/schedules/nightly"))[1]

    on_table(body)


def test_what_nobody_has_told_since_the_start_is_explained(on_table: Run) -> None:
    async def body(table: Table) -> None:
        table.shelf.add("waits-1", status="ENQUEUED", queue_name="mail", application_version="1")
        await table.executor.vanish()
        await table.scene.await_status("exec-1", "DISCONNECTED")
        assert "no snapshot was ever taken" in (await _words(table, ""))[0]
        for path in ("/queues", "/queues/mail", "/versions", "/schedules", "/schedules/nightly"):
            words, _ = await _words(table, path)
            assert "No executor of shop is connected" in words, path
            assert "as of" not in words, path

    on_table(body)
