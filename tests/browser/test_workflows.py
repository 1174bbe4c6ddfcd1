"""The table of workflows in a real browser, before a real DBOS application with something of everything."""

import asyncio
import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Open
from console.workflow_table import PAGE, Table, run_table
from playwright.sync_api import Locator, Page, Route, expect
from support.console_routes import carries_out
from support.showcase import APPLICATION, Showcase
from support.wait import wait_until

from conductor_lite.console.bulk.page import MAX_SELECTED
from conductor_lite.console.urls import app_url

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    with Showcase(tmp_path_factory.mktemp("showcase")) as showcase:
        yield showcase


def table(showcase: Showcase, query: str = "") -> str:
    return f"{showcase.url}{app_url(APPLICATION, 'workflows')}?{query}"


def row(page: Page, workflow_id: str) -> Locator:
    return page.locator(f'tr:has([data-copy="{workflow_id}"])')


def wait_until_live(page: Page) -> None:
    page.wait_for_selector('#live-state[data-state="live"]')


def ids(page: Page) -> list[str]:
    return [str(button.get_attribute("data-copy")) for button in page.locator("tbody td .id").all()]


@carries_out(
    "GET /apps/{name}/workflows.csv",
    "GET /apps/{name}/workflows.json",
)
def test_narrow_by_typing_choosing_and_clicking(showcase: Showcase, open_page: Open) -> None:
    page = open_page(table(showcase))
    wait_until_live(page)
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("held-")
    expect(page).to_have_url(re.compile(r"\?id=held-$"))
    expect(page.locator("tbody tr")).to_have_count(6)
    page.get_by_role("link", name=re.compile("^Enqueued")).click()
    expect(page).to_have_url(re.compile(r"status=ENQUEUED&id=held-"))
    expect(page.locator("tbody tr")).to_have_count(4)
    waiting = sorted(ids(page))
    menu = page.get_by_text(re.compile(r"^All \d+"))
    for kind in ("CSV", "JSON"):
        menu.click()
        with page.expect_download() as download:
            page.get_by_role("link", name=kind, exact=True).click()
        text = Path(download.value.path()).read_text()
        rows = json.loads(text) if kind == "JSON" else list(csv.DictReader(io.StringIO(text)))
        assert sorted(each["workflow_id"] for each in rows) == waiting
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_role("link", name=re.compile("^Error")).click()
    expect(page.locator("tbody tr")).to_have_count(3)
    wait_until_live(page)
    page.get_by_label("Name", exact=True).fill("nothing-like-it")
    expect(page.get_by_text("No workflow matches these filters.")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Name nothing-like-it")).click()
    expect(page.locator("tbody tr")).to_have_count(3)
    wait_until_live(page)
    page.get_by_label("Name", exact=True).focus()
    # What there is, is suggested.
    expect(page.locator("#known-names option[value=failing]")).to_have_count(1)
    page.get_by_text("More filters").click()
    page.get_by_label("Attribute").fill("customer")
    expect(page.get_by_role("alert")).to_contain_text("is no attribute")
    # What the application itself cannot do is told in its words; the filters stay to be changed.
    page.get_by_label("Attribute").fill("customer=c-7")
    expect(page.get_by_role("alert")).to_contain_text("not supported on SQLite")
    page.get_by_label("Attribute").fill("")
    page.get_by_label("Has a parent").select_option("yes")
    expect(page.get_by_text("No workflow matches these filters.")).to_be_visible()
    page.get_by_label("Has a parent").select_option("no")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"\?status=ERROR&has_parent=no$"))


def test_on_a_phone_what_is_most_needed_is_in_sight(showcase: Showcase, open_page: Open) -> None:
    page = open_page(table(showcase, "id=held-0"), width=360)
    held = row(page, "held-0")
    needed = [
        held.get_by_text("Pending"),
        held.get_by_role("link", name="held", exact=True),
        held.get_by_role("button", name="Copy held-0"),
        held.locator("time:visible").first,
    ]
    for each in needed:
        expect(each).to_be_visible()
        box = each.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 360
        # Nothing lies over it.
        assert each.evaluate(
            "e => { const {left, top, width, height} = e.getBoundingClientRect();"
            " const at = document.elementFromPoint(left + width / 2, top + height / 2);"
            " return e.contains(at) || at.contains(e); }"
        )


