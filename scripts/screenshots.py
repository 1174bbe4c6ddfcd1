"""Takes the pictures of the console that the documents show: runs the demo, kills one process, and looks.

Run by scripts/screenshots; needs Debian's chromium. Writes docs/images/.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
DEADLINE_SECS = 90
#: Picture name, address, and what must stand on the page before it is taken.
PAGES = (
    ("home", "/", "Applications"),
    ("application", "/apps/demo-shop", "Recent recoveries"),
    ("executors", "/apps/demo-shop/executors", "Disconnected"),
    ("queues", "/apps/demo-shop/queues", "packing"),
    ("queue", "/apps/demo-shop/queues/packing", "In and out"),
    ("versions", "/apps/demo-shop/versions", "latest"),
    ("keys", "/keys", "API keys"),
    ("audit", "/audit", "Audit log"),
)


def main() -> None:
    """Take every picture, light and dark."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with _demo() as (url, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        os.kill(pid, signal.SIGKILL)
        for name, path, words in PAGES:
            for scheme in ("light", "dark"):
                _take(browser, url + path, words, scheme, IMAGES / f"{name}-{scheme}.png")
        browser.close()


def _take(browser: Browser, url: str, words: str, scheme: str, target: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 640}, color_scheme=scheme)
    page.goto(url)
    page.get_by_text(words, exact=False).first.wait_for(timeout=15_000)
    page.screenshot(path=target)
    page.close()
    print(target)


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
            # A little history looks better than none.
            time.sleep(8)
            yield text[1], int(text[2])
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(log: Path, pattern: str) -> re.Match[str]:
    give_up_at = time.monotonic() + DEADLINE_SECS
    while time.monotonic() < give_up_at:
        if found := re.search(pattern, log.read_text()):
            return found
        time.sleep(0.2)
    raise SystemExit(f"The demo did not start:\n{log.read_text()}")


if __name__ == "__main__":
    main()
