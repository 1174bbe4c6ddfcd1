"""Alerts in a real browser, of a real application whose workflows fail: from nothing to a firing and back."""

import re
from collections.abc import Iterator

import pytest
from browser.conftest import Open
from browser.test_use import wait_until_live
from playwright.sync_api import Page, expect
from support.console_routes import carries_out
from support.inbox import Inbox, inbox
from support.showcase import APPLICATION, Showcase
from support.wait import wait_until

HERE = f"/apps/{APPLICATION}/alerts"
#: Rules are judged every 15 seconds, and pages look at what became of messages every five.
FIRING_MS = 90_000


@pytest.fixture
def box() -> Iterator[Inbox]:
    with inbox() as box:
        yield box


@carries_out(
    "POST /apps/{name}/alerts/new",
    "GET /apps/{name}/alerts/rules/{rule}/change",
    "POST /apps/{name}/alerts/rules/{rule}/change",
    "GET /apps/{name}/alerts/rules/{rule}/delete",
    "POST /apps/{name}/alerts/rules/{rule}/delete",
    "POST /apps/{name}/alerts/targets/new",
    "POST /apps/{name}/alerts/targets/{target}/test",
    "GET /apps/{name}/alerts/targets/{target}/delete",
    "POST /apps/{name}/alerts/targets/{target}/delete",
)
def test_a_rule_made_by_keyboard_fires_and_tells_people_until_it_is_deleted(
    showcase: Showcase, box: Inbox, open_page: Open
) -> None:
    page = open_page(showcase.url + HERE, noise="Failed to load resource")
    wait_until_live(page)
    page.evaluate("window.sameDocument = true")
    add_target(page, box)
    send_tests(page, box)
    make_rule(page)
    rule = page.locator("tr").filter(has_text="named “failing” fail")
    expect(rule).to_contain_text("Firing", timeout=FIRING_MS)
    history = page.locator("table.history tbody tr").first
    expect(history).to_contain_text(re.compile(r"\d+ workflows? named failing failed within 1 d"))
    expect(history).to_contain_text("2 delivered", timeout=FIRING_MS)
    history.locator("summary").click()
    expect(history).to_contain_text(f"to the handler of {APPLICATION}")
    expect(history).to_contain_text("to night shift")
    titles = [message["title"] for message in box.messages]
    assert titles == [f"Test: {APPLICATION}", f"WorkflowFailure: {APPLICATION}"]
    change_rule(page)
    delete_both(page)
    # All that happened without the page being loaded anew; what was told is still there.
    assert page.evaluate("window.sameDocument") is True
    expect(page.locator("table.history")).to_contain_text("failing failed")
    without_scripts(showcase, open_page)


def add_target(page: Page, box: Inbox) -> None:
    page.get_by_role("link", name="Add a target…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("night shift")
    dialog.get_by_label("Address").fill("no address")
    dialog.get_by_role("button", name="Add").click()
    # Refused in the dialog, with everything that was typed.
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_label("Name")).to_have_value("night shift")
    expect(dialog.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Address").fill(box.url)
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("row", name="night shift")).to_contain_text("json://127.0.0.1/***")


def send_tests(page: Page, box: Inbox) -> None:
    send = page.get_by_role("button", name="Send a test to night shift")
    box.status = 500
    send.click()
    dialog = page.get_by_role("dialog", name="The test did not reach night shift")
    expect(dialog).to_contain_text("the service answered 500")
    dialog.get_by_role("button", name="Close").click()
    box.status = 200
    send.click()
    expect(page.locator(".toast").last).to_contain_text("Sent a test to night shift")
    wait_until(lambda: len(box.messages) == 1, 30, "the test to arrive")


def make_rule(page: Page) -> None:
    """By keyboard alone, from the list of types to the button."""
    page.get_by_role("link", name="Workflows fail").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Workflows fail")
    expect(dialog.get_by_label("Workflow", exact=True)).to_be_focused()
    page.keyboard.type("failing")
    for text in ("1000000000000", "1"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")
    page.keyboard.type("days")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    # The number of failures was too large: the form says so, and keeps the rest.
    expect(dialog.get_by_label("Failures")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Within")).to_have_value("1")
    dialog.get_by_label("Failures").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.locator(".toast").last).to_contain_text(
        "Watching from now on: 2 workflows named “failing” fail within 1 d."
    )


def change_rule(page: Page) -> None:
    page.get_by_role("row", name="named “failing” fail").get_by_role("link", name="Change…").click()
    dialog = page.get_by_role("dialog", name="Workflows fail")
    expect(dialog.get_by_label("Workflow", exact=True)).to_have_value("failing")
    dialog.get_by_label("Failures").fill("3")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="3 workflows named “failing” fail")).to_be_visible()


def delete_both(page: Page) -> None:
    page.get_by_role("row", name="named “failing” fail").get_by_role("link", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Stop watching this?")
    expect(dialog).to_contain_text("fires now")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    dialog.get_by_role("button", name="Delete the rule").click()
    expect(page.get_by_text("Nothing is watched yet")).to_be_visible()
    page.get_by_role("row", name="night shift").get_by_role("link", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Stop telling night shift?")
    dialog.get_by_role("button", name="Delete the target").click()
    expect(page.get_by_text("No people are told")).to_be_visible()


def without_scripts(showcase: Showcase, open_page: Open) -> None:
    """The same forms are pages: a rule is made and deleted."""
    page = open_page(showcase.url + HERE, java_script_enabled=False)
    page.get_by_role("link", name="A schedule was missed").click()
    page.get_by_label("Late by").fill("1")
    page.get_by_label("Unit").first.select_option("hours")
    page.get_by_role("button", name="Watch").click()
    expect(page).to_have_url(showcase.url + HERE)
    row = page.get_by_role("row", name="A schedule is more than 1 h late")
    row.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete the rule").click()
    expect(page.get_by_text("Nothing is watched yet")).to_be_visible()
