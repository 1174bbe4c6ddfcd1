"""The pages of schedules: all of an application's, one with its runs, and what can be done to one."""

from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.cron import RunCount, count_runs, preview
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.once import Deed, once
from conductor_lite.console.preferences import local_moment, preferences
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, View, explain
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.console.urls import app_url, name_in, named_url, workflow_url
from conductor_lite.console.workflows.rows import bounded
from conductor_lite.errors import DispatchError, InvalidError
from conductor_lite.operations.once import Attempt, Caution
from conductor_lite.operations.remembered import Recalled
from conductor_lite.operations.schedules import MAX_BACKFILL
from conductor_lite.operations.served import Served
from conductor_lite.operations.topics import application_topic
from conductor_lite.protocol import ScheduleRecord, WorkflowFilters, WorkflowRecord

LIVE_SECS = 5.0
ACTIVE, PAUSED = "ACTIVE", "PAUSED"
#: Runs that a schedule's page shows, those to come and those that were.
_NEXT_RUNS, _LAST_RUNS = 10, 20
#: A backfill of more is refused before an executor is busy with nothing else.
MAX_RUNS = 10_000
#: What the form of a backfill begins with.
_USUAL_BACKFILL = timedelta(days=1)


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it is shown."""

    name: str
    workflow_name: str
    workflow_class_name: str | None
    cron: str
    #: The expression in words; None when it is not understood here, for the reason given.
    words: str | None
    reason: str
    #: IANA name; None means UTC.
    zone: str | None
    status: str
    queue_name: str | None
    automatic_backfill: bool
    #: When it last ran; as a text where the SDK's form is unknown.
    last_run: datetime | None
    last_run_text: str | None
    #: In its own zone; none while it is paused.
    next_runs: tuple[datetime, ...]
    application_name: str | None
    #: Text for people; None unless it was asked for.
    context: str | None


class SchedulesView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page of all schedules shows."""

    schedules: tuple[ScheduleView, ...]
    paging: Paging
    #: By status, whatever the filter.
    counts: dict[str, int]
    #: Where they came from; None when nobody can tell.
    served: Served | None = None
    #: Why they are not fresh although executors are connected; empty mostly.
    trouble: str = ""
    #: Why there is nothing to show; empty when there is.
    problem: str = ""


