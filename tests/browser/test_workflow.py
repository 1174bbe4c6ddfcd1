"""A workflow's page in a browser, against real DBOS: reading it, and everything that can be done to it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Open
from playwright.sync_api import Locator, Page, expect
from support.console_routes import carries_out
from support.orders import Orders
from support.showcase import APPLICATION, Showcase

WORKFLOWS = "/apps/orders/workflows"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """A conductor and an executor; each test has its own workflows."""
    with Orders(tmp_path_factory.mktemp("workflow-page")) as orders:
        orders.spawn()
        orders.await_workflow("order-1", "SUCCESS")
        for number in (1, 2):
            orders.await_workflow(f"failing-{number}", "ERROR")
        yield orders


def url_of(shop: Orders, workflow_id: str, rest: str = "") -> str:
    return f"{shop.conductor.url}{WORKFLOWS}/{workflow_id}{rest}"


def answer(page: Page, button: str, name: str | re.Pattern[str]) -> Locator:
    """Press a button of the page, and give the question that it opens."""
    page.get_by_role("link", name=button, exact=True).first.click()
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog).to_be_visible()
    return dialog


def told(page: Page, text: str) -> Locator:
    """The word that was said, once it is there."""
    toast = page.locator(".toast", has_text=text)
    expect(toast).to_be_visible()
    return toast


@carries_out("GET /apps/{name}/workflows/{id}/payload/file")
def test_reading_a_workflow(shop: Orders, open_page: Open) -> None:
    page = open_page(url_of(shop, "order-1"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("heading", name="order", exact=True)).to_be_visible()
    expect(page.locator(".workflow-head")).to_contain_text("Success")
    expect(page.locator("#children-title")).to_contain_text("1")
    # Cancelling makes no sense any more: the button says why, to the keyboard as well.
    inert = page.get_by_role("link", name=re.compile("Cancel.*nothing to cancel"))
    expect(inert).to_have_attribute("aria-disabled", "true")

    payload = page.locator("#payload-input")
    expect(payload.locator(".tree")).to_contain_text("item 1")
    page.keyboard.press("c")
    expect(payload.locator(".val-string").first).to_be_hidden()
    page.keyboard.press("e")
    expect(payload.locator(".val-string").first).to_be_visible()
    page.keyboard.press("c")
    payload.get_by_role("searchbox").fill("ITEM")
    expect(payload.locator("[data-found]")).to_have_text("1 found")
    expect(payload.locator(".hit .val-string")).to_be_visible()
    payload.get_by_role("link", name="Raw").click()
    expect(payload.locator("pre.raw")).to_have_text("{'args': ('item 1',), 'kwargs': {}}")
    payload.get_by_role("link", name="Tree").click()
    expect(payload.locator(".tree")).to_be_visible()
    expect(payload.get_by_role("link", name="Raw")).to_be_focused()
    payload.get_by_role("button", name="Copy").click()
    told(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "{'args': ('item 1',), 'kwargs': {}}"
    with page.expect_download() as download:
        payload.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "order-1-input.txt"
    assert Path(download.value.path()).read_text() == "{'args': ('item 1',), 'kwargs': {}}"

    row = page.locator("#step-1")
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 1, "y": 1})
    page.keyboard.press("j")
    expect(row.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row.locator(".payload-bar")).to_be_visible()
    expect(row.locator("pre.raw")).to_have_text("reserved item 1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("expand payloads")
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Events").click()
    expect(page.locator("[id^=event-]")).to_contain_text("progress")
    page.get_by_role("link", name="Notifications").click()
    expect(page.locator("#notification-0")).to_contain_text("paid in cash")
    expect(page.locator("#notification-0")).to_contain_text("Received")
    page.get_by_role("link", name="Streams").click()
    expect(page.locator(".payload-cell", has_text="paid")).to_be_visible()
    page.go_back()
    expect(page.locator("#notification-0")).to_be_visible()
    page.get_by_role("link", name="Summary & steps").click()
    page.locator(".relatives").get_by_role("link", name="order-1-ship").click()
    expect(page.locator(".strip")).to_contain_text("child of order-1")


def test_a_long_payload_is_loaded_and_searched_where_it_stands(showcase: Showcase, open_page: Open) -> None:
    path = f"{showcase.url}/apps/{APPLICATION}/workflows/enormous-1"
    page = open_page(path)
    payload = page.locator("#payload-input")
    payload.get_by_role("link", name="Load 1,0").click()
    expect(payload.locator(".payload-more")).to_contain_text("The first 200,000 of")
    payload.get_by_role("searchbox", name="Find in all").fill("KWARGS")
    page.keyboard.press("Enter")
    expect(payload.get_by_role("status")).to_have_text("1 place: KWARGS")
    expect(payload.locator("mark")).to_have_text("kwargs")
    expect(payload.get_by_role("searchbox")).to_be_focused()
    expect(page).to_have_url(path)
    payload.get_by_role("link", name="Back to the payload").click()
    expect(payload.locator("pre.raw")).to_be_visible()

    page = open_page(f"{path}/payload?of=input", java_script_enabled=False)
    page.get_by_role("searchbox", name="Find in all").fill("kwargs")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator("mark")).to_have_text("kwargs")


@carries_out(
    "GET /apps/{name}/workflows/{id}/cancel",
    "POST /apps/{name}/workflows/{id}/cancel",
    "GET /apps/{name}/workflows/{id}/resume",
    "POST /apps/{name}/workflows/{id}/resume",
)
def test_a_page_follows_its_workflow_and_leaves_what_was_opened(shop: Orders, open_page: Open) -> None:
    page = open_page(url_of(shop, "slow-1"))
    page.wait_for_selector('#live-state[data-state="live"]')
    page.evaluate("window.sameDocument = true")
    payload = page.locator("#payload-input")
    payload.locator("details details > summary").click()
    expect(payload.locator(".val-string")).to_be_hidden()

    dialog = answer(page, "Cancel", "Cancel this workflow?")
    expect(dialog).to_contain_text("A step in progress runs to its end")
    dialog.get_by_role("button", name="Let it go on").click()
    expect(dialog).to_be_hidden()
    answer(page, "Cancel", "Cancel this workflow?").get_by_role("button", name="Cancel it").click()
    told(page, "Cancelled slow-1.")
    expect(page.locator(".workflow-head")).to_contain_text("Cancelled")
    expect(payload.locator(".val-string")).to_be_hidden()

    dialog = answer(page, "Resume", "Resume this workflow?")
    dialog.get_by_label("Queue").fill("fulfilment")
    dialog.get_by_role("button", name="Resume it").click()
    told(page, "Resumed slow-1 on queue fulfilment")
    expect(page.locator(".facts")).to_contain_text("fulfilment")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.workflow-head h1'))")
    shop.release()
    expect(page.locator(".workflow-head")).to_contain_text("Success")
    expect(page.locator("#step-2")).to_contain_text("reserved item 1")
    expect(payload.locator(".val-string")).to_be_hidden()
    assert page.evaluate("getSelection().toString()") == "slow"
    assert page.evaluate("window.sameDocument") is True


@carries_out(
    "GET /apps/{name}/workflows/{id}/fork-from-failure",
    "POST /apps/{name}/workflows/{id}/fork-from-failure",
    "GET /apps/{name}/workflows/{id}/restart",
    "POST /apps/{name}/workflows/{id}/restart",
    "POST /apps/{name}/workflows/{id}/fork",
    "GET /apps/{name}/workflows/{id}/export",
    "GET /apps/{name}/workflows/{id}/export/file",
    "GET /apps/{name}/workflows/{id}/delete",
    "POST /apps/{name}/workflows/{id}/delete",
)
def test_running_a_failed_workflow_again_exporting_and_deleting_it(shop: Orders, open_page: Open) -> None:
    page = open_page(url_of(shop, "failing-1"))
    expect(page.locator("#payload-error")).to_contain_text("refused: reason 1")

    answer(page, "Fork from failure", re.compile("Fork from where")).get_by_role(
        "button", name="Fork it"
    ).click()
    told(page, "Forked failing-1 from where it failed.").get_by_role("link").click()
    expect(page.locator(".strip")).to_contain_text("forked from failing-1")
    # What was done before it failed is taken over.
    expect(page.locator("#step-1")).to_contain_text("reserved something")
    page.locator(".strip").get_by_role("link", name="failing-1").click()

    answer(page, "Restart", "Restart this workflow?").get_by_role("button", name="Restart it").click()
    toast = told(page, "Started failing-1 anew")
    href = toast.get_by_role("link").get_attribute("href") or ""
    assert shop.await_workflow(href.rpartition("/")[2], "ERROR")["forkedFrom"] == "failing-1"

    page.locator("#step-2").get_by_role("link", name="Fork from step 2").click()
    dialog = page.get_by_role("dialog", name="Fork this workflow?")
    expect(dialog.get_by_label("Start at step")).to_have_value("2")
    expect(dialog.get_by_label("Start at step")).to_contain_text("2 · ")
    dialog.get_by_text("Version, queue, id").click()
    dialog.get_by_label("Id of the new workflow").fill("again / and again")
    dialog.get_by_label("Queue", exact=True).fill("fulfilment")
    expect(dialog.get_by_label("Application version")).to_have_value("1.0.0")
    dialog.get_by_role("button", name="Fork it").click()
    told(page, "Forked failing-1 from step 2.").get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/workflows/~\?id=again"))
    expect(page.locator(".workflow-head")).to_contain_text("Error")
    forked = shop.await_workflow("again%20%2F%20and%20again", "ERROR")
    assert (forked["queueName"], forked["appVersion"]) == ("fulfilment", "1.0.0")

    # The id is taken now; what was typed stays.
    answer(page, "Fork from a step", "Fork this workflow?")
    dialog.get_by_text("Version, queue, id").click()
    dialog.get_by_label("Id of the new workflow").fill("failing-1")
    dialog.get_by_role("button", name="Fork it").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_label("Id of the new workflow")).to_have_value("failing-1")
    page.keyboard.press("Escape")

    with page.expect_download() as download:
        answer(page, "Export", "Export this workflow?").get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "again-and-again.dbos-export"
    exported = Path(download.value.path()).read_text()
    expect(page.locator("#modal")).to_be_hidden()

    dialog = answer(page, "Delete", "Delete this workflow?")
    expect(dialog).to_contain_text("There is no way back but an export")
    dialog.get_by_role("button", name="Delete it").click()
    expect(page).to_have_url(re.compile(r"/apps/orders/workflows$"))
    told(page, "Deleted again / and again.")
    assert shop.call("GET", "/workflows/again%20%2F%20and%20again").status_code == 404
    # The file holds the workflow.
    shop.post("/workflows/import", {"serializedWorkflow": exported}, 201)


def test_everything_works_without_scripts(shop: Orders, open_page: Open) -> None:
    page = open_page(url_of(shop, "failing-2"), java_script_enabled=False)
    page.locator("#payload-input").get_by_role("link", name="Raw").click()
    expect(page.locator("pre.raw")).to_contain_text("reason 2")
    page.get_by_role("link", name=re.compile("of failing-2")).click()
    page.locator("#step-1 summary").click()
    page.locator("#step-1").get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="Output of step 1").first).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Fork from a step").click()
    page.get_by_label("Start at step").select_option("1")
    page.get_by_role("button", name="Fork it").click()
    expect(page).to_have_url(re.compile("/failing-2$"))
    expect(page.locator(".toast", has_text="Forked failing-2 from step 1.").last).to_be_visible()
    page.locator(".toast a").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("link", name="Keep it").click()
    expect(page.locator(".strip")).to_contain_text("forked from failing-2")
