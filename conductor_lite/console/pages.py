"""The console put together: every page's routes, the live streams, the assets, and pages for errors."""

import asyncio
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.config import Settings
from conductor_lite.console.alerts.page import AlertsPage
from conductor_lite.console.alerts.rules import AlertRulesPage
from conductor_lite.console.alerts.targets import AlertTargetsPage
from conductor_lite.console.app_settings import AppSettingsPage
from conductor_lite.console.assets import static_routes
from conductor_lite.console.audit import AuditPage
from conductor_lite.console.autoscaling import AutoscalingPage
from conductor_lite.console.bulk.page import BulkPage
from conductor_lite.console.executors import ExecutorsPage
from conductor_lite.console.home import HomePage
from conductor_lite.console.keys import KeysPage
from conductor_lite.console.live import EventStreams
from conductor_lite.console.overview import OverviewPage
from conductor_lite.console.preferences_page import PreferencesPage
from conductor_lite.console.queues.page import QueuesPage
from conductor_lite.console.retention import RetentionPage
from conductor_lite.console.schedules import SchedulesPage
from conductor_lite.console.search import SearchPage
from conductor_lite.console.server_settings import SettingsPage
from conductor_lite.console.site import Problem, Site
from conductor_lite.console.users import UsersPage
from conductor_lite.console.versions import VersionsPage
from conductor_lite.console.workflow.actions import WorkflowActionsPage
from conductor_lite.console.workflow.page import WorkflowPage
from conductor_lite.console.workflow.payloads import PayloadPage
from conductor_lite.console.workflows.files import WorkflowFilesPage
from conductor_lite.console.workflows.importing import WorkflowImportPage
from conductor_lite.console.workflows.known import WorkflowKnownPage
from conductor_lite.console.workflows.page import WorkflowsPage
from conductor_lite.errors import ConductorError
from conductor_lite.operations import Operations

_PAGES = (
    HomePage,
    OverviewPage,
    ExecutorsPage,
    VersionsPage,
    QueuesPage,
    AppSettingsPage,
    WorkflowsPage,
    WorkflowFilesPage,
    WorkflowImportPage,
    WorkflowKnownPage,
    BulkPage,
    WorkflowPage,
    PayloadPage,
    WorkflowActionsPage,
    SchedulesPage,
    RetentionPage,
    AutoscalingPage,
    AlertsPage,
    AlertRulesPage,
    AlertTargetsPage,
    KeysPage,
    UsersPage,
    AuditPage,
    SettingsPage,
    SearchPage,
    PreferencesPage,
)
_TITLES = {404: "Not found", 405: "Not possible here"}
_DETAILS = {
    404: "There is no page at this address. It may be misspelt, or what it showed is gone.",
    405: "This address does not take that kind of request.",
}


class Console:
    """The browser face.

    Args:
        operations: what pages read and do.
        authenticator: tells who is asking.
        settings: the server's settings.
        closing: set it when the server begins to stop, before waiting for open requests: live streams then
            end at once. Without it they last as long as the pages are open.
    """

    def __init__(
        self,
        operations: Operations,
        authenticator: Authenticator,
        settings: Settings,
        closing: asyncio.Event | None = None,
    ) -> None:
        self._site = Site(operations, authenticator, settings, lambda: datetime.now(UTC))
        self.streams = EventStreams(self._site, closing or asyncio.Event())

    def routes(self) -> list[BaseRoute]:
        """Every route of the console."""
        routes = [route for page in _PAGES for route in page(self._site).routes()]
        self._site.knows(routes)
        return [*routes, Route("/events", self.streams.endpoint, methods=["GET"]), *static_routes()]

    async def error_page(self, request: Request, error: Exception) -> Response:
        """Explain an error that no page handled: an ``exception_handlers`` entry for 404, 405 and 500."""
        actor = await self._actor(request)
        if isinstance(error, ConductorError):
            return self._site.refusal(request, actor, error)
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = _DETAILS.get(
            status, "The server failed to do this. Its log says why; nothing else is affected."
        )
        title = _TITLES.get(status, "Something went wrong")
        return self._site.problem(request, actor, Problem(status=status, title=title, detail=detail))

    async def _actor(self, request: Request) -> Actor | None:
        try:
            return await self._site.actor(request)
        except ConductorError:
            # The page says what went wrong first; that the caller is unknown only shortens its navigation.
            return None


def build_routes(
    operations: Operations,
    authenticator: Authenticator,
    settings: Settings,
    closing: asyncio.Event | None = None,
) -> list[BaseRoute]:
    """Every route of the console; see ``Console`` for the arguments."""
    return Console(operations, authenticator, settings, closing).routes()