class SchedulePageView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page of one schedule shows."""

    name: str
    #: None when no executor can tell, for the reason given.
    schedule: ScheduleView | None
    missing: str
    #: Where it came from, and why it is not fresh although executors are connected.
    schedule_served: Served | None
    trouble: str
    #: Its latest runs, newest first, and where they were read.
    runs: tuple[WorkflowRecord, ...]
    served: Served
    #: Why the runs cannot be told; empty when they can.
    problem: str = ""


class SchedulesPage:
    """Shows schedules; pauses, resumes, triggers and backfills them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does, path = self._site.shows, self._site.does, "/apps/{name}/schedules"
        routes: list[BaseRoute] = [
            Route(path, shows(self.show_all), methods=["GET"]),
            Route(f"{path}/{{schedule}}", shows(self.show), methods=["GET"]),
            Route(f"{path}/{{schedule}}/backfill", shows(self.ask_backfill), methods=["GET"]),
            Route(f"{path}/{{schedule}}/backfill", does(self.backfill), methods=["POST"]),
        ]
        for verb, act in (("pause", self.pause), ("resume", self.resume), ("trigger", self.trigger)):
            where = f"{path}/{{schedule}}/{verb}"
            routes.append(Route(where, shows(self._question(verb)), methods=["GET"]))
            routes.append(Route(where, does(act), methods=["POST"]))
        return routes

    async def show_all(self, request: Request, actor: Actor) -> Page:
        """All schedules; ``?q=`` and ``?status=`` narrow them."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name, now = application.record.name, self._site.now()
        filters = _filters(request)
        found: Recalled[ScheduleRecord] | None = None
        problem = ""
        try:
            found = await self._site.operations.schedules.recall(actor, name)
        except DispatchError as error:
            problem = str(error)
        records = sorted(found.items if found else (), key=lambda record: record.schedule_name)
        shown, paging = cut(
            [record for record in records if _matches(record, filters)], page_number(request.query_params)
        )
        return Page(
            template="schedules.html",
            title=f"Schedules of {name}",
            section="home",
            path=app_url(name, "schedules"),
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            data=SchedulesView(
                schedules=tuple(schedule_view(record, now, next_runs=2) for record in shown),
                paging=paging,
                counts=dict(Counter(record.status or "" for record in records)),
                served=found.served if found else None,
                trouble=found.trouble if found else "",
                problem=problem,
            ),
            extras={"frame": frame(application, actor, "schedules"), "filters": filters},
        )

    async def show(self, request: Request, actor: Actor) -> Page:
        """One schedule and its runs."""
        operations = self._site.operations
        application = await operations.applications.get(actor, request.path_params["name"])
        name, schedule_name = application.record.name, name_in(request, "schedule")
        runs: tuple[WorkflowRecord, ...] = ()
        served, problem, missing = Served(source="executor"), "", ""
        record: ScheduleRecord | None = None
        told: Recalled[ScheduleRecord] | None = None
        try:
            record = await operations.schedules.get(actor, name, schedule_name)
        except DispatchError as error:
            missing = str(error)
            told = await self._as_last_told(actor, name)
            if told is not None:
                record = next((each for each in told.items if each.schedule_name == schedule_name), None)
        try:
            filters = WorkflowFilters(schedule_name=[schedule_name], limit=_LAST_RUNS, sort_desc=True)
            listing = await operations.snapshots.search(actor, name, filters)
            served = listing.served
            async with aclosing(listing.pages) as pages:
                runs = tuple([bounded(run) async for page in pages for run in page])
        except (DispatchError, InvalidError) as error:
            problem = str(error)
        return Page(
            template="schedule.html",
            title=f"Schedule {schedule_name}",
            section="home",
            path=named_url(name, "schedules", schedule_name).partition("?")[0],
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            styles=("overview.css",),
            data=SchedulePageView(
                name=schedule_name,
                schedule=None
                if record is None
                else schedule_view(record, self._site.now(), next_runs=_NEXT_RUNS),
                missing=missing,
                schedule_served=told.served if told else None,
                trouble=told.trouble if told else "",
                runs=runs,
                served=served,
                problem=problem,
            ),
            extras={"frame": frame(application, actor, "schedules")},
        )

    async def _as_last_told(self, actor: Actor, name: str) -> Recalled[ScheduleRecord] | None:
        try:
            return await self._site.operations.schedules.recall(actor, name)
        except DispatchError:
            return None

    async def pause(self, request: Request, actor: Actor, form: Form) -> Response:
        """Pause a schedule, and come back."""
        name, schedule_name = request.path_params["name"], name_in(request, "schedule")
        await self._site.operations.schedules.pause(actor, name, schedule_name)
        return self._back(request, form, f"Paused {schedule_name}. What it has started goes on.")

    async def resume(self, request: Request, actor: Actor, form: Form) -> Response:
        """Let a schedule run again, and come back."""
        name, schedule_name = request.path_params["name"], name_in(request, "schedule")
        await self._site.operations.schedules.resume(actor, name, schedule_name)
        return self._back(request, form, f"{schedule_name} runs again when it is due.")

    async def trigger(self, request: Request, actor: Actor, form: Form) -> Response:
        """Run a schedule's workflow once, and go to the workflow."""
        name, schedule_name = request.path_params["name"], name_in(request, "schedule")
        operations = self._site.operations

        async def work(_: Attempt | None) -> Deed:
            workflow_id = await operations.schedules.trigger(actor, name, schedule_name)
            flash = Flash(text=f"Started a run of {schedule_name}: this workflow.")
            return Deed(flash=flash, url=workflow_url(name, workflow_id))

        deed = await once(operations, actor, form, ["trigger", name, schedule_name], work, Caution())
        return self._site.redirect(request, deed.url, deed.flash)

    async def ask_backfill(self, request: Request, actor: Actor) -> Page:
        """Ask for the period of a backfill; by default the last day."""
        end = self._site.now().replace(second=0, microsecond=0)
        return await self._backfill_page(request, actor, _Period(end - _USUAL_BACKFILL, end))

    async def backfill(self, request: Request, actor: Actor, form: Form) -> Response:
        """Show how many runs a period has; with ``sure``, start them all."""
        name, schedule_name = request.path_params["name"], name_in(request, "schedule")
        given = {field: form.text(field) for field in ("start", "end")}
        try:
            period = _period(request, form)
            if not form.checked("sure"):
                page = await self._backfill_page(request, actor, period, counted=True)
                return await self._site.respond(request, page, actor)
            deed = await self._backfill(actor, form, name, schedule_name, period)
        except InvalidError as error:
            page = await self._backfill_page(request, actor, None, given=given, problem=explain(error))
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(request, deed.url, deed.flash)

    async def _backfill(
        self, actor: Actor, form: Form, name: str, schedule_name: str, period: "_Period"
    ) -> Deed:
        operations = self._site.operations

        async def work(_: Attempt | None) -> Deed:
            ids = await operations.schedules.backfill(actor, name, schedule_name, *period)
            words = f"Started {len(ids):,} run{'' if len(ids) == 1 else 's'} of {schedule_name}."
            return Deed(flash=Flash(text=words), url=named_url(name, "schedules", schedule_name))

        asked = ["backfill", name, schedule_name, *(moment.isoformat() for moment in period)]
        return await once(operations, actor, form, asked, work, Caution(settles=True))

    def _question(self, verb: str) -> View:
        async def confirm(request: Request, actor: Actor) -> Page:
            extras: dict[str, object] = {"verb": verb, "request_back": request.query_params.get("back", "")}
            return await self._asked(request, actor, "schedule_confirm.html", extras)

        return confirm

    async def _backfill_page(
        self,
        request: Request,
        actor: Actor,
        period: "_Period | None",
        *,
        counted: bool = False,
        given: dict[str, str] | None = None,
        problem: str = "",
    ) -> Page:
        zone = preferences(request).zone
        filled = given or {}
        if period is not None:
            filled = {
                field: moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
                for field, moment in zip(("start", "end"), period, strict=True)
            }
        page = await self._asked(request, actor, "schedule_backfill.html", {"given": filled})
        count: RunCount | None = None
        if period is not None and counted and isinstance(page.data, ScheduleView):
            count = count_runs(page.data.cron, page.data.zone, *period, limit=MAX_RUNS)
        extras = {**page.extras, "count": count, "problem": problem, "max_runs": MAX_RUNS, "period": period}
        return msgspec.structs.replace(page, extras=extras)

    async def _asked(self, request: Request, actor: Actor, template: str, extras: dict[str, object]) -> Page:
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name, schedule_name = application.record.name, name_in(request, "schedule")
        record = await self._site.operations.schedules.get(actor, name, schedule_name)
        return Page(
            template=template,
            title=f"Schedule {schedule_name}",
            section="home",
            data=schedule_view(record, self._site.now(), next_runs=1),
            extras={"frame": frame(application, actor, "schedules"), **extras},
        )

    def _back(self, request: Request, form: Form, words: str) -> Response:
        name, schedule_name = request.path_params["name"], name_in(request, "schedule")
        own = named_url(name, "schedules", schedule_name)
        return self._site.redirect(
            request, own if form.text("back") == "schedule" else app_url(name, "schedules"), Flash(text=words)
        )


