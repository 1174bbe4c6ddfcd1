"""Every page of the console, of a real application that means it harm: every width, both colour schemes.

What a page does is for its own tests; here stands what holds for all of them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser import shifts
from browser.conftest import Open
from browser.test_looks import axe, require_readable, unfold
from playwright.sync_api import Page, expect
from support.showcase import APPLICATION, Showcase

APP = f"/apps/{APPLICATION}"
HOSTILE_WORKFLOW = f"{APP}/workflows/~?id=..%2Fa+b%2F%3Csvg+onload%3Dalert%281%29%3E%3Fx%3D1%23y%252F%26z"

#: Name of each page, and where it is.
PAGES = {
    "home": "/",
    "search": "/search?q=held",
    "keys": "/keys",
    "users": "/users",
    "audit": "/audit",
    "settings": "/settings",
    "preferences": "/preferences",
    "overview": APP,
    "executors": f"{APP}/executors",
    "versions": f"{APP}/versions",
    "queues": f"{APP}/queues",
    "queue": f"{APP}/queues/packing",
    "application-settings": f"{APP}/settings",
    "application-delete": f"{APP}/delete",
    "workflows": f"{APP}/workflows",
    "workflows-filtered": f"{APP}/workflows?status=ERROR",
    "workflows-tree": f"{APP}/workflows?tree=1",
    "workflows-known": f"{APP}/known",
    "workflows-question": f"{APP}/bulk/delete",
    "workflow-import": f"{APP}/import",
    "jobs": f"{APP}/jobs",
    "workflow": f"{APP}/workflows/order-1",
    "workflow-hostile": HOSTILE_WORKFLOW,
    "workflow-enormous": f"{APP}/workflows/enormous-1",
    "workflow-timeline": f"{APP}/workflows/nested-1?view=timeline",
    "workflow-graph": f"{APP}/workflows/nested-1?view=graph",
    "workflow-events": f"{APP}/workflows/order-1?view=events",
    "workflow-notifications": f"{APP}/workflows/order-1?view=notifications",
    "workflow-streams": f"{APP}/workflows/order-1?view=streams",
    "workflow-payload": f"{APP}/workflows/order-1/payload?of=input",
    "workflow-fork": f"{APP}/workflows/order-1/fork",
    "schedules": f"{APP}/schedules",
    "schedule": f"{APP}/schedules/every-minute",
    "backfill": f"{APP}/schedules/every-minute/backfill",
    "alerts": f"{APP}/alerts",
    "alert-types": f"{APP}/alerts/new",
    "alert-rule": f"{APP}/alerts/new?type=SlowQueue",
    "alert-target": f"{APP}/alerts/targets/new",
    "retention": f"{APP}/retention",
    "autoscaling": f"{APP}/autoscaling",
    "not-found": "/nothing-here",
}
#: What is asked before something is done, below the application; those with a form to fill in stand above.
QUESTIONS = (
    *(f"/workflows/failing-0/{deed}" for deed in ("restart", "fork-from-failure", "export", "delete")),
    *(f"/workflows/held-0/{deed}" for deed in ("cancel", "resume")),
    *(f"/schedules/nightly/{deed}" for deed in ("pause", "resume", "trigger")),
    "/versions/latest?version=1.0.0",
    "/retention/run",
)
#: Questions have no tabs above them, and payloads are with an executor alone.
_OTHERWISE = re.compile(r"/backfill$|/bulk/|/fork$|[?]of=|/alerts/")
OF_THE_APPLICATION = [
    name for name, path in PAGES.items() if path.startswith(APP) and not _OTHERWISE.search(path)
]


@pytest.fixture(scope="module")
def settled(showcase: Showcase) -> Showcase:
    """The showcase once there are snapshots, so that no page changes for that while it is looked at."""
    showcase.await_snapshots(10)
    return showcase


@pytest.fixture
def client(showcase: Showcase) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=showcase.url, timeout=30, trust_env=False, follow_redirects=True) as client:
        yield client


def wait_until_calm(page: Page) -> None:
    """Until the page is live, where it is one that is, and has fetched itself once."""
    page.wait_for_load_state("load")
    if page.locator("#live[data-watched]").count():
        page.wait_for_selector('#live-state[data-state="live"]')


@pytest.mark.parametrize("name", PAGES)
def test_page_is_for_every_screen_and_every_reader(
    settled: Showcase, open_page: Open, client: httpx.Client, name: str
) -> None:
    page = open_page("about:blank", color_scheme="light")
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    shifts.watch(page)
    require_still(page, settled.url + PAGES[name], client, 404 if name == "not-found" else 200)
    assert page.locator("main img, main iframe, main script:not([type='application/json'])").count() == 0
    require_small(page, settled.url)
    words = page.locator("main").inner_text()
    unfold(page)
    for width in (360, 768, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        widest = page.evaluate("document.documentElement.scrollWidth")
        assert widest <= page.evaluate("document.documentElement.clientWidth"), f"at {width} px"
    page.set_viewport_size({"width": 1440, "height": 900})
    require_readable(page)
    bare = open_page(settled.url + PAGES[name], java_script_enabled=False)
    expect(bare.locator("h1").first).to_be_attached()
    # What a script would add is extra: what stands in a heading stands there without it as well.
    for heading in bare.locator("main h2:visible").all_inner_texts():
        # Counts in it may have changed meanwhile; what has come since comes here as well.
        name = re.split(r"\s*[\d\n]", heading)[0]
        if name not in words:
            expect(page.locator("main")).to_contain_text(name)


def require_still(page: Page, url: str, client: httpx.Client, status: int) -> None:
    """Nothing moves while the page loads, goes live and fetches itself, nor when its times get longer.

    What is new may move what is there, and the showcase has something new each minute: then look again.
    """
    for _ in range(4):
        before = shown(client, url)
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == status
        wait_until_calm(page)
        shifts.await_refresh(page)
        moved, what = shifts.taken(page)
        if moved < shifts.LIMIT:
            break
        assert shown(client, url) != before, f"{moved:.4f} moved:\n{what}"
    else:
        pytest.fail(f"its data never rested, and {moved:.4f} moved:\n{what}")
    shifts.put_clock_forward(page, 59 * 60)
    moved, what = shifts.taken(page)
    assert moved < shifts.LIMIT, f"{moved:.4f} moved as time went by:\n{what}"


def test_nothing_moves_while_a_page_comes_in_slowly(
    settled: Showcase, open_page: Open, client: httpx.Client
) -> None:
    # Uncompressed, so that it comes in many pieces.
    page = open_page("about:blank", extra_http_headers={"Accept-Encoding": "identity"})
    shifts.watch(page)
    slow = {"offline": False, "latency": 20, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
    # What the page needs besides is at hand after the first look.
    page.goto(settled.url + PAGES["workflows"])
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)
    for name in ("workflows", "workflows-tree"):
        require_still(page, settled.url + PAGES[name], client, 200)


def shown(client: httpx.Client, url: str) -> bytes:
    """What a page is made of."""
    return client.get(url, headers={"Accept": "application/json"}).content


def require_small(page: Page, url: str) -> None:
    """Everything came from here, and was under 100 kB but for what draws charts."""
    entries = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(each => [each.name, each.transferSize])"
    )
    assert all(address.startswith(url) for address, _ in entries)
    loaded = [size for address, size in entries if not re.search(r"/events\?|/static/uplot", address)]
    assert sum(loaded) < 100_000


def test_questions_fit_and_axe_finds_nothing_serious(settled: Showcase, open_page: Open) -> None:
    page = open_page("about:blank", width=360, color_scheme="dark")
    for path in QUESTIONS:
        answer = page.goto(f"{settled.url}{APP}{path}")
        assert answer is not None
        assert answer.status == 200, path
        expect(page.locator("main form button, main form .inert").first).to_be_attached()
        # A question is not refreshed while it is read.
        assert page.locator("#live[data-watched]").count() == 0, path
        widest = page.evaluate("document.documentElement.scrollWidth")
        assert widest <= page.evaluate("document.documentElement.clientWidth"), path
        assert axe(page) == [], path


@pytest.mark.parametrize("name", [name for name in PAGES if name != "not-found"])
def test_page_is_json_for_programs(settled: Showcase, client: httpx.Client, name: str) -> None:
    answer = client.get(PAGES[name], headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert isinstance(json.loads(answer.content), dict)


def test_every_page_of_the_console_is_swept(settled: Showcase, client: httpx.Client) -> None:
    """Links of the navigation and of the tabs lead to pages that the list above has."""
    seen = set()
    for start in ("/", APP):
        seen |= set(re.findall(r'<a href="([^"]+)" data-go=', client.get(start).text))
    assert seen
    assert seen <= set(PAGES.values())


def test_everything_can_be_reached_by_keyboard(settled: Showcase, open_page: Open) -> None:
    for name in ("home", "workflows", "workflow", "schedules", "keys"):
        page = open_page(settled.url + PAGES[name])
        wait_until_calm(page)
        # Kept in the window: a refresh takes away attributes that the server did not send.
        wanted = page.evaluate(
            """() => {
              const kinds = 'a[href], button, input, select, textarea, summary';
              window.wanted = [...document.querySelectorAll(kinds)]
                .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.disabled
                  && !each.closest('dialog:not([open])') && each.type !== 'hidden' && each.type !== 'radio');
              return window.wanted.length;
            }"""
        )
        reached, bare = set(), []
        for _ in range(wanted * 2 + 40):
            page.keyboard.press("Tab")
            number, shown, html = page.evaluate(
                """() => { const here = document.activeElement;
                  const style = getComputedStyle(here);
                  const shown = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
                  return [window.wanted.indexOf(here), shown, here.outerHTML.slice(0, 120)]; }"""
            )
            if number in reached:
                break
            if number >= 0:
                reached.add(number)
                if not shown:
                    bare.append(html)
        # One that a refresh has replaced can be reached no more.
        missed = page.evaluate(
            "(reached) => window.wanted.filter((e, n) => e.isConnected && !reached.includes(n))"
            ".map((e) => e.outerHTML.slice(0, 160))",
            list(reached),
        )
        assert not missed, f"{name}: {len(missed)} of {wanted} not reached, such as {missed[:5]}"
        assert not bare, f"{name}: no focus to be seen on {bare[:5]}"


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Showcase]:
    """A showcase of the test's own, to do harm to."""
    with Showcase(tmp_path) as showcase:
        yield showcase


def test_pages_stay_readable_when_the_application_is_gone(mortal: Showcase, open_page: Open) -> None:
    mortal.await_snapshots(20)
    watched = open_page(f"{mortal.url}{APP}/workflows")
    wait_until_calm(watched)
    mortal.vanish()
    # The page that was open says so by itself.
    expect(watched.get_by_text("Offline.")).to_be_visible()
    expect(watched.get_by_role("button", name="Copy order-1")).to_be_visible()
    page = open_page("about:blank")
    for name in OF_THE_APPLICATION:
        answer = page.goto(mortal.url + PAGES[name])
        assert answer is not None
        assert answer.status == 200, name
        expect(page.locator(".tabline").first).to_be_visible()
        inert = page.locator("main .inert")
        for number in range(min(3, inert.count())):
            assert inert.nth(number).get_attribute("title"), f"{name}: no reason why it is off"
