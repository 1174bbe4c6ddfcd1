"""The timeline of a workflow in a browser: real ones of DBOS, and one of five thousand steps that goes on."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser.conftest import Open
from browser.test_looks import axe
from browser.test_sweep import APP, wait_until_calm
from console.bookshop import Bookshop, Scene, play
from playwright.sync_api import Page, expect
from support.served import APPLICATION
from support.showcase import Showcase
from support.wait import wait_until

from conductor_lite.protocol import StepRecord, WorkflowRecord

#: Notes when the first row is drawn, counted from the beginning of the page.
_WATCH_ROWS = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".timeline-row")) return;
  window.drawnAt = performance.now();
  observer.disconnect();
}).observe(document, {childList: true, subtree: true});
"""
#: Scrolls through all rows, and gives how long each frame took, in milliseconds.
_SCROLL = """() => new Promise((done) => {
  const box = document.querySelector(".timeline-scroll");
  const frames = [];
  let before = null;
  const step = (now) => {
    if (before !== null) frames.push(now - before);
    before = now;
    if (frames.length >= 90) return done(frames);
    box.scrollTop = (frames.length * 1483) % box.scrollHeight;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def refresh(page: Page) -> None:
    """As every change does."""
    page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("console:refreshed", done, {once: true});
          document.dispatchEvent(new CustomEvent("console:refresh"));
        })"""
    )


def row(page: Page, text: str) -> Any:
    return page.locator(".timeline-row:visible", has_text=text)


def active(page: Page) -> str:
    """What a screen reader says of the row that the keyboard is at."""
    return str(
        page.locator(".timeline-scroll").evaluate(
            "e => document.getElementById(e.getAttribute('aria-activedescendant')).getAttribute('aria-label')"
        )
    )


def test_timeline_of_real_workflows(showcase: Showcase, open_page: Open) -> None:
    page = open_page(f"{showcase.url}{APP}/workflows/nested-1?view=timeline")
    wait_until_calm(page)
    tree = page.get_by_role("tree")
    expect(tree.get_by_role("treeitem", level=7)).to_have_count(2)
    expect(row(page, "nested").first.locator(".timeline-took")).to_have_text(re.compile(r"^[\d.]+ m?s$"))

    # By keyboard: fold the child, step past it, unfold it; a refresh changes nothing of that.
    tree.focus()
    assert active(page).startswith("nested, workflow, succeeded")
    expect(page.locator("#timeline-card")).to_contain_text("workflow")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(tree.get_by_role("treeitem")).to_have_count(5)
    refresh(page)
    expect(tree.get_by_role("treeitem")).to_have_count(5)
    assert active(page).startswith("nested, child workflow")
    page.keyboard.press("ArrowDown")
    assert active(page).startswith("DBOS.getResult, wait")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(tree.get_by_role("treeitem", level=7)).to_have_count(2)

    # Zooming by key, by dragging over the axis, and back.
    page.keyboard.press("ArrowUp")
    assert active(page).startswith("quick, step")
    widest = page.locator(".timeline-ticks").inner_text()
    page.keyboard.press("f")
    expect(page.locator(".timeline-frame")).to_be_visible()
    assert page.locator(".timeline-ticks").inner_text() != widest
    page.keyboard.press("0")
    expect(page.locator(".timeline-frame")).to_be_hidden()
    page.get_by_role("button", name="Fold", exact=True).click()
    axis = page.locator(".timeline-ticks").bounding_box()
    assert axis is not None
    page.mouse.move(axis["x"] + 200, axis["y"] + 10)
    page.mouse.down()
    page.mouse.move(axis["x"] + 400, axis["y"] + 10, steps=3)
    page.mouse.up()
    # The address has what is shown, for whoever gets the link; what is folded stays so for the reader.
    expect(page).to_have_url(re.compile(r"#from=\d+&to=\d+$"))
    page.reload()
    expect(page.locator(".timeline-frame")).to_be_visible()
    expect(page.get_by_role("treeitem")).to_have_count(5)
    page.get_by_role("button", name="Unfold", exact=True).click()
    expect(page.get_by_role("treeitem", level=7)).to_have_count(2)
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(".timeline-frame")).to_be_hidden()
    expect(page).to_have_url(f"{showcase.url}{APP}/workflows/nested-1?view=timeline")

    # The pointer brings a card, whose links lead on.
    row(page, "quick").first.locator(".timeline-lane").hover()
    card = page.locator("#timeline-card")
    expect(card).to_contain_text("succeeded")
    assert axe(page) == []
    card.get_by_role("link", name="Fork from here").click()
    expect(page.get_by_role("dialog", name="Fork")).to_be_visible()
    page.keyboard.press("Escape")
    row(page, "quick").first.click()
    card.get_by_role("link", name="Result of step 1").click()
    expect(page).to_have_url(f"{showcase.url}{APP}/workflows/nested-1#step-1")
    page.go_back()
    page.get_by_role("tree").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{showcase.url}{APP}/workflows/nested-1-6?view=timeline")

    # What failed says so, in words as well, though no result was loaded; the legend leads to it.
    page.goto(f"{showcase.url}{APP}/workflows/failing-0?view=timeline")
    wait_until_calm(page)
    page.keyboard.press("n")
    assert active(page).startswith("refuse, step, failed")
    page.locator('[data-status="failed"]').click()
    assert active(page).startswith("failing, workflow, failed")


