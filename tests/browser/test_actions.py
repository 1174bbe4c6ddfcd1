"""What is done to a whole application in a browser, against real DBOS, and what becomes of it there.

What is done to single workflows, schedules, alerts and the server itself stands beside their pages.
"""

import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from browser.conftest import Open
from browser.test_looks import axe
from browser.test_use import wait_until_live
from playwright.sync_api import Page, expect
from support.console_routes import carries_out
from support.orders import Orders
from support.process import Process
from support.wait import wait_until

APP = "/apps/orders"
#: Whom workflows belong to that a second lost process left.
LOST_AS_WELL = "lost-as-well"


class Shop(Orders):
    """A conductor that wants keys, and an executor beside whose work lies that of lost ones."""

    #: Who was never here, and whose work is still there.
    lost: str
    #: Who runs.
    process: Process
    executor_id: str

    def open(self) -> None:
        """Bring everything in place."""
        self.lost = self.leave_behind()
        with closing(sqlite3.connect(self.database())) as db, db:
            owned = "name = 'slow' AND workflow_uuid IN ('slow-4', 'slow-5', 'slow-6')"
            db.execute(f"UPDATE workflow_status SET executor_id = ? WHERE {owned}", (LOST_AS_WELL,))
        self.conductor.register("orders")
        self.call("PATCH", "", {"snapshotIntervalSecs": 5}).raise_for_status()
        key = self.conductor.make_key("orders")
        self.process = self.spawn("--key", key, "--backlog", "5", populate=False)
        (self.executor_id,) = self.conductor.statuses("orders")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop(tmp_path_factory.mktemp("actions"), {"dev": False}) as shop:
        shop.open()
        yield shop


def told(page: Page, words: str) -> None:
    expect(page.locator(".toast", has_text=words)).to_be_visible()


@carries_out(
    "POST /apps/{name}/autoscaling",
    "GET /apps/{name}/autoscaling/delete",
    "POST /apps/{name}/autoscaling/delete",
)
def test_executors_are_wanted_for_a_backlog_until_the_policy_is_deleted(shop: Shop, open_page: Open) -> None:
    page = open_page(f"{shop.url}{APP}/autoscaling")
    expect(page.get_by_text("has no autoscaling policy")).to_be_visible()
    page.get_by_label("Queue", exact=True).select_option("orders")
    page.get_by_label("Old versions to keep going").fill("1")
    page.get_by_role("button", name="Save policy").click()
    told(page, "orders is scaled by the backlog of orders")
    # Five wait or run, and one executor takes two at a time.
    row = page.get_by_role("row", name="1.0.0")
    expect(row).to_contain_text("2 missing")
    (wanted,) = shop.get("/autoscale")
    assert (wanted["desiredExecutors"], wanted["queueDepth"]) == (3, 5)
    assert shop.get("/autoscaling-policy")["policy"]["rollout"] == {"maxOldApplicationVersions": 1}
    page.get_by_role("link", name="Delete policy…").click()
    dialog = page.get_by_role("dialog", name="Stop scaling orders by orders?")
    assert axe(page) == []
    dialog.get_by_role("button", name="Delete the policy").click()
    told(page, "has no autoscaling policy any more")
    expect(page.get_by_text("This application has no autoscaling policy.")).to_be_visible()
    assert shop.call("GET", "/autoscaling-policy").status_code == 404


@carries_out("POST /apps/{name}/jobs/{id}/stop", "GET /apps/{name}/jobs/{id}")
def test_a_job_on_everything_that_matches_is_stopped(shop: Shop, open_page: Open) -> None:
    page = open_page(f"{shop.url}{APP}/workflows?id=backlog-")
    wait_until_live(page)
    page.get_by_text(re.compile(r"^All \d+")).click()
    page.get_by_role("link", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name="Cancel 5 workflows?")
    expect(dialog).to_be_visible()
    # As long as the application stands still, the job's first message is under way.
    shop.process.send_signal(signal.SIGSTOP)
    try:
        dialog.get_by_role("button", name="Cancel 5 workflows").click()
        expect(page).to_have_url(re.compile(f"{APP}/jobs/"))
        page.get_by_role("button", name="Stop").click()
        told(page, "It stops after the message that is under way")
    finally:
        shop.process.send_signal(signal.SIGCONT)
    expect(page.locator("main")).to_contain_text("Stopped by")
    assert axe(page) == []
    expect(page.locator("#job-title")).to_have_text("Cancelled nothing: it was stopped first")
    assert {shop.get(f"/workflows/backlog-{each}")["status"] for each in range(1, 6)} == {
        "PENDING",
        "ENQUEUED",
    }


@carries_out("GET /apps/{name}/recover", "POST /apps/{name}/recover", "POST /apps/{name}/settings")
def test_work_of_executors_that_were_never_here_is_recovered(shop: Shop, open_page: Open) -> None:
    page = open_page(shop.url)
    wait_until_live(page)
    item = page.locator(".attention li", has_text=shop.lost)
    # An application that has come back is looked at ten seconds later.
    expect(item).to_contain_text("wait for an executor that nobody knows")
    expect(page.locator(".attention li", has_text=LOST_AS_WELL)).to_contain_text("3 workflows")

    page.goto(f"{shop.url}{APP}/settings")
    page.get_by_label("Executor timeout").fill("1")
    page.get_by_label("Recover unknown executors").check()
    page.get_by_role("button", name="Save settings").click()
    told(page, "Saved the settings of orders")
    assert shop.get("")["recoverUnknownExecutors"] is True

    page.goto(shop.url)
    item.get_by_role("link", name="Recover its workflows…").click()
    dialog = page.get_by_role("dialog", name=re.compile(r"^Recover \d+ workflows of an unknown executor\?"))
    expect(dialog).to_contain_text("The one executor of that version that is connected goes on")
    expect(dialog).to_contain_text("both run the same workflows")
    assert axe(page) == []
    dialog.get_by_role("button", name="Recover its workflows").click()
    expect(page).to_have_url(f"{shop.url}{APP}")
    told(page, f"Executor {shop.lost} counts as dead now")
    shop.release()
    for number in (1, 2, 3):
        assert shop.await_workflow(f"slow-{number}", "SUCCESS")["executorId"] == shop.executor_id
    # After a recovery it is looked again, and this time the others are recovered without asking.
    for number in (4, 5, 6):
        shop.await_workflow(f"slow-{number}", "SUCCESS")
    page.goto(shop.url)
    expect(page.get_by_text("that nobody knows")).to_have_count(0)


