"""The page of retention: its limits and what they mean, what a run would do now, and the runs so far."""

from datetime import datetime

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
from conductor_lite.errors import ConflictError, DispatchError, ForbiddenError, InvalidError
from conductor_lite.operations.applications import Application, ApplicationChanges
from conductor_lite.operations.retention import RetentionPreview, RetentionRunRecord
from conductor_lite.operations.topics import application_topic

#: Slow: three counts of an executor each time.
LIVE_SECS = 30.0
_RUNS = 50
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
#: What the form's fields are called, in the order of ``ApplicationChanges``.
_FIELDS = ("keep_days", "keep_rows", "timeout_hours")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is cleared away; None where that does not matter."""

    gc_time_threshold_ms: int | None
    gc_rows_threshold: int | None
    global_timeout_ms: int | None

    @property
    def is_on(self) -> bool:
        """Whether there is anything to do at all."""
        return any(value is not None for value in msgspec.structs.astuple(self))


class RetentionView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    limits: Limits
    preview: RetentionPreview | None
    #: Why nobody can count; empty when somebody can.
    problem: str
    #: Ended workflows are deleted when created before this, by the limits of now.
    cutoff: datetime | None
    runs: tuple[RetentionRunRecord, ...]


class RetentionPage:
    """Shows retention, changes its limits, runs it now."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does, path = self._site.shows, self._site.does, "/apps/{name}/retention"
        return [
            Route(path, shows(self.show), methods=["GET"]),
            Route(path, does(self.save), methods=["POST"]),
            Route(f"{path}/run", shows(self.confirm), methods=["GET"]),
            Route(f"{path}/run", does(self.run), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        return await self._page(request, actor)

    async def save(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change the limits, and come back."""
        name = request.path_params["name"]
        given = {field: form.text(field) for field in _FIELDS}
        try:
            changes = ApplicationChanges(
                gc_time_threshold_ms=_scaled(given["keep_days"], _DAY_MS, "days to keep"),
                gc_rows_threshold=_scaled(given["keep_rows"], 1, "number to keep"),
                global_timeout_ms=_scaled(given["timeout_hours"], _HOUR_MS, "hours that a workflow may take"),
            )
            await self._site.operations.applications.update(actor, name, changes)
        except (InvalidError, ForbiddenError) as error:
            page = await self._page(request, actor, given, explain(error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        flash = Flash(text=f"Saved. {name} is cleared by these limits from now on.")
        return self._site.redirect(request, app_url(name, "retention"), flash)

    async def confirm(self, request: Request, actor: Actor) -> Page:
        """Ask before clearing: says how much would go."""
        page = await self._page(request, actor)
        # A question rests: refreshed, it would become the page that it was asked from.
        return msgspec.structs.replace(
            page, template="retention_run.html", title="Run retention now?", topics=(), poll_secs=None
        )

    async def run(self, request: Request, actor: Actor, form: Form) -> Response:
        """Clear now, and come back; a run that takes long goes on by itself."""
        name = request.path_params["name"]
        try:
            run = await self._site.operations.retention.run(actor, name)
        except (ConflictError, DispatchError) as error:
            flash = Flash(text=str(error), tone="bad")
        else:
            took = run.duration_ms / 1000
            flash = Flash(text=f"Retention ran, in {took:.1f} s.")
            if run.error is not None:
                flash = Flash(text=f"The executor did not do it: {run.error}", tone="bad")
        return self._site.redirect(request, app_url(name, "retention"), flash)

    async def _page(
        self, request: Request, actor: Actor, given: dict[str, str] | None = None, problem: str = ""
    ) -> Page:
        operations = self._site.operations
        application = await operations.applications.get(actor, request.path_params["name"])
        name, limits = application.record.name, _limits(application)
        preview, trouble = None, ""
        try:
            preview = await operations.retention.preview(actor, name)
        except DispatchError as error:
            trouble = str(error)
        runs = await operations.retention.list(actor, name, limit=_RUNS)
        return Page(
            template="retention.html",
            title=f"Retention of {name}",
            section="home",
            path=app_url(name, "retention"),
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            data=RetentionView(
                limits=limits,
                preview=preview,
                problem=trouble,
                cutoff=_cutoff(limits, self._site.now()),
                runs=tuple(runs),
            ),
            extras={
                "frame": frame(application, actor, "retention"),
                "connected": application.available,
                "form": given or _filled(limits),
                "form_problem": problem,
                "declared": application.record.declared_settings or (),
            },
        )


def _limits(application: Application) -> Limits:
    record = application.record
    return Limits(
        gc_time_threshold_ms=record.gc_time_threshold_ms,
        gc_rows_threshold=record.gc_rows_threshold,
        global_timeout_ms=record.global_timeout_ms,
    )


def _cutoff(limits: Limits, now: datetime) -> datetime | None:
    """To the minute: every look would find another one otherwise."""
    if limits.gc_time_threshold_ms is None:
        return None
    try:
        cutoff = datetime.fromtimestamp(now.timestamp() - limits.gc_time_threshold_ms / 1000, now.tzinfo)
    except (OverflowError, ValueError, OSError):
        # Older than the calendar: nothing is.
        return None
    return cutoff.replace(second=0, microsecond=0)


def _filled(limits: Limits) -> dict[str, str]:
    values = (
        (limits.gc_time_threshold_ms, _DAY_MS),
        (limits.gc_rows_threshold, 1),
        (limits.global_timeout_ms, _HOUR_MS),
    )
    return {field: _text(*value) for field, value in zip(_FIELDS, values, strict=True)}


def _text(value: int | None, unit: int) -> str:
    if value is None:
        return ""
    return str(value // unit) if value % unit == 0 else f"{value / unit:.6f}".rstrip("0")


def _scaled(text: str, unit: int, what: str) -> int | None:
    """A field's number in the unit that is stored; None for an empty one, which means that it is off."""
    if not text:
        return None
    try:
        # Short enough that no number is slow to read; larger ones are out of bounds anyway.
        value = float(text) if len(text) <= 20 else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value * unit < 2**63 or (unit == 1 and value != int(value)):
        raise InvalidError(f"The {what} is a number from 0; leave it empty to switch that off.")
    return round(value * unit)