def test_rows_change_in_place_while_others_are_selected_by_keyboard(
    showcase: Showcase, open_page: Open
) -> None:
    page = open_page(table(showcase, "id=held-&sort=oldest"))
    wait_until_live(page)
    page.evaluate("window.sameDocument = true")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    selected = row(page, "held-1").get_by_role("checkbox")
    expect(selected).to_be_checked()
    expect(page.locator("[data-selected-count]")).to_have_text("1")
    expect(row(page, "held-0")).to_contain_text("Pending")
    showcase.release()
    expect(row(page, "held-0")).to_contain_text("Success")
    expect(page.locator("tbody .status-succeeded")).to_have_count(6)
    expect(selected).to_be_checked()
    expect(page.locator(".selection")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/workflows/held-1$"))


def test_what_comes_in_does_not_move_the_row_under_the_mouse(showcase: Showcase, open_page: Open) -> None:
    page = open_page(table(showcase), height=640)
    wait_until_live(page)
    old = row(page, "late-1")
    spot = old.bounding_box()
    assert spot
    assert page.evaluate("window.scrollY") == 0
    begun = showcase.conductor.call("POST", f"/apps/{APPLICATION}/schedules/nightly/trigger").json()
    deadline = time.monotonic() + 60
    while not row(page, begun["workflowId"]).count():
        assert time.monotonic() < deadline, "the new row did not come"
        # A slow refresh must not find a mouse that has rested for long.
        for nudge in (0, 1):
            page.mouse.move(spot["x"] + 300 + nudge, spot["y"] + 8)
        page.wait_for_timeout(100)
    assert abs(old.evaluate("e => e.getBoundingClientRect().top") - spot["y"]) < 2


def test_the_tree_opens_level_by_level_and_keeps_what_is_selected(
    showcase: Showcase, open_page: Open
) -> None:
    page = open_page(table(showcase, "id=nested-1"))
    page.get_by_role("link", name="Tree").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    for depth in range(2, 5):
        page.get_by_role("link", name="Show children of nested").last.click()
        expect(page.locator("tbody tr")).to_have_count(depth)
    expect(page.locator("tr.below")).to_have_count(3)
    opened = page.url
    deepest = row(page, "nested-1-6-5-4").get_by_role("checkbox")
    deepest.check()
    page.get_by_role("link", name="Hide children of nested").first.click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".selection")).to_contain_text("1 selected, 1 not on this page")
    page.locator(".selection").get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete 1 workflow?")
    expect(dialog).to_contain_text("nested-1-6-5-4")
    dialog.get_by_role("button", name="Keep").click()
    page.get_by_role("link", name="Show children of nested").first.click()
    expect(deepest).to_be_checked()
    page.get_by_label("Id", exact=True).fill("nested-")
    expect(page.locator("[data-selected-count]")).to_have_text("1")
    page.get_by_label("Id", exact=True).fill("waiting-")
    expect(page.locator(".selection")).to_be_hidden()
    # Also when rows of the filter before come while those of another are typed already.
    row(page, "waiting-1").get_by_role("checkbox").check()
    on_its_way: list[Route] = []
    page.route(
        re.compile(r"/workflows\?"),
        lambda route: route.continue_() if on_its_way else on_its_way.append(route),
    )
    with page.expect_request(re.compile(r"/workflows\?")):
        page.evaluate("document.dispatchEvent(new CustomEvent('console:refresh'))")
    page.get_by_label("Id", exact=True).fill("nested-")
    expect(page.locator("#live")).to_have_attribute("data-url", re.compile(r"id=nested-"))
    on_its_way[0].continue_()
    expect(row(page, "nested-1")).to_be_visible()
    expect(page.locator(".selection")).to_be_hidden()
    page.goto(opened)
    expect(page.locator("tbody tr")).to_have_count(4)


@carries_out(
    "POST /apps/{name}/bulk/{action}",
    "POST /apps/{name}/jobs",
)
def test_failed_ones_are_forked_and_all_that_wait_are_cancelled_and_resumed(
    showcase: Showcase, open_page: Open
) -> None:
    page = open_page(table(showcase, "name=failing"))
    wait_until_live(page)
    page.get_by_label("Select all on this page").check()
    page.locator(".selection").get_by_role("button", name="Fork from failure…").click()
    dialog = page.get_by_role("dialog", name="Fork 3 workflows from where they failed?")
    dialog.get_by_role("button", name="Fork 3 workflows").click()
    expect(page.locator(".toast", has_text="Forked 3 workflows.").last).to_be_visible()
    expect(page.locator("[data-select]:checked")).to_have_count(0)
    expect(page.get_by_role("link", name="forked")).to_have_count(3)

    page.goto(table(showcase, "id=waiting-"))
    wait_until_live(page)
    page.get_by_text(re.compile(r"^All \d+")).click()
    page.get_by_role("link", name="Cancel…").click()
    dialog = page.get_by_role("dialog", name=re.compile(r"^Cancel \d workflows?\?"))
    expect(dialog).to_contain_text("Id waiting-")
    dialog.get_by_role("button", name="Leave them").click()
    expect(dialog).to_be_hidden()
    page.get_by_text(re.compile(r"^All \d+")).click()
    page.get_by_role("link", name="Cancel…").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".toast").last).to_contain_text(re.compile(r"Cancelled \d workflows?\."))
    expect(page.locator("tbody .status-cancelled").first).to_be_visible()
    page.get_by_text(re.compile(r"^All \d+")).click()
    page.get_by_role("link", name="Resume…").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.locator("tbody .status-succeeded")).to_have_count(3)

    page.get_by_text(re.compile(r"^All \d+")).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Resume…")).to_be_hidden()
    page.goto(f"{showcase.url}{app_url(APPLICATION, 'jobs')}")
    expect(page.get_by_role("row", name=re.compile("Forked 3 workflows"))).to_contain_text("Done")


