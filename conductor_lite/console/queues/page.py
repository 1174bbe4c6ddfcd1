"""The pages of queues: all of an application's, and one; what waits in them now and did over a range."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.console.charts import Plot, merged, resolution_secs
from conductor_lite.console.frame import frame
from conductor_lite.console.overview import range_extras
from conductor_lite.console.preferences import TimeRange, time_range
from conductor_lite.console.queues.charts import queue_charts
from conductor_lite.console.queues.limits import Limit, limits_of
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.console.under_way import UNFINISHED, Groups, under_way
from conductor_lite.console.urls import app_url, name_in, named_url
from conductor_lite.console.versions import why_not
from conductor_lite.errors import DispatchError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.metrics import Chart
from conductor_lite.operations.overview import Attention
from conductor_lite.operations.remembered import Recalled
from conductor_lite.operations.served import Served
from conductor_lite.operations.topics import application_topic
from conductor_lite.protocol import QueueRecord, WorkflowAggregateRecord, WorkflowAggregatesBody

LIVE_SECS = 2.0
#: The SDKs' own queue begins like this; it is no code of the application's.
_INTERNAL = "_dbos_"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Where limits, and what is in queues, came from; None where nobody could tell, for the reason given."""

    limits: Served | None
    depth: Served | None
    limits_problem: str = ""
    depth_problem: str = ""
    #: Why they are not fresh although executors are connected; empty mostly.
    trouble: str = ""


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor says is in a queue now."""

    enqueued: int = 0
    delayed: int = 0
    running: int = 0
    #: When the one was created that waits longest.
    oldest_at: datetime | None = None


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One queue in the table."""

    name: str
    #: What limits it; None where that is not known.
    limits: tuple[Limit, ...] | None
    #: Whether the application has registered it; None where nobody could be asked.
    registered: bool | None
    internal: bool
    #: None where nobody could be asked.
    depth: Depth | None
    #: How many waited in each step of the range, at most; None for those who may not see metrics.
    waited: tuple[float | None, ...] | None
    #: How many left it within the range.
    left: float | None


class QueuesView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page of all queues shows."""

    queues: tuple[QueueRow, ...]
    paging: Paging
    total: int
    start: datetime
    end: datetime
    told: "Told"


class QueuedWorkflow(msgspec.Struct, frozen=True, kw_only=True):
    """What of one queue is one workflow's."""

    name: str
    depth: Depth


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page of one queue shows."""

    queue: QueueRow
    attention: tuple[Attention, ...]
    workflows: tuple[QueuedWorkflow, ...]
    charts: tuple[Plot, ...] | None
    #: Executors that are connected and answer: what is said per worker is said of each of them.
    healthy: int
    counted_from: str = ""
    told: "Told"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What executors tell, or last told."""

    registered: tuple[QueueRecord, ...]
    groups: tuple[WorkflowAggregateRecord, ...]
    told: Told


class QueuesPage:
    """Shows queues."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [
            Route("/apps/{name}/queues", self._site.shows(self.show_all), methods=["GET"]),
            Route("/apps/{name}/queues/{queue}", self._site.shows(self.show), methods=["GET"]),
        ]

    async def show_all(self, request: Request, actor: Actor) -> Page:
        """All queues; ``?q=`` narrows them, ``?range=`` is what their depth is shown over."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        chosen = time_range(request, self._site.now(), application.record.created_at)
        chart = await self._chart(actor, name, chosen, ("workflow_enqueued", "workflow_dequeued"))
        asked = await self._ask(actor, name)
        query = request.query_params.get("q", "").strip()
        rows = _rows(asked, chart)
        matching = [row for row in rows if query.lower() in row.name.lower()]
        shown, paging = cut(matching, page_number(request.query_params))
        return Page(
            template="queues.html",
            title=f"Queues of {name}",
            section="home",
            path=app_url(name, "queues"),
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            styles=("charts.css", "overview.css"),
            data=QueuesView(
                queues=shown,
                paging=paging,
                total=len(rows),
                start=chosen.start,
                end=chosen.end,
                told=asked.told,
            ),
            extras=self._extras(request, application, actor, chosen) | {"query": query},
        )

    async def show(self, request: Request, actor: Actor) -> Page:
        """One queue."""
        overview = await self._site.operations.overviews.application(actor, request.path_params["name"])
        application = overview.application
        name, queue = application.record.name, name_in(request, "queue")
        chosen = time_range(request, self._site.now(), application.record.created_at)
        families = (
            "workflow_enqueued",
            "workflow_enqueued_age_secs",
            "workflow_dequeued",
            "workflow_queue_wait_secs",
            "workflow_succeeded",
            "workflow_failed",
            "workflow_started",
        )
        chart = await self._chart(actor, name, chosen, families)
        asked = await self._ask(actor, name, queue)
        row = next((row for row in _rows(asked, chart) if row.name == queue), None)
        if row is None:
            if not (asked.told.limits_problem or asked.told.depth_problem or _is_kept(asked.told)):
                raise NotFoundError(
                    f"{name} has no queue {queue!r}, and nothing ever waited in one of that name."
                )
            row = _row(queue, asked, None, (), chart)
        return Page(
            template="queue.html",
            title=f"Queue {queue} of {name}",
            section="home",
            path=named_url(name, "queues", queue),
            topics=(application_topic(application.record.id),),
            poll_secs=LIVE_SECS,
            styles=("uplot.css", "charts.css", "overview.css"),
            scripts=("uplot.min.js", "charts.js"),
            data=QueueView(
                queue=row,
                attention=tuple(item for item in overview.attention if item.queue_name == queue),
                workflows=_by_workflow(asked, queue),
                charts=None if chart is None else queue_charts(chart, queue, chosen.end),
                healthy=sum(version.healthy - version.unresponsive for version in application.versions),
                counted_from="" if chart is None else chart.counted_from,
                told=asked.told,
            ),
            extras=self._extras(request, application, actor, chosen),
        )

    def _extras(
        self, request: Request, application: Application, actor: Actor, chosen: TimeRange
    ) -> dict[str, object]:
        return {
            **range_extras(request, chosen, "q", "id"),
            "frame": frame(application, actor, "queues"),
        }

    async def _chart(
        self, actor: Actor, name: str, chosen: TimeRange, families: Sequence[str]
    ) -> Chart | None:
        if METRIC_READ not in actor.permissions:
            return None
        return await self._site.operations.metrics.series(
            actor,
            name,
            families=families,
            start=chosen.start,
            end=chosen.end,
            resolution_secs=resolution_secs(chosen.start, chosen.end),
        )

    async def _ask(self, actor: Actor, name: str, queue: str | None = None) -> _Asked:
        """Two questions: which queues are registered, and what is in them."""
        operations = self._site.operations
        registered: Recalled[QueueRecord] | None = None
        found: Groups | None = None
        limits_problem = depth_problem = ""
        try:
            registered = await operations.queues.recall(actor, name)
        except DispatchError as error:
            limits_problem = why_not(error)
        body = WorkflowAggregatesBody(
            group_by_queue_name=True,
            group_by_status=True,
            group_by_name=True if queue is not None else None,
            select_count=True,
            select_min_created_at=True,
            status=list(UNFINISHED),
            queue_name=None if queue is None else [queue],
            application_name=[name],
        )
        try:
            found = await under_way(actor, operations, name, body)
        except DispatchError as error:
            depth_problem = why_not(error)
        return _Asked(
            registered=() if registered is None else tuple(registered.items),
            groups=() if found is None else tuple(found.groups),
            told=Told(
                limits=None if registered is None else registered.served,
                depth=None if found is None else found.served,
                limits_problem=limits_problem,
                depth_problem=depth_problem,
                trouble=next((each.trouble for each in (found, registered) if each and each.trouble), ""),
            ),
        )