class _Period(NamedTuple):
    start: datetime
    end: datetime


def schedule_view(record: ScheduleRecord, now: datetime, *, next_runs: int) -> ScheduleView:
    """A schedule as it is shown.

    Args:
        record: as an executor gave it.
        now: where its next runs are counted from.
        next_runs: how many of them to tell.
    """
    meaning = preview(record.cron, record.cron_timezone, now, next_runs)
    paused = record.status == PAUSED
    last_run = _lenient_moment(record.last_fired_at)
    return ScheduleView(
        name=record.schedule_name,
        workflow_name=record.workflow_name,
        workflow_class_name=record.workflow_class_name,
        cron=record.cron,
        words=meaning.words,
        reason=meaning.reason,
        zone=record.cron_timezone,
        status=record.status or "",
        queue_name=record.queue_name,
        automatic_backfill=record.automatic_backfill,
        last_run=last_run,
        last_run_text=record.last_fired_at if last_run is None else None,
        next_runs=() if paused else meaning.next_runs,
        application_name=record.application_name,
        context=record.context,
    )


def _lenient_moment(text: str | None) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _filters(request: Request) -> dict[str, str]:
    status = request.query_params.get("status", "").upper()
    return {
        "status": status if status in (ACTIVE, PAUSED) else "",
        "q": request.query_params.get("q", "").strip(),
    }


def _matches(record: ScheduleRecord, filters: dict[str, str]) -> bool:
    if filters["status"] not in ("", record.status or ""):
        return False
    text = filters["q"].lower()
    return text in record.schedule_name.lower() or text in record.workflow_name.lower()


def _period(request: Request, form: Form) -> _Period:
    zone = preferences(request).zone
    start, end = (local_moment(form.text(field), zone, field) for field in ("start", "end"))
    if start is None or end is None:
        raise InvalidError("A backfill needs a start and an end.")
    if end <= start:
        raise InvalidError("The end is not after the start.")
    if end - start > MAX_BACKFILL:
        raise InvalidError(f"One backfill is at most {MAX_BACKFILL.days} days long; do it in parts.")
    return _Period(start, end)
