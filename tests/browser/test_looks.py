"""Every page in a real browser: light and dark, narrow and wide, readable for everyone, nothing inline."""

from importlib import resources
from typing import Any

import pytest
from browser.conftest import Open
from console.pictures import PicturedOperations
from playwright.sync_api import Page

PATHS = (
    "/",
    "/apps/orders",
    "/apps/shop",
    "/apps/orders/executors",
    "/apps/shop/executors",
    "/apps/orders/settings",
    "/apps/orders/delete",
    "/keys",
    "/audit",
    "/nothing-here",
)

#: A page's scripts may not add styles or run code from text; a violation is logged, and fails the test.
CSP = "default-src 'self'"


def unfold(page: Page) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def wait_until_live(page: Page) -> None:
    page.wait_for_selector('#live-state[data-state="live"]')


@pytest.mark.parametrize("path", PATHS)
def test_page_fits_every_screen_and_axe_finds_nothing_serious(
    pictured: tuple[str, PicturedOperations], open_page: Open, path: str
) -> None:
    page = open_page(pictured[0] + path, color_scheme="light")
    unfold(page)
    for width in (360, 768, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        widest = page.evaluate("document.documentElement.scrollWidth")
        assert widest <= page.evaluate("document.documentElement.clientWidth"), f"at {width} px"
    page.set_viewport_size({"width": 1440, "height": 900})
    require_readable(page)


def require_readable(page: Page) -> None:
    """Both colour schemes and two widths; no colour depends on a width."""
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 900})
    assert axe(page) == []


def test_axe_finds_nothing_serious_where_nothing_is_yet(empty_url: str, open_page: Open) -> None:
    for path in ("/", "/keys", "/audit"):
        require_readable(open_page(empty_url + path, color_scheme="light"))


def test_axe_finds_nothing_serious_in_dialogs(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/apps/orders/settings")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Delete…").click()
    page.wait_for_selector("#modal[open] h1")
    assert axe(page) == []


def axe(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, one line each."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    if not page.evaluate("'axe' in window"):
        page.evaluate(source)
    results: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {node['html'][:160]} {node['failureSummary']}"
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def test_pages_are_served_with_the_strict_policy(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/")
    answer = page.request.get(pictured[0] + "/")
    assert CSP in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    wait_until_live(page)


def test_first_load_is_small_and_all_from_here(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/apps/orders/executors")
    wait_until_live(page)
    entries = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(each => [each.name, each.transferSize])"
    )
    assert all(name.startswith(pictured[0]) for name, _ in entries)
    assert sum(size for name, size in entries if "/events" not in name) < 100_000


def test_hostile_text_runs_nothing(pictured: tuple[str, PicturedOperations], open_page: Open) -> None:
    for path in ("/", "/apps/shop", "/apps/shop/executors", "/apps/shop/settings", "/keys", "/audit"):
        page = open_page(pictured[0] + path)
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
        wait_until_live(page)
        assert page.locator("img").count() == 0


def test_theme_is_remembered_and_applied_before_the_first_paint(
    pictured: tuple[str, PicturedOperations], open_page: Open
) -> None:
    page = open_page(pictured[0] + "/", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme-switch").click()
    page.locator("#theme-switch").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.add_init_script(
        "new MutationObserver(() => { if (document.body && !window.firstTheme)"
        " window.firstTheme = document.documentElement.dataset.theme; })"
        ".observe(document, {childList: true, subtree: true})"
    )
    page.reload()
    assert page.evaluate("window.firstTheme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
