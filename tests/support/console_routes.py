"""The routes of the console by name, such as ``POST /apps/{name}/recover``; sends no requests."""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import pytest
from starlette.routing import Match, Route

from conductor_lite.config import Settings
from conductor_lite.console.pages import build_routes
from conductor_lite.console.site import Site

#: What ``Site.shows`` makes an endpoint of.
_PAGE = f"{Site.shows.__qualname__}.<locals>.endpoint"
#: Routes that no reader opens by himself.
_UNSEEN = ("/events", "/static")

_ROUTES = [
    route
    for route in build_routes(cast(Any, None), cast(Any, None), Settings())
    if isinstance(route, Route) and not route.path.startswith(_UNSEEN)
]


def carries_out(*routes: str) -> Callable[[Any], Any]:
    """Say which actions, downloads and dialogs a browser test uses before a real DBOS application.

    Who says so checks what became of it, where the application or a program sees it. That each was used and
    not refused is checked when the test is over; that no route is left out, by ``test_coverage``.
    """
    return cast(Callable[[Any], Any], pytest.mark.carries_out(*routes))


def actions() -> set[str]:
    """Everything that changes something or is downloaded."""
    return {_name(route) for route in _ROUTES if not _is_page(route)}


def pages() -> set[str]:
    """Everything that is looked at, questions included."""
    return {_name(route) for route in _ROUTES if _is_page(route)}


def route_of(method: str, url: str) -> str | None:
    """The name of the route behind an address; None where none of the console is."""
    scope = {"type": "http", "method": method, "path": unquote(urlsplit(url).path)}
    return next((_name(route) for route in _ROUTES if route.matches(scope)[0] is Match.FULL), None)


def _is_page(route: Route) -> bool:
    return cast(Any, route.endpoint).__qualname__ == _PAGE


def _name(route: Route) -> str:
    return f"{'POST' if 'POST' in (route.methods or ()) else 'GET'} {route.path}"
