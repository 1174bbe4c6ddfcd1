"""What moves on a page by itself, as the browser sees it; for pages whose data rests meanwhile."""

from typing import Any

from playwright.sync_api import Page

#: Above this a page counts as one that jumps: https://web.dev/articles/cls has 0.1 as good.
LIMIT = 0.01

#: Keeps what moves without the reader's doing, with where each thing was and is; and a clock to put forward.
_WATCH = """
(() => {
  const place = ({x, y, width, height}) => [x, y, width, height].map(Math.round).join(" ");
  const told = ({node, previousRect, currentRect}) => {
    const element = node instanceof Element ? node : node?.parentElement;
    const name = element ? element.cloneNode().outerHTML.slice(0, 120) : "something gone";
    const words = (node?.textContent ?? "").trim().replace(/\\s+/g, " ").slice(0, 60);
    return `    ${name} ${JSON.stringify(words)}: ${place(previousRect)} -> ${place(currentRect)}`;
  };
  window.shifts = [];
  const keep = (entries) => {
    for (const entry of entries) {
      if (entry.hadRecentInput) continue;
      const at = `  ${entry.value.toFixed(4)} at ${Math.round(entry.startTime)} ms (x y width height)`;
      window.shifts.push([entry.value, [at, ...entry.sources.map(told)].join("\\n")]);
    }
  };
  const observer = new PerformanceObserver((list) => keep(list.getEntries()));
  observer.observe({type: "layout-shift", buffered: true});
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  // What was laid out by now has been drawn once the second frame begins.
  window.takeShifts = async () => {
    await frame();
    await frame();
    keep(observer.takeRecords());
    return window.shifts.splice(0);
  };
  window.refreshed = new Promise((done, fail) => {
    document.addEventListener("console:refreshed", done, {once: true});
    setTimeout(() => fail(new Error("the page did not fetch itself within 30 s")), 30_000);
  });
  window.refreshed.catch(() => {});
  const now = Date.now;
  window.aheadMs = 0;
  Date.now = () => now() + window.aheadMs;
})();
"""


def watch(page: Page) -> None:
    """Watch whatever this page shows from now on."""
    page.add_init_script(_WATCH)


def await_refresh(page: Page) -> None:
    """Until the page has fetched itself once, where it is one that does."""
    page.wait_for_load_state("load")
    if page.locator("#live[data-watched]").count():
        page.evaluate("window.refreshed.then(() => {})")


def taken(page: Page) -> tuple[float, str]:
    """How much moved since the page began or this was asked last, and what it was."""
    found: list[Any] = page.evaluate("window.takeShifts()")
    return sum(value for value, _ in found), "\n".join(words for _, words in found)


def put_clock_forward(page: Page, secs: float) -> None:
    """Let time pass at once: relative times are worded anew, as they are each second."""
    page.evaluate(
        """(ms) => {
          window.aheadMs += ms;
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        secs * 1000,
    )
