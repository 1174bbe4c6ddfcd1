"""Charts in a real browser: drawn, read out, refreshed in place, and a drag that chooses the time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from browser.conftest import Open
from console.pictures import LocalAuthenticator
from console.serving import serving
from jinja2 import ChoiceLoader, DictLoader
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.guard import SecurityHeaders
from conductor_lite.config import Settings
from conductor_lite.console.assets import static_routes
from conductor_lite.console.charts import Line, Plot
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
TEMPLATE = """{% extends layout %}{% import "_macros.html" as ui with context %}
{% block live %}<h1>Charts</h1><div class="charts">
{% for plot in data %}{{ ui.chart(plot) }}{% endfor %}</div>
{{ ui.sparkline([1, 2, None, 4], "bad", "Failures") }}{% endblock %}"""


class Charts:
    """A page with charts that a test changes under way."""

    def __init__(self) -> None:
        self.runs = [float(number % 7) for number in range(12)]
        self.fails: list[float | None] = [None, None, 1.0, 0.0, 0.0, 9.0, 0.0, 0.0, None, 2.0, None, 0.0]

    async def show(self, request: Request, actor: Actor) -> Page:
        plots = (self.plot("runs", "counted", "count"), self.plot("took", "longest", "secs"))
        return Page(
            template="charts-test.html",
            title="Charts",
            data=plots,
            styles=("uplot.css", "charts.css"),
            scripts=("uplot.min.js", "charts.js"),
        )

    def plot(self, key: str, kind: Any, unit: Any) -> Plot:
        lines = (
            Line(label="<b>Succeeded", tone="good", values=tuple(self.runs)),
            Line(label="Failed", tone="bad", values=tuple(self.fails), dash=(7, 3)),
        )
        return Plot(
            key=key,
            title="Workflows",
            subtitle="per 15 minutes",
            kind=kind,
            unit=unit,
            start=START,
            step_secs=900,
            end=START + timedelta(minutes=175),
            lines=lines,
        )


@pytest.fixture
def charts() -> Iterator[tuple[Charts, str]]:
    charts = Charts()
    with _served(charts) as url:
        yield charts, url


@contextmanager
def _served(charts: Charts) -> Iterator[str]:
    site = Site(cast(Any, None), cast(Any, LocalAuthenticator()), Settings())
    environment = site._renderer._environment
    environment.loader = ChoiceLoader(
        [DictLoader({"charts-test.html": TEMPLATE}), cast(Any, environment.loader)]
    )
    routes = [Route("/", site.shows(charts.show)), *static_routes()]
    with serving(SecurityHeaders(Starlette(routes=routes))) as url:
        yield url


def refresh(page: Tab) -> None:
    """What live.js does when it hears of a change."""
    page.evaluate(
        "new Promise(done => { document.addEventListener('console:refreshed', done, {once: true});"
        " document.dispatchEvent(new CustomEvent('console:refresh')); })"
    )


def test_charts_are_drawn_read_out_and_refreshed(charts: tuple[Charts, str], open_page: Open) -> None:
    page = open_page(charts[1], timezone_id="Asia/Tokyo")
    # The zone that the page was told at first is none; the next one knows the reader's.
    page.reload()
    canvas = page.locator("#chart-runs canvas")
    expect(canvas).to_have_count(1)
    expect(page.locator("#chart-runs li").first).to_have_text("<b>Succeeded 31")
    assert colours(page)
    box = page.locator("#chart-runs .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 5.5 / 11.67, box["y"] + 40)
    # 22:00 in UTC is the next morning in Tokyo; both charts tell of the same moment.
    for key, failed in (("runs", "9"), ("took", "9 s")):
        figure = page.locator(f"#chart-{key}")
        expect(figure.locator(".chart-moment")).to_have_text("2 Mar 08:15 – 08:30")
        expect(figure.locator("li").nth(1)).to_contain_text(failed)
    page.evaluate("document.querySelector('#chart-runs canvas').drawnOnce = true")
    charts[0].fails[5] = 40.0
    refresh(page)
    expect(page.locator("#chart-runs li").nth(1)).to_contain_text("40")
    # Changed in place: it is the same canvas still.
    assert page.evaluate("document.querySelector('#chart-runs canvas').drawnOnce")
    page.mouse.move(5, 5)
    expect(page.locator("#chart-runs .chart-moment")).to_have_text("")
    expect(page.locator("#chart-runs li").nth(1)).to_contain_text("43")
    page.get_by_text("Numbers").first.click()
    row = page.locator("#chart-runs tbody tr").filter(has_text="08:30")
    expect(row.last).to_contain_text("40")


def test_a_drag_chooses_whole_steps(charts: tuple[Charts, str], open_page: Open) -> None:
    page = open_page(charts[1] + "/?range=6h&q=a")
    box = page.locator("#chart-runs .u-over").bounding_box()
    assert box
    step = box["width"] / (175 / 15)
    page.mouse.move(box["x"] + 2.4 * step, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 5.6 * step, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"/\?q=a&start=2026-03-01T22%3A30Z&end=2026-03-01T23%3A30Z$"))


def test_colours_follow_the_scheme_and_the_numbers_need_no_script(
    charts: tuple[Charts, str], open_page: Open
) -> None:
    page = open_page(charts[1], color_scheme="light", noise="Canvas2D")
    light = colours(page)
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.wait_for_selector("html[data-theme=dark]")
    assert colours(page) != light
    plain = open_page(charts[1], java_script_enabled=False)
    plain.get_by_text("Numbers").first.click()
    expect(plain.locator("#chart-runs tbody tr").first).to_contain_text("2026-03-02 00:45")
    expect(plain.locator("#chart-runs .chart-canvas")).to_be_hidden()


def colours(page: Tab) -> set[tuple[int, int, int]]:
    """The strongest colours of the first chart."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    pixels = page.evaluate(
        "(() => { const canvas = document.querySelector('#chart-runs canvas');"
        " const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        " const seen = new Set(); for (let at = 0; at < data.length; at += 4)"
        " if (data[at + 3] === 255) seen.add([data[at], data[at + 1], data[at + 2]].join());"
        " return [...seen].map(each => each.split(',').map(Number)); })()"
    )
    return {tuple(pixel) for pixel in pixels if max(pixel) - min(pixel) > 60}
