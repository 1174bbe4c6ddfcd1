"""Schedules and retention in a browser, of a real DBOS application: everything that can be done to them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Open
from browser.test_sweep import APP, wait_until_calm
from playwright.sync_api import Page, expect
from support.console_routes import carries_out
from support.showcase import Showcase


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Showcase]:
    """A showcase of the test's own, to be changed."""
    with Showcase(tmp_path) as showcase:
        yield showcase


def answer(page: Page, button: str) -> None:
    """Answer the question that a click has opened."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name=button, exact=True).click()


@carries_out(
    "GET /apps/{name}/schedules/{schedule}/pause",
    "POST /apps/{name}/schedules/{schedule}/pause",
    "GET /apps/{name}/schedules/{schedule}/resume",
    "POST /apps/{name}/schedules/{schedule}/resume",
    "GET /apps/{name}/schedules/{schedule}/trigger",
    "POST /apps/{name}/schedules/{schedule}/trigger",
    "POST /apps/{name}/schedules/{schedule}/backfill",
    "POST /apps/{name}/retention",
    "GET /apps/{name}/retention/run",
    "POST /apps/{name}/retention/run",
)
def test_a_schedule_is_paused_resumed_run_and_backfilled_and_old_workflows_are_cleared(
    changed: Showcase, open_page: Open
) -> None:
    page = open_page(f"{changed.url}{APP}/schedules")
    wait_until_calm(page)
    nightly = page.get_by_role("row", name=re.compile("nightly"))
    expect(nightly).to_contain_text("At 03:30 on Monday through Friday")
    nightly.get_by_role("link", name="Resume").click()
    answer(page, "Resume")
    expect(page.locator(".toast").last).to_contain_text("nightly runs again")
    # The page is the same one, and says so by itself.
    expect(nightly).to_contain_text("Active")
    nightly.get_by_role("link", name="Pause").click()
    answer(page, "Pause")
    expect(nightly).to_contain_text("Paused")

    page.goto(f"{changed.url}{APP}/schedules/nightly")
    page.get_by_role("link", name="Run now").click()
    answer(page, "Run now")
    expect(page).to_have_url(re.compile(r"/workflows/"))
    expect(page.locator("h1")).to_contain_text("report")
    expect(page.locator(".workflow-head")).to_contain_text("Success")

    page.goto(f"{changed.url}{APP}/schedules/nightly")
    page.get_by_role("link", name="Backfill…").click()
    dialog = page.get_by_role("dialog")
    # Monday to Wednesday.
    dialog.get_by_label("From").fill("2026-11-02T00:00")
    dialog.get_by_label("To").fill("2026-11-05T00:00")
    dialog.get_by_role("button", name="Count the runs").click()
    expect(dialog.get_by_role("status")).to_contain_text("3 runs")
    dialog.get_by_role("button", name="Start 3 runs").click()
    expect(page.locator(".toast").last).to_contain_text("Started 3 runs of nightly")
    expect(page.locator("main tbody tr")).to_have_count(4)

    page.goto(f"{changed.url}{APP}/retention")
    # Fewer than ran just now: the others began within one second, and that is as exactly as SQLite tells.
    page.get_by_label("Keep at most").fill("3")
    page.get_by_role("button", name="Save limits").click()
    expect(page.locator(".toast", has_text="Saved.").last).to_be_visible()
    page.get_by_role("link", name="Run now…").click()
    expect(page.get_by_role("dialog")).to_contain_text("beyond the newest 3")
    answer(page, "Run now")
    expect(page.locator(".toast").last).to_contain_text("Retention ran")
    expect(page.locator("main tbody tr").first).to_contain_text("Succeeded")
    # One of the oldest; the application itself has forgotten it.
    for workflow_id, status in (("failing-0", 404), ("held-0", 200)):
        found = changed.conductor.call("GET", f"{APP}/workflows/{workflow_id}")
        assert found.status_code == status, found.text
