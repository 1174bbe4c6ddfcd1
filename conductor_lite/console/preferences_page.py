"""The page of the reader's preferences: the time zone that exact times are told in."""

import functools
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.preferences import Preferences, preferences, remember_zone
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.errors import InvalidError


class PreferencesPage:
    """Shows and takes the form."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [
            Route("/preferences", self._site.shows(self.show), methods=["GET"]),
            Route("/preferences", self._site.does(self.save), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The form; ``?back=`` is the page to return to."""
        return _page(preferences(request), request.query_params.get("back", ""))

    async def save(self, request: Request, actor: Actor, form: Form) -> Response:
        """Remember the zone, and go back to where the reader was."""
        zone_name, back = form.text("zone"), form.text("back")
        words = f"Times are told in {zone_name} now." if zone_name else "Times are told in your own zone now."
        response = self._site.redirect(request, _own_path(back), Flash(text=words), anew=True)
        try:
            remember_zone(response, zone_name)
        except InvalidError as error:
            page = _page(preferences(request), back, zone_name, explain(error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return response


def _page(prefers: Preferences, back: str, zone_name: str | None = None, problem: str = "") -> Page:
    return Page(
        template="preferences.html",
        title="Preferences",
        path="/preferences",
        data=prefers,
        extras={
            "zones": _zones(),
            "zone_name": prefers.zone_name if zone_name is None else zone_name,
            "back": _own_path(back),
            "problem": problem,
        },
    )


@functools.cache
def _zones() -> list[str]:
    """All names of time zones; they are read from hundreds of files."""
    return sorted(available_timezones())


def _own_path(url: str) -> str:
    """An address on this server; anything else means home."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    # Browsers take two slashes at the beginning, and more, for another server's name.
    is_own = not parts.scheme and not parts.netloc and url.startswith("/") and not url.startswith("//")
    return url if is_own and "\\" not in url else "/"
