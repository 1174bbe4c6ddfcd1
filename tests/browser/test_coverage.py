"""No page and no action of the console without a browser test before a real DBOS application."""

import importlib
import inspect
from pathlib import Path

from browser.test_sweep import PAGES
from support.console_routes import actions, pages, route_of


def carried_out() -> set[str]:
    """What the tests of this folder say they use; ``open_page`` holds each of them to it."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = importlib.import_module(f"browser.{path.stem}")
        for name, test in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and test.__module__ == module.__name__:
                for mark in getattr(test, "pytestmark", ()):
                    found |= set(mark.args) if mark.name == "carries_out" else set()
    return found


def test_every_action_and_download_is_carried_out() -> None:
    assert len(actions()) > 40
    assert actions() - carried_out() == set()


def test_every_page_is_swept_or_opened_by_a_test() -> None:
    assert len(pages()) > 40
    swept = {route_of("GET", path) for path in PAGES.values()}
    assert pages() - swept - carried_out() == set()


def test_nothing_is_said_of_routes_that_are_not_there() -> None:
    assert carried_out() - actions() - pages() == set()
