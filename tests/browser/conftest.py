"""A real Chromium, pages that fail the test when something goes wrong unseen, and servers to look at."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from console.pictures import (
    HOSTILE,
    LocalAuthenticator,
    PicturedOperations,
    api_key,
    hostile,
    orders,
)
from console.serving import serving
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from support.console_routes import route_of
from support.orders import Orders
from support.process import Process
from support.showcase import Showcase
from support.tools import require

from conductor_lite.auth.guard import SecurityHeaders
from conductor_lite.config import Settings
from conductor_lite.console.pages import Console
from conductor_lite.fleet.changes import Changes

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: A pattern of what the browser itself says about an answer that is meant to be an error.
_EXPECTED_NOISE = "Failed to load resource: the server responded with a status of 4"

#: How long something may take to show, in milliseconds: machines that run tests can be slow and busy.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: as long as it lives, its event loop keeps other tests from running theirs."""
    executable = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens pages; afterwards the test fails if any of them logged an error or broke the CSP.

    It also fails where it did not use every route that it says it carries out (``support.console_routes``).
    A test that uses a server as well names that one first: pages then close before it goes.
    """
    complaints: list[str] = []
    answered: list[tuple[str, str]] = []
    with ExitStack() as stack:

        def context(options: dict[str, Any]) -> BrowserContext:
            made = browser.new_context(**options)
            stack.callback(made.close)
            made.on(
                "response",
                lambda response: (
                    answered.append((response.request.method, response.url))
                    if response.status < 400
                    else None
                ),
            )
            return made

        def open_page(
            url: str, *, width: int = 1440, height: int = 900, noise: str = _EXPECTED_NOISE, **options: Any
        ) -> Page:
            page = context({"viewport": {"width": width, "height": height}, **options}).new_page()
            page.set_default_timeout(PATIENCE_MS)
            # What a link downloads is no response to the page.
            page.on("download", lambda download: answered.append(("GET", download.url)))
            page.on("pageerror", lambda error: complaints.append(f"{url}: {error}"))
            page.on(
                "console",
                lambda message: (
                    complaints.append(f"{url}: {message.type}: {message.text}")
                    if message.type in ("error", "warning") and not re.search(noise, message.text)
                    else None
                ),
            )
            page.goto(url)
            return page

        yield open_page
        require_carried_out(request.node, answered)
    assert complaints == []


def require_carried_out(test: pytest.Item, answered: Iterable[tuple[str, str]]) -> None:
    """Hold a test to its mark: only what a server answered counts that has a real application."""
    promised = {route for mark in test.iter_markers("carries_out") for route in mark.args}
    if promised:
        used = cast(Any, test).funcargs.values()
        origins = [each.url for each in used if isinstance(each, Showcase | Orders)]
        assert origins, "no real application is in this test"
        done = {route_of(method, url) for method, url in answered if url.startswith(tuple(origins))}
        assert promised - done == set(), "never done, or always refused"


@pytest.fixture(scope="session")
def pictured() -> Iterator[tuple[str, PicturedOperations]]:
    """A console on pictures of a fleet in every kind of trouble: its URL and its operations."""
    now = datetime.now(UTC)
    operations = PicturedOperations(orders(now), hostile(now), now=now)
    operations.api_keys = [api_key("orders-prod", now), api_key(HOSTILE, now, id="qqqqqqqqqqqq")]
    operations.entries = [entry for picture in operations.pictures.values() for entry in picture.recoveries]
    with _console(operations) as url:
        yield url, operations


@pytest.fixture(scope="session")
def empty_url() -> Iterator[str]:
    """A console without any application."""
    with _console(PicturedOperations()) as url:
        yield url


def _console(operations: PicturedOperations) -> Any:
    operations.changes = cast(Any, Changes())
    console = Console(cast(Any, operations), cast(Any, LocalAuthenticator()), Settings())
    app = Starlette(
        routes=console.routes(),
        exception_handlers={HTTPException: console.error_page, Exception: console.error_page},
    )
    return serving(SecurityHeaders(app))


class RealServer:
    """``conductor-lite serve --dev`` in a process of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process
        line = process.wait_for_line(" is ready", 60)
        self.url = next(word for word in line.split() if word.startswith("http://"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    command = [sys.executable, "-m", "conductor_lite", "serve", "--dev", "--port", "0"]
    command += ["--data-dir", str(tmp_path / "data")]
    with Process(command, tmp_path / "server.log", cwd=tmp_path) as process:
        yield RealServer(process)


@pytest.fixture(scope="session")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    """A real server with a real application that has something of everything. Leave it as it is."""
    with Showcase(tmp_path_factory.mktemp("showcase")) as showcase:
        yield showcase
