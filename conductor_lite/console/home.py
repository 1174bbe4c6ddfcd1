"""The home page: what needs a person first, then every application; and registering one."""

from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.snippets import server_url, snippets
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.errors import ForbiddenError, InvalidError
from conductor_lite.operations.applications import NAME_PATTERN, NAME_RULE, Application
from conductor_lite.operations.overview import Activity, Attention
from conductor_lite.operations.topics import APPLICATIONS

#: Seconds between two looks: what happened is on record a few seconds after each minute.
LIVE_SECS = 10.0
#: The same while something is being counted, as after a restart.
COUNTING_SECS = 1.0
#: What needs a person and is shown at once; the rest unfolds.
ATTENTION_SHOWN = 12


class ApplicationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One application in the table."""

    name: str
    #: ``available``, ``unavailable`` (all its executors are lost) or ``waiting`` (it has none).
    state: str
    healthy: int
    #: Of the healthy ones, those that do not answer.
    unresponsive: int
    disconnected: int
    dead: int
    #: Newest first.
    versions: tuple[str, ...]
    stranded_versions: tuple[str, ...]
    language: str | None
    private_mode: bool
    #: What happened in the last hours; None for those who may not see it.
    activity: Activity | None

    @property
    def executors(self) -> int:
        """All of them."""
        return self.healthy + self.disconnected + self.dead


class HomeView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the home page shows."""

    attention: tuple[Attention, ...]
    applications: tuple[ApplicationRow, ...]
    paging: Paging
    #: Whether what happened lately is still being counted, and what needs a person because of it.
    counting: bool
    #: Applications in all, whatever the filter.
    application_count: int
    healthy: int
    unresponsive: int
    disconnected: int
    dead: int


class HomePage:
    """Shows the overview and registers applications."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [
            Route("/", self._site.shows(self.show), methods=["GET"]),
            Route("/apps", self._site.does(self.register), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page, filtered by ``?q=``."""
        return await self._page(request, actor)

    async def register(self, request: Request, actor: Actor, form: Form) -> Response:
        """Register an application, and go to its page."""
        name = form.text("name")
        try:
            # Asked here as well, because a name in the wrong letters should say so beside its field.
            if not NAME_PATTERN.fullmatch(name):
                raise InvalidError(f"A name has {NAME_RULE}.")
            await self._site.operations.applications.register(
                actor, name, private_mode=form.checked("private_mode")
            )
        except (InvalidError, ForbiddenError) as error:
            page = await self._page(request, actor, name=name, problem=explain(error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(
            request, f"/apps/{quote(name)}", Flash(text=f"Registered {name}. Now connect its executors.")
        )

    async def _page(self, request: Request, actor: Actor, *, name: str = "", problem: str = "") -> Page:
        overview = await self._site.operations.overviews.home(actor)
        rows = [
            _row(application, overview.activity.get(application.record.name))
            for application in overview.applications
        ]
        query = request.query_params.get("q", "").strip()
        shown, paging = cut([row for row in rows if query in row.name], page_number(request.query_params))
        url = server_url(request)
        view = HomeView(
            attention=overview.attention,
            applications=shown,
            paging=paging,
            counting=overview.counting,
            application_count=len(rows),
            healthy=sum(row.healthy for row in rows),
            unresponsive=sum(row.unresponsive for row in rows),
            disconnected=sum(row.disconnected for row in rows),
            dead=sum(row.dead for row in rows),
        )
        return Page(
            template="home.html",
            title=f"({len(view.attention)}) Applications" if view.attention else "Applications",
            section="home",
            path="/",
            topics=(APPLICATIONS,),
            poll_secs=COUNTING_SECS if overview.counting else LIVE_SECS,
            styles=("overview.css",),
            data=view,
            extras={
                "filters": {"q": query},
                "attention_shown": ATTENTION_SHOWN,
                "form": {"name": name, "problem": problem, "rule": NAME_RULE},
                "server_url": url,
                "snippets": snippets(url),
            },
        )


def _row(application: Application, activity: Activity | None) -> ApplicationRow:
    versions = application.versions
    healthy = sum(version.healthy for version in versions)
    unresponsive = sum(version.unresponsive for version in versions)
    missing = sum(version.disconnected + version.dead for version in versions)
    record = application.record
    return ApplicationRow(
        name=record.name,
        state="available" if application.available else "unavailable" if missing else "waiting",
        healthy=healthy,
        unresponsive=unresponsive,
        disconnected=sum(version.disconnected for version in versions),
        dead=sum(version.dead for version in versions),
        versions=tuple(version.application_version for version in versions),
        stranded_versions=tuple(v.application_version for v in versions if v.stranded_since is not None),
        language=record.language,
        private_mode=record.private_mode,
        activity=activity,
    )
