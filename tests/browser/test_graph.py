"""The graph of a workflow in a browser: zoomed, dragged, opened, read as a table; left alone while live."""

from browser.conftest import Open
from browser.test_sweep import APP, wait_until_calm
from playwright.sync_api import Page, expect
from support.showcase import Showcase


def width(page: Page) -> int:
    return round(page.locator("#graph").evaluate("e => e.getBoundingClientRect().width"))


def test_graph_is_zoomed_dragged_and_opened(showcase: Showcase, open_page: Open) -> None:
    page = open_page(f"{showcase.url}{APP}/workflows/nested-1?view=graph", width=900)
    wait_until_calm(page)
    boxes = page.locator(".node-workflow")
    expect(boxes).to_have_count(6)
    # It begins fitted into the width; nothing is cut off, nothing can be scrolled to.
    fitted = width(page)
    frame = page.locator(".graph-box")
    assert frame.evaluate("e => e.scrollWidth <= e.clientWidth")
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert width(page) > fitted * 1.5
    zoomed = width(page)
    # A refresh, such as every change brings, leaves it as it is.
    page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("console:refreshed", done, {once: true});
          document.dispatchEvent(new CustomEvent("console:refresh"));
        })"""
    )
    assert width(page) == zoomed
    # A drag scrolls, and opens nothing although it begins on a box.
    before = frame.evaluate("e => { e.scrollTo(0, 0); return e.scrollLeft; }")
    box = boxes.first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 14)
    page.mouse.down()
    page.mouse.move(box["x"] - 150, box["y"] - 60, steps=4)
    page.mouse.up()
    assert frame.evaluate("e => e.scrollLeft") > before
    expect(page).to_have_url(f"{showcase.url}{APP}/workflows/nested-1?view=graph")
    # By keyboard, without going there first.
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("0")
    assert width(page) == page.locator("#graph").evaluate("e => e.viewBox.baseVal.width")
    page.keyboard.press("f")
    assert width(page) == fitted
    page.get_by_text("The same as a table").click()
    rows = page.locator("#graph-table tbody tr")
    expect(rows.filter(has_text="child workflow")).to_have_count(5)
    page.locator("#graph-w1").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{showcase.url}{APP}/workflows/nested-1-6")