@carries_out("POST /apps/{name}/settings/snapshots", "POST /apps/{name}/settings/full-pass")
def test_snapshots_are_compared_with_the_application_and_switched_off(shop: Shop, open_page: Open) -> None:
    kept = "/workflows/failing-4?source=snapshot"
    wait_until(lambda: shop.call("GET", kept).status_code == 200, 30, "a snapshot of it")
    with closing(sqlite3.connect(shop.database())) as db, db:
        db.execute("DELETE FROM workflow_status WHERE workflow_uuid = 'failing-4'")
    page = open_page(f"{shop.url}{APP}/settings")
    wait_until_live(page)
    page.get_by_label("Interval").fill("6")
    page.get_by_role("button", name="Save snapshots").click()
    told(page, "Saved the settings of orders")
    page.get_by_role("button", name="Full pass now").click()
    told(page, "Snapshots of orders are compared")
    wait_until(lambda: shop.call("GET", kept).status_code == 404, 30, "the snapshot to be mended")
    page.get_by_label("Take snapshots").uncheck()
    page.get_by_role("button", name="Save snapshots").click()
    expect(page.get_by_text("Switched off", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Full pass now")).to_have_count(0)


@carries_out(
    "POST /apps",
    "POST /keys",
    "GET /keys/rename",
    "POST /keys/rename",
    "POST /apps/{name}/settings",
    "GET /keys/revoke",
    "POST /keys/revoke",
    "POST /apps/{name}/delete",
)
def test_an_application_comes_with_its_key_and_goes(shop: Shop, open_page: Open) -> None:
    page = open_page(shop.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("summary", has_text="Register an application").click()
    page.get_by_label("Name", exact=True).fill("billing")
    page.get_by_label("Private mode").check()
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(f"{shop.url}/apps/billing")
    told(page, "Registered billing")

    process = shop.spawn("--key", made_key(shop, page), name="billing")
    page.goto(f"{shop.url}/apps/billing/workflows/order-1")
    expect(page.get_by_text("This application is in private mode").first).to_be_visible()
    page.goto(f"{shop.url}/apps/billing/settings")
    page.get_by_label("Private mode").uncheck()
    page.get_by_role("button", name="Save settings").click()
    told(page, "Saved the settings of billing")
    page.goto(f"{shop.url}/apps/billing/workflows/order-1")
    expect(page.locator("#payload-input .tree")).to_contain_text("item 1")

    page.goto(f"{shop.url}/keys")
    row = page.get_by_role("row", name="ci / bot")
    expect(row).to_contain_text("1 executor connected")
    page.get_by_role("link", name="Rename ci / bot").click()
    dialog = page.get_by_role("dialog", name="Rename the key ci / bot")
    expect(dialog.get_by_label("New name")).to_be_focused()
    assert axe(page) == []
    dialog.get_by_label("New name").fill("ci / runner")
    page.keyboard.press("Enter")
    told(page, "ci / bot is called ci / runner now.")
    assert "HEALTHY" in shop.conductor.statuses("billing").values()
    page.get_by_role("link", name="Revoke ci / runner").click()
    dialog = page.get_by_role("dialog", name="Revoke the key ci / runner?")
    expect(dialog).to_contain_text("1 executor connected with it is disconnected")
    assert axe(page) == []
    dialog.get_by_role("button", name="Revoke").click()
    told(page, "Revoked ci / runner")
    process.wait_for_line("This API key is unknown or revoked", 60)
    assert "HEALTHY" not in shop.conductor.statuses("billing").values()

    page.goto(f"{shop.url}/apps/billing/settings")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete billing").click()
    expect(page).to_have_url(f"{shop.url}/")
    told(page, "Deleted billing.")
    expect(page.get_by_role("row", name="billing")).to_have_count(0)
    # Its workflows are where they were.
    with closing(sqlite3.connect(shop.database("billing"))) as db:
        assert db.execute("SELECT 1 FROM workflow_status WHERE workflow_uuid = 'order-1'").fetchone()


def made_key(shop: Shop, page: Page) -> str:
    """A key for one application, as the page shows it: this once."""
    page.goto(f"{shop.url}/keys")
    page.locator("summary", has_text="Create an API key").click()
    page.get_by_label("Name", exact=True).fill("ci / bot")
    page.get_by_label("Only these").check()
    page.get_by_label("billing", exact=True).check()
    page.get_by_role("button", name="Create key").click()
    secret = page.locator("#secret").inner_text()
    assert re.fullmatch(r"dbos_[\w-]{61}", secret)
    page.get_by_role("button", name="Copy key").click()
    told(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    wait_until_live(page)
    expect(page.locator("#secret")).to_have_text(secret)
    page.goto(f"{shop.url}/keys")
    expect(page.locator("#secret")).to_have_count(0)
    assert secret not in page.content()
    return secret
