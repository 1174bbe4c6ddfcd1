"""Home and an application's pages in a browser, against real DBOS: from what is wrong to mending it."""

import asyncio
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from browser.conftest import Open
from browser.test_looks import axe
from playwright.sync_api import Page, expect
from support.console_routes import carries_out
from support.orders import Orders

from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import MINUTE, Group, Label
from conductor_lite.store.metric_points import MetricPoints

#: Minutes on record before the server starts: measuring them would take as long.
MINUTES = 40
_GROUPS = {Group.STARTED, Group.FINISHED, Group.LEVELS, Group.STEPS, Group.FLEET}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """A conductor that has measured for a while, and an executor with work that fails and work that waits."""
    orders = Orders(tmp_path_factory.mktemp("overview"))
    # In a thread of its own, for the browser's loop runs in this one.
    filling = threading.Thread(target=lambda: asyncio.run(put_on_record(orders.conductor.data_dir)))
    filling.start()
    filling.join()
    with orders:
        orders.spawn("--backlog", "5")
        for number in range(1, 5):
            orders.await_workflow(f"failing-{number}", "ERROR")
        yield orders


async def put_on_record(folder: Path) -> None:
    """Write minutes in which half of all runs failed."""
    db = await Database.open(folder)
    now = datetime.now(UTC)
    record, _ = await Applications(db).register("local", "orders", now=now, executor_timeout_secs=60)
    until = int(now.timestamp()) // MINUTE * MINUTE
    begin = until - MINUTES * MINUTE
    points = MetricPoints(db)
    source = await points.source(record.id, begin)
    assert source is not None
    for start in range(begin, until, MINUTE):
        values = {
            Label("workflow_started", "failing"): 4.0,
            Label("workflow_succeeded", "failing"): 2.0,
            Label("workflow_failed", "failing"): 2.0,
            Label("workflow_latency_secs", "failing"): 1.5,
            Label("workflow_enqueued", "slow", "orders"): 3.0,
            Label("step_failed", "refuse"): 2.0,
        }
        source = await points.write(source, MINUTE, start, _GROUPS, values, collected_until=start + MINUTE)
    await db.close()


def go(page: Page, key: str, tab: str) -> None:
    """Go to another page of the application by keyboard, once this one listens."""
    page.wait_for_selector('#live-state[data-state="live"]')
    page.keyboard.press("g")
    page.keyboard.press(key)
    expect(page).to_have_url(re.compile(f"/apps/orders/{tab}$"))


def test_from_what_is_wrong_to_the_runs_that_failed_in_one_click(shop: Orders, open_page: Open) -> None:
    page = open_page(shop.conductor.url)
    item = page.locator(".attention li", has_text="failing fails:")
    expect(item).to_contain_text("that ended within the last hour failed")
    expect(page.locator("tr[id=app-orders] .spark")).to_be_visible()
    # What failed is forked in two clicks; here it is left alone.
    item.get_by_role("link", name="Fork from failure…").click()
    dialog = page.get_by_role("dialog", name=re.compile(r"^Fork \d+ workflows from where they failed\?$"))
    dialog.get_by_role("button", name="Cancel").click()
    item.get_by_role("link", name="Failed runs").click()
    expect(page).to_have_url(re.compile(r"status=ERROR&.*name=failing&completed_after=.*range=all"))
    for number in range(1, 5):
        expect(page.get_by_role("button", name=f"Copy failing-{number}", exact=True)).to_be_visible()


@carries_out(
    "GET /apps/{name}/versions/latest",
    "POST /apps/{name}/versions/latest",
)
def test_an_application_is_understood_and_its_latest_version_set(shop: Orders, open_page: Open) -> None:
    page = open_page(f"{shop.conductor.url}/apps/orders?range=1h")
    for key in ("runs", "latency", "levels", "executors"):
        expect(page.locator(f"#chart-{key}")).to_be_visible()
    expect(page.locator("#chart-runs canvas")).to_have_count(1)
    failed = page.locator("#chart-runs li", has_text="Failed").locator("b")
    assert int(failed.inner_text()) >= 2 * (MINUTES - 1)
    page.get_by_text("Between…").click()
    page.get_by_label("From").fill("2026-01-01T10:00")
    page.get_by_label("Until").fill("2026-01-01T12:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="2026-01-01 10:00 – 2026-01-01 12:00")).to_be_visible()
    expect(page.locator("#chart-runs")).to_contain_text("Nothing is on record of this time.")
    page.get_by_role("link", name="6h", exact=True).click()
    expect(page.get_by_role("heading", name="Last 6 hours")).to_be_visible()
    expect(page.locator("#chart-runs .quiet").first).to_have_text("per 5 minutes")
    # Every other page begins with it as well.
    go(page, "q", "queues")
    expect(page.locator(".choices [aria-current]")).to_have_text("6h")
    row = page.locator("tbody tr").filter(has=page.get_by_role("link", name="orders", exact=True))
    expect(row).to_contain_text("Per worker 2")
    row.get_by_role("link", name="orders", exact=True).click()
    expect(page.locator("tbody tr", has_text="slow")).to_contain_text("3")
    expect(page.locator("#chart-depth canvas")).to_have_count(1)
    go(page, "e", "executors")
    expect(page.locator("tr[id^=executor-]")).to_have_count(1)
    newer = shop.spawn(version="2.0.0", populate=False)
    expect(page.locator("tr[id^=executor-]")).to_have_count(2)
    go(page, "v", "versions")
    older = page.locator("tbody tr", has_text="1.0.0")
    latest = page.locator("tbody tr").filter(has=page.locator(".tag", has_text="latest"))
    expect(latest).to_contain_text("2.0.0")
    older.get_by_role("link", name="Make latest").click()
    dialog = page.get_by_role("dialog", name=re.compile("Make 1.0.0 the latest"))
    expect(dialog).to_contain_text("no longer to 2.0.0")
    assert axe(page) == []
    dialog.get_by_role("button", name="Make it the latest").click()
    expect(page.locator(".toast", has_text="1.0.0 is the latest version of orders now.").last).to_be_visible()
    expect(latest).to_contain_text("1.0.0")
    assert shop.get("/versions")[0]["versionName"] == "1.0.0"
    newer.kill()
    expect(page.locator("tbody tr", has_text="2.0.0")).to_contain_text("Nothing connected")


def test_settings_without_scripts(shop: Orders, open_page: Open) -> None:
    plain = open_page(f"{shop.conductor.url}/apps/orders/settings", java_script_enabled=False)
    plain.get_by_label("Keep for").fill("12")
    plain.get_by_role("button", name="Save snapshots").click()
    expect(plain.locator(".toast", has_text="Saved the settings of orders").last).to_be_visible()
    expect(plain.get_by_label("Keep for")).to_have_value("12")
    plain.get_by_label("Executor timeout").fill("0")
    plain.evaluate("document.querySelector('#executor_timeout_secs').form.noValidate = true")
    plain.get_by_role("button", name="Save settings").click()
    expect(plain.get_by_role("alert")).to_contain_text("executorTimeoutSecs")
    expect(plain.get_by_label("Executor timeout")).to_have_value("0")