def test_timeline_without_scripts_is_a_table(showcase: Showcase, open_page: Open) -> None:
    page = open_page(f"{showcase.url}{APP}/workflows/nested-1?view=timeline", java_script_enabled=False)
    rows = page.locator("#timeline-table tbody tr")
    expect(rows.first).to_be_visible()
    expect(rows.first).to_contain_text("succeeded")
    expect(page.locator(".timeline-stage")).to_be_hidden()
    assert rows.last.locator("rect").get_attribute("x")


@contextmanager
def bookshop(folder: Path) -> Iterator[Scene]:
    """A conductor with a scripted executor, in a thread of its own."""
    opened: list[Scene] = []
    ends = threading.Event()

    async def body(scene: Scene) -> None:
        opened.append(scene)
        await asyncio.to_thread(ends.wait)

    thread = threading.Thread(target=play, args=(folder, body), daemon=True)
    thread.start()
    try:
        wait_until(lambda: opened or not thread.is_alive(), 60, "the conductor to start")
        yield opened[0]
    finally:
        ends.set()
        thread.join(20)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Scene]:
    """Five thousand steps, some failed, with children of children; the last child goes on."""
    with bookshop(tmp_path) as scene:
        fill(scene.shop, int(time.time() * 1_000) - 600_000)
        yield scene


def fill(shop: Bookshop, began: int) -> None:
    """Put a workflow of 5,000 steps and 6 levels of children into the database."""

    def workflow(id_: str, status: str = "SUCCESS", **fields: Any) -> WorkflowRecord:
        ended = None if status == "PENDING" else began + 500_000
        fields = {"workflow_name": id_.rpartition("-")[2], "created_at_epoch_ms": began, **fields}
        return WorkflowRecord(workflow_id=id_, status=status, completed_at_epoch_ms=ended, **fields)

    def step(number: int, **fields: Any) -> StepRecord:
        begun = began + number * 100
        times = {"started_at_epoch_ms": begun, "completed_at_epoch_ms": begun + 60 + number % 90}
        return StepRecord(function_id=number, **{"function_name": f"step_{number % 7}", **times, **fields})

    shop.holds(workflow("big", "PENDING"))
    shop.steps["big"] = [
        step(number, error="torn" if number % 1_000 == 777 else None) for number in range(5_000)
    ]
    gave_up = "Step step_5 has exceeded its maximum of 3 retries"
    shop.steps["big"][2_777] = msgspec.structs.replace(shop.steps["big"][2_777], error=gave_up)
    for number, status in ((40, "SUCCESS"), (4_990, "PENDING")):
        id_ = "big"
        steps = shop.steps["big"]
        for level in range(6):
            child = f"{id_}-{number}" if level == 0 else f"{id_}-{level}"
            steps[number if level == 0 else 1] = step(
                number + level, function_name="start", child_workflow_id=child
            )
            shop.holds(workflow(child, status, created_at_epoch_ms=began + number * 100))
            steps = shop.steps[child] = [step(number + level + each) for each in range(3)]
            id_ = child


