"""A page left open all night: it neither grows, nor asks while nobody looks, and it outlives the server."""

import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from browser.conftest import Open, RealServer
from browser.test_use import executor, wait_until_live
from playwright.sync_api import CDPSession, Page, expect
from support.process import Process
from support.showcase import APPLICATION, Showcase
from support.wait import wait_until

WARM_UPS = 20
REFRESHES = 200
#: What may be left over of two hundred refreshes, were it not collected yet; a leak leaves thousands.
SPARE_NODES = 800
SPARE_LISTENERS = 40
SPARE_BYTES = 3_000_000

#: Lets tests refresh without the pause that spares servers, and see which streams were opened.
INSTRUMENTS = """
const later = window.setTimeout;
window.setTimeout = (work, ms, ...rest) => later(work, ms <= 500 ? 0 : ms, ...rest);
window.streams = [];
window.EventSource = class extends EventSource {
  constructor(...given) { super(...given); window.streams.push(this); }
};
window.refreshOften = async (times) => {
  for (let n = 0; n < times; n++) {
    await new Promise((done) => {
      document.addEventListener("console:refreshed", done, { once: true });
      document.dispatchEvent(new CustomEvent("console:refresh"));
    });
  }
};
"""
#: Seconds that a page may take: its own deadline, and what a busy machine adds.
PATIENCE_SECS = 30.0
APP = f"/apps/{APPLICATION}"
ASKING = (APP, f"{APP}/workflows", f"{APP}/workflows/order-1", f"{APP}/queues", f"{APP}/schedules")
NOT_ASKING = ("/", "/keys", "/audit", "/settings")
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
OPEN_STREAMS = "window.streams.filter((stream) => stream.readyState !== EventSource.CLOSED).length"


def instrumented(open_page: Open, url: str, *, set_clock: bool = False, **options: Any) -> Page:
    """A page that is live; its clock is one that the test moves on, if asked for."""
    page = open_page("about:blank", **options)
    if set_clock:
        page.clock.install()
    page.add_init_script(INSTRUMENTS)
    page.goto(url)
    wait_until_live(page)
    return page


def counted(cdp: CDPSession) -> tuple[int, int, int]:
    """DOM nodes, event listeners and bytes of JavaScript, after everything unused was thrown away."""
    for _ in range(2):
        cdp.send("HeapProfiler.collectGarbage")
    counters = cdp.send("Memory.getDOMCounters")
    heap = cdp.send("Runtime.getHeapUsage")
    return int(counters["nodes"]), int(counters["jsEventListeners"]), int(heap["usedSize"])


def test_a_page_does_not_grow_while_it_is_refreshed(showcase: Showcase, open_page: Open) -> None:
    page = instrumented(open_page, f"{showcase.url}/apps/{APPLICATION}/workflows")
    page.set_default_timeout(60_000)
    cdp = page.context.new_cdp_session(page)
    page.evaluate(f"refreshOften({WARM_UPS})")
    before = counted(cdp)
    page.evaluate(f"refreshOften({REFRESHES})")
    nodes, listeners, used = (now - then for now, then in zip(counted(cdp), before, strict=True))
    assert nodes < SPARE_NODES, (before, nodes)
    assert listeners < SPARE_LISTENERS, (before, listeners)
    assert used < SPARE_BYTES, (before, used)
    assert page.evaluate(OPEN_STREAMS) == 1


def test_a_hidden_page_asks_for_nothing_and_catches_up_when_it_is_seen_again(
    server: RealServer, open_page: Open
) -> None:
    page = instrumented(open_page, server.url + "/", set_clock=True)
    page.evaluate(HIDE, True)
    assert page.evaluate(OPEN_STREAMS) == 0
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with executor(server, "meanwhile", "exec-1"):
        wait_until(
            lambda: "meanwhile" in httpx.get(server.url + "/", trust_env=False).text, 30, "it to be listed"
        )
        page.evaluate("document.dispatchEvent(new CustomEvent('console:refresh'))")
        # Longer than anything that a page does by itself is apart.
        page.clock.run_for(300_000)
        page.evaluate("fetch('/healthz')")
        # What was asked for before would have come before.
        wait_until(lambda: asked, 30, "the question of the test's own")
        assert asked == [f"{server.url}/healthz"]
        expect(page.get_by_text("meanwhile")).to_have_count(0)
        page.evaluate(HIDE, False)
        expect(page.get_by_role("row", name=re.compile("meanwhile"))).to_contain_text("Available")
    assert page.evaluate(OPEN_STREAMS) == 1


def test_a_page_goes_on_when_its_server_has_been_started_again(tmp_path: Path, open_page: Open) -> None:
    def command(port: int) -> list[str | Path]:
        serve = [sys.executable, "-m", "conductor_lite", "serve", "--dev", "--port", str(port)]
        return [*serve, "--data-dir", tmp_path / "data"]

    with Process(command(0), tmp_path / "first.log", cwd=tmp_path) as process:
        url = RealServer(process).url
        page = instrumented(open_page, url + "/", noise="net::ERR|Failed to fetch")
        page.evaluate("window.sameDocument = true")
        assert process.terminate(10) == 0
    page.wait_for_selector('#live-state[data-state="offline"]')
    port = urlsplit(url).port or 0
    with Process(command(port), tmp_path / "second.log", cwd=tmp_path) as process:
        again = RealServer(process)
        assert again.url == url
        wait_until_live(page)
        with executor(again, "afterwards", "exec-1"):
            expect(page.get_by_role("row", name=re.compile("afterwards"))).to_contain_text("Available")
        assert page.evaluate("window.sameDocument")
        page.close()


def test_pages_of_an_application_that_stands_still_answer_and_hold_up_no_others(showcase: Showcase) -> None:
    def look(path: str) -> tuple[httpx.Response, float]:
        answer = httpx.get(
            showcase.url + path, headers={"Accept": "text/html"}, trust_env=False, timeout=PATIENCE_SECS
        )
        return answer, answer.elapsed.total_seconds()

    with ThreadPoolExecutor(len(ASKING)) as threads:
        showcase.app.send_signal(signal.SIGSTOP)
        try:
            slow = [threads.submit(look, path) for path in ASKING]
            others = [look(path) for path in NOT_ASKING]
            assert not all(future.done() for future in slow), "nothing was asked of the application"
            found = [future.result() for future in slow]
        finally:
            showcase.app.send_signal(signal.SIGCONT)
    assert [answer.status_code for answer, _ in others] == [200] * len(NOT_ASKING)
    assert max(secs for _, secs in others) < PATIENCE_SECS / 3
    for path, (answer, _) in zip(ASKING, found, strict=True):
        # What is on record already is shown, the rest explained.
        assert answer.status_code in (200, 503), path
        assert "<h1" in answer.text, path
    # The table of workflows falls back to its last snapshot, if there was one yet; either way it says why.
    assert re.search(r"No executor .*answered within", found[1][0].text)
    wait_until(lambda: "HEALTHY" in showcase.conductor.statuses(APPLICATION).values(), 30, "it to be back")
    assert look(f"{APP}/queues")[1] < PATIENCE_SECS / 3