@carries_out(
    "POST /apps/{name}/import",
)
def test_an_export_goes_out_as_a_file_and_comes_back(
    showcase: Showcase, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(table(showcase, "id=order-1"))
    exported = page.request.get(
        f"{showcase.url}{app_url(APPLICATION, 'workflows', 'order-1', 'export', 'file')}"
    )
    file = tmp_path / "order-1.dbos-export"
    file.write_bytes(exported.body())
    page.get_by_label("Select order order-1").check()
    page.locator(".selection").get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 workflow").click()
    expect(page.get_by_text("No workflow matches these filters.")).to_be_visible()
    page.get_by_text(re.compile(r"^All 0")).click()
    page.get_by_role("link", name="Import…").click()
    dialog = page.get_by_role("dialog", name="Import a workflow")
    dialog.get_by_label("or paste").fill("no export!")
    dialog.get_by_role("button", name="Import").click()
    expect(dialog.get_by_role("alert")).to_contain_text("one long word of base64")
    dialog.get_by_label("File", exact=True).set_input_files(file)
    dialog.get_by_role("button", name="Import").click()
    expect(page.locator(".toast").last).to_contain_text("Imported the workflow")
    expect(row(page, "order-1")).to_contain_text("Success")


def test_everything_works_without_scripts(showcase: Showcase, open_page: Open) -> None:
    page = open_page(table(showcase), java_script_enabled=False)
    page.get_by_label("Id", exact=True).fill("nested-1")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Tree").click()
    page.get_by_role("link", name="Show children of nested").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("checkbox", name=re.compile("Select nested nested-1$")).check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("heading", name="Delete 1 workflow?")).to_be_visible()
    page.get_by_label("Their children as well").check()
    page.get_by_role("button", name="Delete 1 workflow").click()
    expect(page.locator(".toast", has_text="Deleted 1 workflow.").last).to_be_visible()
    page.goto(table(showcase, "id=nested-1"))
    expect(page.get_by_text("No workflow matches these filters.")).to_be_visible()


@pytest.fixture
def long_tree(tmp_path: Path) -> Iterator[str]:
    """The address of a tree with 460 rows."""
    opened: list[Table] = []
    ends = threading.Event()

    async def body(table: Table) -> None:
        for parent in range(5):
            table.shelf.add(f"p{parent}")
            table.shelf.fill(91, f"c{parent}", parent_workflow_id=f"p{parent}")
        opened.append(table)
        await asyncio.to_thread(ends.wait)

    thread = threading.Thread(target=run_table, args=(tmp_path, body), daemon=True)
    thread.start()
    try:
        wait_until(lambda: opened or not thread.is_alive(), 60, "the conductor to start")
        parents = "".join(f"&open=p{parent}" for parent in range(5))
        yield f"{opened[0].scene.url}{PAGE}?tree=1&range=all{parents}"
    finally:
        ends.set()
        thread.join(20)


def test_no_more_is_selected_than_one_action_takes_and_the_way_out_is_shown(
    long_tree: str, open_page: Open
) -> None:
    page = open_page(long_tree)
    boxes = page.locator("[data-select]")
    expect(boxes).to_have_count(460)
    bar = page.locator(".selection")
    boxes.nth(459).check()
    expect(bar).to_contain_text(f"1 selected · at most {MAX_SELECTED}")
    full = page.locator("[data-selected-full]")
    expect(full).to_be_hidden()
    page.get_by_role("checkbox", name="Select all on this page").click()
    expect(bar).to_contain_text(f"{MAX_SELECTED} selected")
    expect(page.locator("[data-select]:checked")).to_have_count(MAX_SELECTED)
    expect(boxes.nth(459)).to_be_checked()
    expect(full).to_contain_text(f"No more than {MAX_SELECTED} can be selected.")
    # One more stays without its tick; one less makes room for it.
    boxes.nth(458).click()
    expect(boxes.nth(458)).not_to_be_checked()
    boxes.nth(0).uncheck()
    expect(full).to_be_hidden()
    boxes.nth(458).check()
    bar.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name=f"Delete {MAX_SELECTED} workflows?")
    dialog.get_by_role("button", name="Keep").click()
    full.get_by_role("link").click()
    expect(page.locator("#all-menu").get_by_role("link", name="Delete…")).to_be_visible()

    plain = open_page(long_tree, java_script_enabled=False)
    expect(plain.get_by_text(f"Those that are ticked, at most {MAX_SELECTED}:")).to_be_attached()
    expect(plain.locator("[data-select]:visible")).to_have_count(MAX_SELECTED)


def test_offline_the_page_says_so_and_offers_nothing(showcase: Showcase, open_page: Open) -> None:
    page = open_page(table(showcase))
    wait_until_live(page)
    expect(page.locator("[data-select]").first).to_be_visible()
    showcase.vanish()
    expect(page.locator("[data-select]")).to_have_count(0)
    page.get_by_text(re.compile(r"^All( \d+| that match)")).click()
    expect(page.get_by_text("No executor is connected; this can be done when one is.").last).to_be_visible()