def test_five_thousand_steps_are_drawn_quickly_and_grow_in_place(crowded: Scene, open_page: Open) -> None:
    url = f"{crowded.served.url}/apps/{APPLICATION}/workflows/big?view=timeline"
    page = open_page("about:blank")
    page.add_init_script(_WATCH_ROWS)
    page.goto(url)
    expect(page.locator(".timeline-sum")).to_contain_text("5,037 spans in 10 min")
    drawn_ms = page.evaluate("window.drawnAt")
    assert page.locator(".timeline-row").count() < 80
    frames = sorted(page.evaluate(_SCROLL))
    median_ms, slow_ms = frames[len(frames) // 2], frames[-5]
    print(f"drawn after {drawn_ms:.0f} ms; frames of {median_ms:.0f} ms, of {slow_ms:.0f} ms at worst")
    # Measured at 0.9 s and 17 ms on two busy cores; the bounds are for machines that are slower and busier.
    assert drawn_ms < 20_000
    assert median_ms < 250

    # What went well begins folded, what goes on does not, and what failed is a click away.
    tree = page.get_by_role("tree")
    running = page.locator('[data-status="running"]')
    failed = page.locator('[data-status="failed"]')
    expect(failed).to_contain_text("failed 5")
    failed.click()
    assert active(page).startswith("step_0, step, failed, after 1 min 18 s")
    page.locator('[data-status="retried"]').click()
    assert re.fullmatch("step_5, step, failed, .*, retried up to its maximum of 3", active(page))
    expect(row(page, "↻ 3")).to_have_count(1)
    running.click()
    assert active(page).startswith("4990, child workflow, running")
    expect(tree.get_by_role("treeitem", level=7)).to_have_count(3)

    page.keyboard.press("/")
    page.keyboard.type("BIG-4990-1-2")
    expect(page.locator("#timeline-found")).to_have_text("4")
    assert active(page).startswith("2, child workflow, running")
    page.keyboard.press("Enter")
    assert active(page).startswith("3, child workflow, running")
    page.get_by_role("searchbox", name="Find spans").fill("")
    running.click()
    while not active(page).startswith("4990,"):
        running.click()

    # It grows by itself.
    took = row(page, "4990").locator(".timeline-took")
    before = took.inner_text()
    expect(took).not_to_have_text(before)
    expect(page.locator(".timeline-line.now")).to_be_visible()

    # What the reader did stays while news come.
    page.keyboard.press("ArrowLeft")
    expect(tree.get_by_role("treeitem", level=3)).to_have_count(0)
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(page.locator(".timeline-frame")).to_be_visible()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    axis = page.locator(".timeline-ticks").inner_text()
    scrolled = tree.evaluate("e => e.scrollTop")
    steps = crowded.shop.steps["big-4990"]
    steps.append(msgspec.structs.replace(steps[-1], function_id=9_999, error="torn"))
    expect(failed).to_contain_text("failed 6")
    expect(page.locator(".timeline-sum")).to_contain_text("5,038 spans")
    assert active(page).startswith("4990, child workflow, running")
    expect(tree.get_by_role("treeitem", level=3)).to_have_count(0)
    assert tree.evaluate("e => e.scrollTop") == scrolled
    assert page.locator(".timeline-ticks").inner_text() == axis
    page.keyboard.press("n")
    assert active(page).startswith("1, child workflow, running")