def _is_kept(told: Told) -> bool:
    """Whether what is told may be out of date, so that nobody can say that a queue is not there."""
    return any(served is not None and served.source == "snapshot" for served in (told.limits, told.depth))


def _rows(asked: _Asked, chart: Chart | None) -> list[QueueRow]:
    """Every queue that anybody knows, those with far more waiting first."""
    registered = {record.name: record for record in asked.registered}
    groups: dict[str, list[WorkflowAggregateRecord]] = {}
    for group in asked.groups:
        name = group.group.get("queue_name")
        if name:
            groups.setdefault(name, []).append(group)
    measured = {series.labels.get("queue_name", "") for series in (chart.series if chart else ())} - {""}
    names = sorted(registered.keys() | groups.keys() | measured)
    rows = [_row(name, asked, registered.get(name), groups.get(name, ()), chart) for name in names]
    # One that the SDK keeps for itself is worth a row only when something is in it.
    rows = [row for row in rows if not row.internal or (row.depth and row.depth != Depth()) or row.left]
    rows.sort(key=lambda row: (-_magnitude(row.depth), row.internal, row.name))
    return rows


def _row(
    name: str,
    asked: _Asked,
    record: QueueRecord | None,
    groups: Iterable[WorkflowAggregateRecord],
    chart: Chart | None,
) -> QueueRow:
    waited, left = None, None
    if chart is not None:
        mine = [series for series in chart.series if series.labels.get("queue_name") == name]
        nothing = chart.nothing("workflow_enqueued"), chart.nothing("workflow_dequeued")
        waited = merged([s.values for s in mine if s.family == "workflow_enqueued"] + [nothing[0]], "level")
        gone = merged([s.values for s in mine if s.family == "workflow_dequeued"] + [nothing[1]], "counted")
        known = [value for value in gone if value is not None]
        left = sum(known) if known else None
    return QueueRow(
        name=name,
        limits=limits_of(record) if record is not None else None,
        registered=None if asked.told.limits is None else record is not None,
        internal=name.startswith(_INTERNAL),
        depth=None if asked.told.depth is None else depth_of(groups),
        waited=waited,
        left=left,
    )


def depth_of(groups: Iterable[WorkflowAggregateRecord]) -> Depth:
    """Add up groups of one queue."""
    counts = dict.fromkeys(UNFINISHED, 0)
    oldest_ms: int | None = None
    for group in groups:
        status = group.group.get("status") or ""
        counts[status] = counts.get(status, 0) + (group.count or 0)
        created_ms = group.min_created_at_epoch_ms
        if status == "ENQUEUED" and created_ms is not None:
            oldest_ms = created_ms if oldest_ms is None else min(oldest_ms, created_ms)
    return Depth(
        enqueued=counts["ENQUEUED"],
        delayed=counts["DELAYED"],
        running=counts["PENDING"],
        oldest_at=None if oldest_ms is None else datetime.fromtimestamp(oldest_ms / 1000, UTC),
    )


def _by_workflow(asked: _Asked, queue: str) -> tuple[QueuedWorkflow, ...]:
    groups: dict[str, list[WorkflowAggregateRecord]] = {}
    for group in asked.groups:
        if group.group.get("queue_name") == queue:
            groups.setdefault(group.group.get("name") or "", []).append(group)
    found = [QueuedWorkflow(name=name, depth=depth_of(each)) for name, each in groups.items()]
    return tuple(sorted(found, key=lambda each: (-_magnitude(each.depth), each.name)))


def _magnitude(depth: Depth | None) -> int:
    """How much waits, by powers of ten: were it the number itself, rows would change places at every look."""
    return 0 if depth is None else len(str(depth.enqueued))
