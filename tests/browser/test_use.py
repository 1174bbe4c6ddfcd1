"""Using the console in a real browser against a real server: live, by keyboard, and with scripts off."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from browser.conftest import Open, RealServer
from console.pictures import PicturedOperations
from playwright.sync_api import Page, expect
from support.wait import wait_until
from websockets.asyncio.client import connect


@contextmanager
def executor(server: RealServer, application: str, executor_id: str) -> Iterator[None]:
    """An executor that says who it is and answers everything else with success; it is listed already."""
    stop = threading.Event()

    async def live() -> None:
        url = server.url.replace("http", "ws") + f"/websocket/{application}/anything"
        async with connect(url) as socket:
            while not stop.is_set():
                try:
                    request = json.loads(await asyncio.wait_for(socket.recv(), 0.05))
                except TimeoutError:
                    continue
                answer = {
                    "type": request["type"],
                    "request_id": request["request_id"],
                    "executor_id": executor_id,
                    "application_version": "v1",
                    "hostname": "here",
                    "language": "python",
                    "dbos_version": "2.31.1",
                    "executor_metadata": {"a": 1, "b": 2, "c": 3},
                    "success": True,
                    "exist": False,
                }
                await socket.send(json.dumps(answer))

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()

    def is_listed() -> bool:
        page = f"{server.url}/apps/{application}/executors"
        listed = httpx.get(page, headers={"Accept": "application/json"}, timeout=60, trust_env=False)
        return executor_id in listed.text

    try:
        wait_until(is_listed, 60, f"{executor_id} to be listed")
        yield
    finally:
        stop.set()
        thread.join(10)


def wait_until_live(page: Page) -> None:
    page.wait_for_selector('#live-state[data-state="live"]')


def test_an_executor_appears_and_vanishes_without_reloading(server: RealServer, open_page: Open) -> None:
    page = open_page(server.url + "/")
    expect(page.get_by_role("heading", name="Connect your first application")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    wait_until_live(page)
    with executor(server, "shop", "exec-1"):
        row = page.get_by_role("row", name=re.compile("shop"))
        expect(row).to_contain_text("Available")
    expect(row).to_contain_text("Unavailable")
    expect(page.get_by_text("No executor is connected")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


def test_what_the_reader_does_survives_a_refresh(server: RealServer, open_page: Open) -> None:
    with executor(server, "shop", "exec-1"):
        page = open_page(server.url + "/apps/shop/executors")
        expect(page.get_by_text("exec-1")).to_be_visible()
        wait_until_live(page)
        page.get_by_text("3 entries").click()
        filter_box = page.get_by_placeholder("Id, host, SDK, metadata")
        filter_box.press_sequentially("exec")
        expect(page).to_have_url(re.compile(r"\?q=exec$"))
        settings = open_page(server.url + "/apps/shop/settings")
        wait_until_live(settings)
        settings.get_by_label("Executor timeout").fill("77")
        settings.evaluate(
            "document.addEventListener('console:refreshed', () => document.body.dataset.refreshed = 'yes')"
        )
        with executor(server, "shop", "exec-2"):
            expect(page.get_by_text("exec-2")).to_be_visible()
            expect(page.locator("dl.pairs").first).to_be_visible()
            expect(filter_box).to_be_focused()
            expect(filter_box).to_have_value("exec")
            settings.wait_for_selector("body[data-refreshed]")
            expect(settings.get_by_label("Executor timeout")).to_have_value("77")
            settings.get_by_role("link", name="Delete…").click()
            dialog = settings.get_by_role("dialog", name="Delete shop?")
            expect(dialog).to_contain_text("2 executors")
            settings.evaluate("delete document.body.dataset.refreshed")
        settings.wait_for_selector("body[data-refreshed]")
        expect(dialog).to_be_visible()


def test_keyboard_reaches_everything(pictured: tuple[str, PicturedOperations], open_page: Open) -> None:
    url = pictured[0]
    page = open_page(url + "/audit")
    # Each page listens to keys once its scripts run.
    wait_until_live(page)
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page).to_have_url(url + "/")
    wait_until_live(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_contain_text("next and previous row")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="orders").last).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(url + "/apps/orders")
    wait_until_live(page)
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page).to_have_url(url + "/apps/orders/executors")
    wait_until_live(page)
    page.keyboard.press("g")
    page.keyboard.press(",")
    expect(page).to_have_url(url + "/apps/orders/settings")
    wait_until_live(page)
    page.keyboard.press("?")
    # What would do nothing here is not listed.
    expect(sheet).to_contain_text("search every application")
    expect(sheet.get_by_text("In tables")).to_be_hidden()
    expect(sheet.get_by_text("next and previous row")).to_be_hidden()
    page.keyboard.press("Escape")
    page.go_back()
    wait_until_live(page)
    page.keyboard.press("/")
    page.keyboard.type("worker-4")
    expect(page.locator("tr[id^=executor-]")).to_have_count(1)
    page.keyboard.press("Escape")
    for keys, path in (("gk", "/keys"), ("ga", "/audit")):
        page.keyboard.press(keys[0])
        page.keyboard.press(keys[1])
        expect(page).to_have_url(url + path)
        wait_until_live(page)


def test_tab_begins_with_a_way_past_the_navigation(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_dialog_closes_by_a_click_beside_it_unless_something_was_typed(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/keys")
    dialog = page.get_by_role("dialog", name="Rename the key orders-prod")
    page.get_by_role("link", name="Rename orders-prod").click()
    field = dialog.get_by_label("New name")
    expect(field).to_be_focused()
    box = field.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    # Text that is selected with the mouse, up to beyond the edge.
    page.mouse.move(box["x"] + 60, middle)
    page.mouse.down()
    page.mouse.move(20, middle, steps=4)
    page.mouse.up()
    assert field.evaluate("field => field.selectionEnd > field.selectionStart")
    expect(dialog).to_be_visible()
    field.fill("something else")
    page.mouse.click(20, 20)
    expect(field).to_have_value("something else")
    field.fill("orders-prod")
    page.mouse.click(20, 20)
    expect(dialog).to_be_hidden()


def test_a_link_from_elsewhere_leaves_the_forms_of_other_tabs_alone(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/keys")
    page.get_by_text("Create an API key").click()
    page.get_by_label("Name", exact=True).fill("typed before")
    # Such as from a chat that tells of an alert: a page of another site.
    other = page.context.new_page()
    other.goto(f"data:text/html,<a href='{pictured[0]}/audit'>look</a>")
    other.get_by_role("link", name="look").click()
    expect(other).to_have_url(pictured[0] + "/audit")
    other.close()
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#secret")).to_be_visible()


def test_copying_takes_the_whole_id(pictured: tuple[str, PicturedOperations], open_page: Open) -> None:
    page = open_page(pictured[0] + "/apps/orders/executors")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("6f1d0e01…2f9e1a01").click()
    expect(page.locator(".toast")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "6f1d0e01-7c1b-4b6e-9d0a-5f0c2f9e1a01"


def test_times_tick_and_tell_the_exact_moment_in_the_readers_zone(
    server: RealServer, open_page: Open
) -> None:
    with executor(server, "shop", "exec-1"):
        page = open_page(server.url + "/apps/shop/executors", timezone_id="Asia/Tokyo", locale="en-GB")
        expect(page.get_by_text("exec-1")).to_be_visible()
    countdown = page.locator("time[data-tick=left]")
    expect(countdown).to_have_text(re.compile(r"in \d s"))
    before = countdown.inner_text()
    expect(countdown).not_to_have_text(before)
    expect(countdown).to_have_attribute("title", re.compile(r"GMT\+9|JST"))


def test_everything_works_without_scripts(server: RealServer, open_page: Open) -> None:
    page = open_page(server.url + "/", java_script_enabled=False)
    page.get_by_label("Name", exact=True).fill("plain")
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".toast", has_text="Registered plain").last).to_be_visible()
    page.get_by_text("Java", exact=True).click()
    expect(page.get_by_text("withConductorDomain")).to_be_visible()
    page.goto(server.url + "/")
    page.get_by_placeholder("Filter by name").fill("zzz")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No application's name contains “zzz”")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="plain").click()
    page.get_by_role("link", name="Settings").last.click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete plain?")).to_be_visible()
    page.get_by_role("button", name="Delete plain").click()
    expect(page.locator(".toast", has_text="Deleted plain.").last).to_be_visible()


def test_a_refused_stream_falls_back_to_asking(server: RealServer, open_page: Open) -> None:
    page = open_page("about:blank", noise="503")
    page.route("**/events?*", lambda route: route.fulfill(status=503, body="full"))
    page.goto(server.url + "/")
    page.wait_for_selector('#live-state[data-state="polling"]')
    with executor(server, "late", "exec-1"):
        expect(page.get_by_role("row", name=re.compile("late"))).to_be_visible()


def test_an_open_page_does_not_hold_up_the_server_and_says_that_it_is_gone(
    server: RealServer, open_page: Open
) -> None:
    page = open_page(server.url + "/", noise="net::ERR|Failed to fetch")
    wait_until_live(page)
    page.get_by_label("Name", exact=True).fill("typed")
    assert server.process.terminate(60) == 0
    # What uvicorn says when its patience with what is still open is over.
    assert "graceful shutdown exceeded" not in server.process.output
    page.evaluate("document.dispatchEvent(new CustomEvent('console:refresh'))")
    page.wait_for_selector('#live-state[data-state="offline"]')
    # A form stays as it is, to be sent when there is a server again.
    page.get_by_role("button", name="Register").click()
    expect(
        page.locator(".toast", has_text="The server does not answer; nothing was done.").last
    ).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("typed")
