"""The page of an application's versions: who runs each, what waits for it, and which one is the latest."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.console.under_way import Groups, under_way
from conductor_lite.console.urls import app_url
from conductor_lite.errors import ConductorError, DispatchError, NotFoundError, UnsupportedMessageError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.executors import VersionView
from conductor_lite.operations.served import Served
from conductor_lite.operations.topics import application_topic
from conductor_lite.protocol import ApplicationVersionRecord, WorkflowAggregatesBody

LIVE_SECS = 5.0
_UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version in the table."""

    name: str
    #: Its executors that answer.
    healthy: int
    unresponsive: int
    disconnected: int
    dead: int
    stranded_since: datetime | None
    #: Workflows by status; None where nobody could be asked.
    pending: int | None
    enqueued: int | None
    delayed: int | None
    #: When the application registered it; None when it has not, or nobody could be asked.
    registered_at: datetime | None
    latest: bool


class VersionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    versions: tuple[VersionRow, ...]
    paging: Paging
    #: Workflows that wait in queues for no version in particular; None where nobody could be asked.
    unversioned: int | None
    #: Why registered versions, and numbers of workflows, are not told; empty when they are.
    registered_problem: str = ""
    counts_problem: str = ""
    #: Where they came from; None where they are not told.
    registered_served: Served | None = None
    counts_served: Served | None = None
    #: Why they are not fresh although executors are connected; empty mostly.
    trouble: str = ""


class LatestView(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked before a version is made the latest."""

    application_name: str
    version_name: str
    #: The one that is the latest now; None where none is registered.
    present: str | None
    #: Healthy executors of either.
    healthy: int
    present_healthy: int


class _Registered(NamedTuple):
    versions: Sequence[ApplicationVersionRecord]
    served: Served | None
    problem: str
    trouble: str = ""


class VersionsPage:
    """Shows versions, and makes one the latest."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        path = "/apps/{name}/versions"
        return [
            Route(path, self._site.shows(self.show), methods=["GET"]),
            Route(f"{path}/latest", self._site.shows(self.ask_latest), methods=["GET"]),
            Route(f"{path}/latest", self._site.does(self.set_latest), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?q=`` narrows it."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        registered = await self._registered(actor, name)
        counts, counted, counts_problem = await self._counts(actor, name)
        query = request.query_params.get("q", "").strip()
        rows = [row for row in _rows(application, registered, counts) if query.lower() in row.name.lower()]
        shown, paging = cut(rows, page_number(request.query_params))
        return Page(
            template="versions.html",
            title=f"Versions of {name}",
            section="home",
            path=app_url(name, "versions"),
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            styles=("overview.css",),
            data=VersionsView(
                versions=shown,
                paging=paging,
                unversioned=None if counts is None else counts.get("", {}).get("ENQUEUED", 0),
                registered_problem=registered.problem,
                counts_problem=counts_problem,
                registered_served=registered.served,
                counts_served=None if counted is None else counted.served,
                trouble=registered.trouble or ("" if counted is None else counted.trouble),
            ),
            extras={"frame": frame(application, actor, "versions"), "filters": {"q": query}},
        )

    async def ask_latest(self, request: Request, actor: Actor) -> Page:
        """Ask before ``?version=`` becomes the latest."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name, version = application.record.name, request.query_params.get("version", "")
        registered = await self._site.operations.versions.list(actor, name)
        if version not in {record.version_name for record in registered}:
            raise NotFoundError(f"{name} has no version {version!r}.")
        present = registered[0].version_name
        healthy = {each.application_version: each.healthy for each in application.versions}
        return Page(
            template="version_latest.html",
            title=f"Make {version} the latest version?",
            section="home",
            data=LatestView(
                application_name=name,
                version_name=version,
                present=present,
                healthy=healthy.get(version, 0),
                present_healthy=healthy.get(present, 0),
            ),
            extras={"frame": frame(application, actor, "versions")},
        )

    async def set_latest(self, request: Request, actor: Actor, form: Form) -> Response:
        """Make a version the latest, and come back."""
        name, version = request.path_params["name"], form.text("version")
        await self._site.operations.versions.set_latest(actor, name, version)
        flash = Flash(text=f"{version} is the latest version of {name} now.")
        return self._site.redirect(request, app_url(name, "versions"), flash)

    async def _registered(self, actor: Actor, name: str) -> _Registered:
        try:
            found = await self._site.operations.versions.recall(actor, name)
        except DispatchError as error:
            return _Registered([], None, why_not(error))
        return _Registered(found.items, found.served, "", found.trouble)

    async def _counts(
        self, actor: Actor, name: str
    ) -> tuple[dict[str, dict[str, int]] | None, Groups | None, str]:
        """Unfinished workflows by version and status; where they came from, or why not."""
        body = WorkflowAggregatesBody(
            group_by_application_version=True,
            group_by_status=True,
            select_count=True,
            status=list(_UNFINISHED),
            application_name=[name],
        )
        try:
            found = await under_way(actor, self._site.operations, name, body)
        except DispatchError as error:
            return None, None, why_not(error)
        counts: dict[str, dict[str, int]] = {}
        for group in found.groups:
            version = group.group.get("application_version") or group.group.get("app_version") or ""
            status = group.group.get("status") or ""
            by_status = counts.setdefault(version, {})
            by_status[status] = by_status.get(status, 0) + (group.count or 0)
        return counts, found, ""


def why_not(error: ConductorError) -> str:
    """Why executors could not tell something, as a sentence for people."""
    if isinstance(error, UnsupportedMessageError):
        return "The application's SDK is too old to tell; a newer one does."
    return str(error)


def _rows(
    application: Application, registered: _Registered, counts: dict[str, dict[str, int]] | None
) -> list[VersionRow]:
    """Every version that anybody knows: the latest first, then as registered, then those without record."""
    running = {version.application_version: version for version in application.versions}
    known = {record.version_name: record for record in registered.versions}
    names = list(known)
    names += [name for name in running if name not in known]
    names += sorted(name for name in counts or {} if name and name not in known and name not in running)
    rows = []
    for name in names:
        mine = None if counts is None else counts.get(name, {})
        rows.append(_row(name, running.get(name), known.get(name), mine, name == names[0]))
    return rows


def _row(
    name: str,
    running: VersionView | None,
    record: ApplicationVersionRecord | None,
    counts: dict[str, int] | None,
    is_first: bool,
) -> VersionRow:
    running = running or VersionView(application_version=name)
    pending, enqueued, delayed = (None if counts is None else counts.get(status, 0) for status in _UNFINISHED)
    created_ms = record.created_at_epoch_ms if record is not None else None
    return VersionRow(
        name=name,
        healthy=running.healthy - running.unresponsive,
        unresponsive=running.unresponsive,
        disconnected=running.disconnected,
        dead=running.dead,
        stranded_since=running.stranded_since,
        pending=pending,
        enqueued=enqueued,
        delayed=delayed,
        registered_at=None if created_ms is None else datetime.fromtimestamp(created_ms / 1000, UTC),
        latest=is_first and record is not None,
    )
