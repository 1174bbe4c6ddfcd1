"""An application's overview: what needs a person, key figures and charts over a range, and recoveries.

All from what is on record: it reads the same whether an executor is connected or not.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.console.charts import resolution_secs
from conductor_lite.console.formatting import moment_of
from conductor_lite.console.frame import frame
from conductor_lite.console.measures import FAMILIES, Measures, measures_of
from conductor_lite.console.preferences import TimeRange, time_range
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.snippets import server_url, snippets
from conductor_lite.console.urls import app_url
from conductor_lite.errors import NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.executors import VersionView
from conductor_lite.operations.overview import Attention
from conductor_lite.operations.served import Served
from conductor_lite.operations.topics import application_topic

#: Seconds between two looks: what happened is on record a few seconds after each minute.
LIVE_SECS = 10.0
#: The same while something is being counted, as after a restart.
COUNTING_SECS = 1.0
SORTS = ("failures", "runs")


class RecoveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finished or failed recovery, as the audit log has it."""

    at: datetime
    succeeded: bool
    executor_ids: tuple[str, ...]
    application_version: str | None
    recovered_by: str | None
    #: Seconds from losing the executor to declaring it dead, and from there to the end of its recovery.
    detection_secs: float | None
    recovery_secs: float | None
    attempts: int | None
    error: str | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What ran and waited in the last snapshot."""

    served: Served
    running: int
    waiting: int
    #: How long the oldest had waited by then.
    oldest_waiting_secs: float | None


class OverviewView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    application: Application
    attention: tuple[Attention, ...]
    #: Whether what happened lately is still being counted, and what needs a person because of it.
    counting: bool
    start: datetime
    end: datetime
    #: None for those who may not see metrics.
    measures: Measures | None
    #: What ran and waited, while no executor is connected; None while one is, or without snapshots.
    kept: Kept | None
    #: Executors by shown status.
    executors: dict[str, int]
    recoveries: tuple[RecoveryRow, ...]


class OverviewPage:
    """Shows how one application is doing."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/apps/{name}", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?range=`` or ``?start=&end=`` is what its charts show, ``?sort=`` orders workflows."""
        operations = self._site.operations
        overview = await operations.overviews.application(actor, request.path_params["name"])
        record = overview.application.record
        chosen = time_range(request, self._site.now(), record.created_at)
        wished = request.query_params.get("sort", "")
        sort = wished if wished in SORTS else SORTS[0]
        mark = f"({len(overview.attention)}) " if overview.attention else ""
        return Page(
            template="overview.html",
            title=mark + record.name,
            section="home",
            path=app_url(record.name),
            topics=(application_topic(record.id),),
            poll_secs=COUNTING_SECS if overview.counting else LIVE_SECS,
            styles=("uplot.css", "charts.css", "overview.css"),
            scripts=("uplot.min.js", "charts.js"),
            data=OverviewView(
                application=overview.application,
                attention=overview.attention,
                counting=overview.counting,
                start=chosen.start,
                end=chosen.end,
                measures=await self._measures(actor, record.name, chosen, sort),
                kept=await self._kept(actor, overview.application),
                executors=_by_status(overview.versions),
                recoveries=tuple(recovery(entry) for entry in overview.recoveries),
            ),
            extras={
                "frame": frame(overview.application, actor, "overview"),
                **range_extras(request, chosen, "sort"),
                "sort": sort,
                "server_url": server_url(request),
                "snippets": snippets(server_url(request), record.name),
            },
        )

    async def _kept(self, actor: Actor, application: Application) -> Kept | None:
        if application.available:
            return None
        try:
            groups, served = await self._site.operations.snapshots.under_way(actor, application.record.name)
        except NotFoundError:
            return None
        waiting = [group for group in groups if group.status == "ENQUEUED"]
        oldest = moment_of(min((group.min_created_at_epoch_ms for group in waiting), default=None))
        return Kept(
            served=served,
            running=sum(group.count for group in groups if group.status == "PENDING"),
            waiting=sum(group.count for group in waiting),
            oldest_waiting_secs=None
            if oldest is None or served.snapshot_at is None
            else max(0.0, (served.snapshot_at - oldest).total_seconds()),
        )

    async def _measures(self, actor: Actor, name: str, chosen: TimeRange, sort: str) -> Measures | None:
        if METRIC_READ not in actor.permissions:
            return None
        chart = await self._site.operations.metrics.series(
            actor,
            name,
            families=FAMILIES,
            start=chosen.start,
            end=chosen.end,
            resolution_secs=resolution_secs(chosen.start, chosen.end),
        )
        return measures_of(chart, chosen.end, sort)


def _by_status(versions: Sequence[VersionView]) -> dict[str, int]:
    """Executors by the status that is shown of them."""
    unresponsive = sum(version.unresponsive for version in versions)
    return {
        "healthy": sum(version.healthy for version in versions) - unresponsive,
        "unresponsive": unresponsive,
        "disconnected": sum(version.disconnected for version in versions),
        "dead": sum(version.dead for version in versions),
    }


def range_extras(request: Request, chosen: TimeRange, *kept: str) -> dict[str, object]:
    """What a template needs to offer stretches of time, and to lead to what happened within this one.

    Args:
        request: for the page.
        chosen: the stretch of time.
        kept: names in its query that its links keep besides.
    """
    query = request.query_params
    ended = {"completed_after": _minute(chosen.start)}
    if not chosen.name:
        ended["completed_before"] = _minute(chosen.end)
    return {
        "chosen": chosen,
        "filters": {name: query.get(name, "") for name in ("range", "start", "end", "zone", *kept)},
        # Of links to workflows that ended within the range.
        "ended": ended,
    }


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes").replace("+00:00", "Z")


def recovery(entry: AuditEntry) -> RecoveryRow:
    """Read an entry's details leniently: older servers may have written others."""
    details = entry.details
    ids = details.get("executor_ids")
    attempts = _number(details, "attempts")
    return RecoveryRow(
        at=entry.emitted_at,
        succeeded=entry.status == "success",
        executor_ids=tuple(str(value) for value in ids) if isinstance(ids, list | tuple) else (),
        application_version=_text(details, "application_version"),
        recovered_by=_text(details, "recovered_by"),
        detection_secs=_number(details, "detection_secs"),
        recovery_secs=_number(details, "recovery_secs"),
        attempts=None if attempts is None else int(attempts),
        error=_text(details, "error"),
    )


def _text(details: dict[str, object], key: str) -> str | None:
    value = details.get(key)
    return None if value is None else str(value)


def _number(details: dict[str, object], key: str) -> float | None:
    value = details.get(key)
    return float(value) if isinstance(value, int | float) else None
