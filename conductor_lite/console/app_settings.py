"""The page of an application's settings: recovery, privacy, snapshots; and deleting it."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.urls import app_url
from conductor_lite.errors import ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.applications import BOUNDS, Application, ApplicationChanges
from conductor_lite.operations.snapshots import SnapshotStatus
from conductor_lite.operations.topics import application_topic

LIVE_SECS = 5.0

#: Number fields: what people call them, and their unit.
_NUMBERS = {
    "executor_timeout_secs": ("executor timeout", "seconds"),
    "snapshot_interval_secs": ("interval of snapshots", "seconds"),
    "snapshot_keep_days": ("age of snapshots", "days"),
    "snapshot_keep_rows": ("number of snapshots", "workflows"),
}
_SWITCHES = ("private_mode", "recover_unknown_executors", "snapshots_enabled")


class AppSettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    application: Application
    #: How the snapshots are doing; None when none were ever taken.
    snapshots: SnapshotStatus | None


class DeletionView(msgspec.Struct, frozen=True, kw_only=True):
    """What deleting an application hits."""

    application: Application
    executor_count: int
    connected: int
    dead: int


class AppSettingsPage:
    """Shows an application's settings, changes them, deletes it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/apps/{name}/settings", shows(self.show), methods=["GET"]),
            Route("/apps/{name}/settings", does(self.update), methods=["POST"]),
            Route("/apps/{name}/settings/snapshots", does(self.update_snapshots), methods=["POST"]),
            Route("/apps/{name}/settings/full-pass", does(self.request_full_pass), methods=["POST"]),
            Route("/apps/{name}/delete", shows(self.ask_deletion), methods=["GET"]),
            Route("/apps/{name}/delete", does(self.delete), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        return await self._page(request, actor)

    async def update(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change how executors are treated and what is fetched, and come back."""
        return await self._update(request, actor, form, ("executor_timeout_secs",), _SWITCHES[:2])

    async def update_snapshots(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change what is kept of workflows, and come back."""
        numbers = ("snapshot_interval_secs", "snapshot_keep_days", "snapshot_keep_rows")
        return await self._update(request, actor, form, numbers, _SWITCHES[2:])

    async def request_full_pass(self, request: Request, actor: Actor, form: Form) -> Response:
        """Have all snapshots compared with what the application has, and come back."""
        name = request.path_params["name"]
        await self._site.operations.snapshots.request_full_pass(actor, name)
        flash = Flash(text=f"Snapshots of {name} are compared with what it has as soon as it can be asked.")
        return self._site.redirect(request, app_url(name, "settings"), flash)

    async def ask_deletion(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        versions = application.versions
        healthy, dead = (sum(getattr(each, field) for each in versions) for field in ("healthy", "dead"))
        return Page(
            template="application_delete.html",
            title=f"Delete {application.record.name}?",
            section="home",
            data=DeletionView(
                application=application,
                executor_count=healthy + dead + sum(version.disconnected for version in versions),
                connected=healthy,
                dead=dead,
            ),
            extras={"frame": frame(application, actor, "settings")},
        )

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete the application, and go home."""
        name = request.path_params["name"]
        executors = await self._site.operations.executors.list(actor, name)
        connected = sum(executor.connected_at is not None for executor in executors)
        await self._site.operations.applications.delete(actor, name)
        closed = f" and closed {connected} connection{'' if connected == 1 else 's'}" if connected else ""
        return self._site.redirect(request, "/", Flash(text=f"Deleted {name}{closed}."))

    async def _update(
        self, request: Request, actor: Actor, form: Form, numbers: tuple[str, ...], switches: tuple[str, ...]
    ) -> Response:
        name = request.path_params["name"]
        try:
            given: dict[str, int | bool] = {field: form.checked(field) for field in switches}
            given |= {field: _number(form, field) for field in numbers}
            changes = msgspec.convert(given, ApplicationChanges)
            await self._site.operations.applications.update(actor, name, changes)
        except (InvalidError, ForbiddenError) as error:
            filled: dict[str, object] = {field: form.text(field) for field in numbers}
            filled |= {field: form.checked(field) for field in switches}
            problem = {"problem": explain(error), "problem_of": numbers[0]}
            page = await self._page(request, actor, filled | problem)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        flash = Flash(text=f"Saved the settings of {name}. They apply from now on.")
        return self._site.redirect(request, app_url(name, "settings"), flash)

    async def _page(self, request: Request, actor: Actor, filled: dict[str, object] | None = None) -> Page:
        operations = self._site.operations
        application = await operations.applications.get(actor, request.path_params["name"])
        record = application.record
        try:
            snapshots = await operations.snapshots.status(actor, record.name)
        except NotFoundError:
            # It was there a moment ago; what is missing is a first snapshot.
            snapshots = None
        form = {field: getattr(record, field) for field in (*_NUMBERS, *_SWITCHES)}
        return Page(
            template="app_settings.html",
            title=f"Settings of {record.name}",
            section="home",
            path=app_url(record.name, "settings"),
            topics=(application_topic(record.id),),
            poll_secs=LIVE_SECS,
            styles=("overview.css",),
            data=AppSettingsView(application=application, snapshots=snapshots),
            extras={
                "frame": frame(application, actor, "settings"),
                "form": {"problem": "", "problem_of": "", **form, **(filled or {})},
                "bounds": {field: BOUNDS[field][1:] for field in _NUMBERS},
                "declared": record.declared_settings or (),
            },
        )


def _number(form: Form, field: str) -> int:
    text = form.text(field)
    # At most nine digits: int() of a very long text is slow, and every larger number is out of bounds anyway.
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    label, unit = _NUMBERS[field]
    _, low, high = BOUNDS[field]
    raise InvalidError(f"The {label} is a whole number of {unit} from {low:,} to {high:,}.")
