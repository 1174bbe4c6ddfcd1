"""Takes the documents' pictures of the console: runs the demo for some minutes, kills one process, and looks.

Nothing in them is made up: what they show, the demo did. Run by scripts/screenshots [NAME...]; needs Debian's
chromium. Writes docs/images/, each page light and dark.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from _png import small
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from conductor_lite.api.schemas.alerting import CreateAlertInputBody
from conductor_lite.api.schemas.applications import PatchAppInputBody
from conductor_lite.api.schemas.audit import AuditQuery
from conductor_lite.api.schemas.autoscaling import AutoscalePolicy
from conductor_lite.api.schemas.metrics import SeriesQuery
from conductor_lite.api.schemas.tokens import CreateTokenInputBody
from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.client import Client, calls

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
Scheme: TypeAlias = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
DEADLINE_SECS = 90
#: Whole minutes on record before charts are worth a look, and seconds that may pass until they are there.
HISTORY_MINUTES, HISTORY_SECS = 4, 480
#: Pixels.
WIDTH, LEAST_HEIGHT, MOST_HEIGHT = 1280, 400, 720
SHOP = "demo-shop"
APP = f"/apps/{SHOP}"


@dataclass(frozen=True)
class Picture:
    """One picture of one page."""

    #: Begins the file's name.
    name: str
    #: Where the page is; ``{done}`` and ``{failed}`` stand for ids of orders that ended so.
    path: str
    #: What must stand on the page before it is taken.
    words: str
    #: What to click first, one after the other.
    clicks: tuple[str, ...] = ()
    width: int = WIDTH
    height: int = MOST_HEIGHT


#: While an executor that was just killed is missed, and not yet declared dead.
MISSED = (
    Picture("home", "/", "disconnected"),
    Picture("executors", f"{APP}/executors", "Disconnected"),
)
#: When it was declared dead and its work recovered.
RECOVERED = (
    Picture("overview", f"{APP}?range=15m", "Recent recoveries", height=1240),
    Picture("workflows", f"{APP}/workflows", "fulfil_order", height=600),
    Picture("workflows-narrow", f"{APP}/workflows?tree=1", "fulfil_order", width=390, height=844),
    Picture("workflow", f"{APP}/workflows/{{done}}", "fulfil_order", height=1240),
    Picture("workflow-failed", f"{APP}/workflows/{{failed}}", "Card of"),
    Picture("timeline", f"{APP}/workflows/{{done}}?view=timeline", "pack_parcel"),
    Picture("graph", f"{APP}/workflows/{{done}}?view=graph", "deliver_parcel"),
    Picture("events", f"{APP}/workflows/{{done}}?view=events", "status"),
    Picture("notifications", f"{APP}/workflows/{{done}}?view=notifications", "delivered"),
    Picture("streams", f"{APP}/workflows/{{done}}?view=streams", "progress"),
    Picture(
        "dialog",
        f"{APP}/workflows?status=ERROR",
        "fulfil_order",
        clicks=("main details.menu > summary", "main a[href*='/bulk/fork-from-failure']"),
    ),
    Picture("queues", f"{APP}/queues?range=15m", "packing"),
    Picture("queue", f"{APP}/queues/packing?range=15m", "In and out"),
    Picture("schedules", f"{APP}/schedules", "stock-taking"),
    Picture("schedule", f"{APP}/schedules/stock-taking", "take_stock"),
    Picture("versions", f"{APP}/versions", "latest"),
    Picture("alerts", f"{APP}/alerts", "was lost: "),
    Picture("retention", f"{APP}/retention", "Retention"),
    Picture("autoscaling", f"{APP}/autoscaling?range=15m", "Policy"),
    Picture("app-settings", f"{APP}/settings", "Settings"),
    Picture("search", "/search?q={prefix}", "fulfil_order", height=600),
    Picture("keys", "/keys", "API keys"),
    Picture("users", "/users", "Users"),
    Picture("audit", "/audit", "Audit log", height=600),
    Picture("settings", "/settings", "Settings"),
)
PICTURES = MISSED + RECOVERED


def main(names: Sequence[str]) -> None:
    """Take the pictures of those names; or all, and remove those that are none of ours."""
    if unknown := set(names) - {picture.name for picture in PICTURES}:
        raise SystemExit(f"There are no such pictures: {', '.join(sorted(unknown))}.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with _demo() as (url, pid), Client(url) as client, sync_playwright() as playwright:
        _set_up(client)
        _wait_until(lambda: _minutes(client) >= HISTORY_MINUTES, "a history", HISTORY_SECS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: "DISCONNECTED" in _statuses(client), "the dead executor to be missed")
        _take_all(browser, url, _wanted(MISSED, names))
        _wait_until(lambda: _has_recovered(client), "its recovery")
        _wait_until(lambda: bool(list(client.stream(calls.list_alerts(SHOP)))), "an alert")
        _take_all(browser, url, [_of_orders(picture, client) for picture in _wanted(RECOVERED, names)])
        browser.close()
    if not names:
        _remove_others()


def _wanted(pictures: Sequence[Picture], names: Sequence[str]) -> list[Picture]:
    return [picture for picture in pictures if not names or picture.name in names]


def _set_up(client: Client) -> None:
    """Do what people do with a new application, so that its pages have something to show."""
    for rule_type, metadata in (
        ("ExecutorLost", {"threshold": 1, "period_secs": 300}),
        ("WorkflowFailure", {"workflow_name": "fulfil_order", "threshold": 20, "period_secs": 600}),
        ("SlowQueue", {"queue_name": "packing", "threshold_secs": 300}),
        ("ScheduleMissed", {"schedule_name": "daily-sales", "grace_secs": 300}),
    ):
        rule = CreateAlertInputBody(rule_type=rule_type, rule_metadata=metadata)
        client.run(calls.create_alerting_rule(SHOP, rule))
    client.run(calls.set_autoscaling_policy(SHOP, AutoscalePolicy(queue="packing")))
    client.run(calls.update_app(SHOP, PatchAppInputBody(gc_time_threshold_ms=7 * 86_400_000)))
    client.run(calls.run_retention(SHOP))
    client.run(calls.create_token("shop-production", CreateTokenInputBody(app_names=[SHOP])))
    client.run(calls.create_token("keda", CreateTokenInputBody(permissions=["application.read"])))


def _minutes(client: Client) -> int:
    """Of how many minutes it is on record how many workflows succeeded."""
    now = datetime.now(UTC)
    query = SeriesQuery(
        start_time=now - timedelta(hours=1),
        end_time=now,
        resolution_secs=60,
        families="workflow_succeeded",
    )
    series = client.run(calls.get_metric_series(SHOP, query)).series
    return max((sum(bool(value) for value in each.values) for each in series), default=0)


def _statuses(client: Client) -> set[str]:
    return {executor.status for executor in client.run(calls.list_executors(SHOP))}


def _has_recovered(client: Client) -> bool:
    query = AuditQuery(operation="executor.recovery", limit=1)
    return bool(list(client.stream(calls.list_audit_logs(query))))


def _of_orders(picture: Picture, client: Client) -> Picture:
    """The picture with ids of orders in its address, so far as it wants some."""
    if "{" not in picture.path:
        return picture
    done, failed = _an_order(client, "SUCCESS"), _an_order(client, "ERROR", "Card of")
    return replace(picture, path=picture.path.format(done=done, failed=failed, prefix=done[:7]))


def _an_order(client: Client, status: str, error: str = "") -> str:
    """The id of the order that ended so last."""
    search = WorkflowSearchBody(
        workflow_name=["fulfil_order"], status=[status], sort_desc=True, limit=100, load_output=True
    )
    for workflow in client.stream(calls.search_workflows(SHOP, search)):
        if error in str(workflow.error):
            return workflow.workflow_id
    raise SystemExit(f"No order ended with {status} {error}.")


def _take_all(browser: Browser, url: str, pictures: Sequence[Picture]) -> None:
    for picture in pictures:
        for scheme in SCHEMES:
            _take(browser, url, picture, scheme)


def _take(browser: Browser, url: str, picture: Picture, scheme: Scheme) -> None:
    size = ViewportSize(width=picture.width, height=picture.height if picture.clicks else LEAST_HEIGHT)
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(15_000)
    page.goto(url + picture.path)
    page.locator("main").get_by_text(picture.words).locator("visible=true").first.wait_for()
    _settle(page)
    for selector in picture.clicks:
        page.locator(selector).first.click()
    if picture.clicks:
        page.locator("#modal[open] h1").wait_for()
    else:
        # A page with little on it needs no picture that is mostly empty.
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size(ViewportSize(width=picture.width, height=min(tall, picture.height)))
    target = IMAGES / f"{picture.name}-{scheme}.png"
    target.write_bytes(small(page.screenshot()))
    page.close()
    print(target)


def _settle(page: Page) -> None:
    """Wait until the page is live and its charts are drawn, where it is one that is and has some."""
    page.wait_for_load_state("load")
    if page.locator("#live[data-watched]").count():
        page.wait_for_selector('#live-state[data-state="live"]')
    # Asked again and again from here: the page's own policy lets it evaluate no text.
    drawn = "[...document.querySelectorAll('[data-chart]')].every(chart => chart.querySelector('canvas'))"
    _wait_until(lambda: bool(page.evaluate(drawn)), f"the charts of {page.url}")


def _remove_others() -> None:
    ours = {f"{picture.name}-{scheme}.png" for picture in PICTURES for scheme in SCHEMES}
    for path in IMAGES.glob("*.png"):
        if path.name not in ours:
            path.unlink()


@contextmanager
def _demo() -> Iterator[tuple[str, int]]:
    """Run ``serve --demo``; yields its URL and the process that it says to kill."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "conductor_lite", "serve", "--demo", "--port", "0"]
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*command, "--data-dir", str(Path(folder) / "data")], stdout=output, stderr=output
            )
        try:
            text = _wait_for(log, r"Open (http\S+), then kill one with 'kill -9 (\d+)'")
            yield text[1], int(text[2])
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(log: Path, pattern: str) -> re.Match[str]:
    """What the server said; waits until it has."""
    found: re.Match[str] | None = None

    def look() -> bool:
        nonlocal found
        found = re.search(pattern, log.read_text())
        return found is not None

    _wait_until(look, f"the demo, whose log is {log}")
    assert found is not None
    return found


def _wait_until(condition: Callable[[], bool], what: str, timeout_secs: float = DEADLINE_SECS) -> None:
    give_up_at = time.monotonic() + timeout_secs
    while not condition():
        if time.monotonic() > give_up_at:
            raise SystemExit(f"Waited {timeout_secs:g} s for {what} in vain.")
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1:])
