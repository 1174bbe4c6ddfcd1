"""The page behind the search box: what goes by an id or a name, in any application."""

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.frame import tab_url
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import link
from conductor_lite.console.urls import app_url, named_url, workflow_url
from conductor_lite.operations.search import MIN_PREFIX_LENGTH, Found, NamedMatch

#: What people call each kind of thing, in the order in which they are shown.
_KINDS = {
    "application": "Applications",
    "executor": "Executors",
    "version": "Versions",
    "queue": "Queues",
    "schedule": "Schedules",
    "api_key": "API keys",
}


class NamedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one kind that was found."""

    kind: str
    label: str
    #: Each with the address of its page.
    matches: tuple[tuple[NamedMatch, str], ...]
    has_more: bool


class SearchPage:
    """Shows what was found, or goes straight to it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its route."""
        return [Route("/search", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """What ``?q=`` finds. One workflow of exactly this id is gone to at once, and so is a sole match."""
        found = await self._site.operations.search.find(actor, request.query_params.get("q", ""))
        return Page(
            template="search.html",
            title=f"Search: {found.text[:60]}" if found.text else "Search",
            path=link("/search", {"q": found.text}),
            data=found,
            moved_to=_straight_to(found),
            extras={
                "search_text": found.text,
                "groups": _groups(found),
                "moment": _moment,
                "min_prefix_length": MIN_PREFIX_LENGTH,
                "all_workflows_url": _all_workflows_url,
            },
        )


def _straight_to(found: Found) -> str:
    """The page that is meant beyond doubt; nothing when there are several, or others could not be asked."""
    only_one = len(found.workflows) == 1 and (found.exact or not (found.named or found.unasked))
    if only_one:
        match = found.workflows[0]
        return workflow_url(match.application_name, match.workflow_id)
    if len(found.named) == 1 and not found.workflows and not found.unasked:
        return _url(found.named[0])
    return ""


def _groups(found: Found) -> list[NamedGroup]:
    return [
        NamedGroup(
            kind=kind,
            label=label,
            matches=tuple((match, _url(match)) for match in found.named if match.kind == kind),
            has_more=kind in found.more_of,
        )
        for kind, label in _KINDS.items()
        if any(match.kind == kind for match in found.named)
    ]


def _url(match: NamedMatch) -> str:
    application = match.application_name or ""
    match match.kind:
        case "api_key":
            return link("/keys", {"q": match.name})
        case "executor":
            return tab_url(application, "executors", q=match.name)
        case "version":
            return tab_url(application, "versions", q=match.name)
        case "queue":
            return named_url(application, "queues", match.name)
        case "schedule":
            return named_url(application, "schedules", match.name)
    return app_url(application)


def _all_workflows_url(application_name: str, prefix: str) -> str:
    return tab_url(application_name, "workflows", id=prefix)


def _moment(epoch_ms: int | None) -> datetime | None:
    """A time as executors tell it; None where they told none that a calendar knows."""
    try:
        return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
