"""The page of an application's workflows: a table, narrowed and ordered by its query string, live."""

import functools
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, tzinfo

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.beginnings import span_of_doubt
from conductor_lite.console.bulk.page import ACTIONS, MAX_SELECTED, VERBS, told
from conductor_lite.console.formatting import moment_of
from conductor_lite.console.frame import frame
from conductor_lite.console.preferences import preferences
from conductor_lite.console.rendering import Page, Shortcut
from conductor_lite.console.site import Site
from conductor_lite.console.tables import ROWS_PER_PAGE, Paging, page_number
from conductor_lite.console.urls import app_url
from conductor_lite.console.workflows.counts import Counts
from conductor_lite.console.workflows.filters import (
    IN_SIGHT,
    LABELS,
    MAX_LENGTH,
    STATUSES,
    WorkflowQuery,
    field_of,
    parse_query,
    up_to,
)
from conductor_lite.console.workflows.rows import MAX_ID_CHARS, WorkflowRow, columns_of, row_of
from conductor_lite.console.workflows.tree import MAX_SHOWN, tree_rows
from conductor_lite.errors import (
    DeadlineExceededError,
    DispatchError,
    InvalidError,
    NoExecutorAnsweredError,
    NotFoundError,
)
from conductor_lite.operations.applications import Application
from conductor_lite.operations.bulk import BulkJob
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.operations.filter_fit import unmet_filter
from conductor_lite.operations.snapshots import Served, Source
from conductor_lite.operations.topics import application_topic, jobs_topic
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

_FROM = {"fork-from-failure": " from failure"}

#: Seconds between two looks while somebody watches.
POLL_SECS = 2.0


class WorkflowsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    application_name: str
    workflows: tuple[WorkflowRow, ...]
    paging: Paging
    #: Where the rows came from; None when nobody could give any.
    served: Served | None
    #: Workflows of each status that match everything but the status; None when nobody counted.
    counts: dict[str, int] | None
    #: Bulk jobs of the application that are not over.
    jobs: tuple[BulkJob, ...]
    #: Names of filters that the application's SDK seems not to know, for some rows do not meet them.
    unknown_filters: tuple[str, ...]
    #: Why there are no rows, or what is wrong with the filters; empty when nothing is.
    problem: str
    #: Up to which creation time, in milliseconds since 1970, this page of the list goes; None for the first.
    until_epoch_ms: int | None
    #: Why the rows are from a snapshot although executors are connected; empty mostly.
    trouble: str = ""


class WorkflowsPage:
    """Shows the table."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._counts = Counts(site.operations)

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/apps/{name}/workflows", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        query = read_query(request, self._site)
        name = application.record.name
        jobs = await self._site.operations.bulk_jobs.list(actor, name)
        view = msgspec.structs.replace(
            await self._view(request, actor, application, query),
            jobs=tuple(job for job in jobs if not job.is_over),
        )
        around = frame(application, actor, "workflows")
        path = app_url(name, "workflows")
        return Page(
            template="workflows.html",
            title=f"Workflows · {name}",
            section="home",
            path=path,
            topics=(application_topic(application.record.id), jobs_topic(application.record.id)),
            poll_secs=POLL_SECS,
            styles=("workflows.css",),
            scripts=("workflows.js",),
            data=view,
            shortcuts=(Shortcut(("x",), "select the row", needs="[data-select]"),),
            extras={
                "frame": around,
                "actions": [
                    (key, f"{VERBS[action][0]}{_FROM.get(key, '')}") for key, action in ACTIONS.items()
                ],
                "selectable": bool(view.workflows) and not around.inert_reason,
                "max_selected": MAX_SELECTED,
                "told": told,
                "query": query,
                "path": path,
                "columns": columns_of(view.workflows, name),
                "labels": LABELS,
                "more_used": sum(field not in IN_SIGHT for field, _ in query.given),
                "more_open": bool(query.errors),
                "statuses": _statuses(query, view.counts),
                "total": _total(query, view.counts),
                "first_epoch_ms": _pin(query, view),
                "first_row": (view.paging.page - 1) * ROWS_PER_PAGE + 1,
                "shown_rows": sum(not row.depth for row in view.workflows),
                "until": moment_of(view.until_epoch_ms),
                "paged": view.paging.page if view.paging.page > 1 else "",
                "rows_below": MAX_SHOWN,
                "max_id_chars": MAX_ID_CHARS,
                "narrow": _narrower(query, path),
                "local": functools.partial(_local, zone=preferences(request).zone),
            },
        )

    async def _view(
        self, request: Request, actor: Actor, application: Application, query: WorkflowQuery
    ) -> WorkflowsView:
        page = page_number(request.query_params)
        until = _until(request) if page > 1 and not query.oldest_first else None
        name = application.record.name
        if query.errors:
            problem = " ".join(
                f"{LABELS[error.location.partition('.')[2]]}: {error.message}." for error in query.errors
            )
            return _nothing(name, problem)
        counting = self._counts.begin(actor, application, query.asked)
        trouble = ""
        try:
            rows, served, unknown = await self._rows(actor, name, query, page, until)
        except (NoExecutorAnsweredError, DeadlineExceededError) as error:
            # Connected, and silent: the last snapshot is better than nothing here as well.
            trouble = str(error)
            try:
                rows, served, unknown = await self._rows(actor, name, query, page, until, "snapshot")
            except (NotFoundError, InvalidError):
                return _nothing(name, trouble)
        except (DispatchError, InvalidError) as error:
            return _nothing(name, str(error))
        has_next = len([row for row in rows if not row.depth]) > ROWS_PER_PAGE
        if has_next:
            last = max(index for index, row in enumerate(rows) if not row.depth)
            rows = rows[:last]
        return WorkflowsView(
            application_name=name,
            workflows=tuple(rows),
            paging=Paging(page=page, total=None, has_next=has_next),
            served=served,
            counts=await self._counts.take(counting),
            jobs=(),
            unknown_filters=unknown,
            problem="",
            trouble=trouble,
            until_epoch_ms=until,
        )

    async def _rows(
        self,
        actor: Actor,
        name: str,
        query: WorkflowQuery,
        page: int,
        until: int | None,
        source: Source = "auto",
    ) -> tuple[list[WorkflowRow], Served, tuple[str, ...]]:
        filters = query.asked if until is None else up_to(query.asked, until)
        filters = msgspec.structs.replace(
            filters,
            # One more than is shown tells whether there is a next page.
            limit=ROWS_PER_PAGE + 1,
            offset=(page - 1) * ROWS_PER_PAGE,
            sort_desc=not query.oldest_first,
        )
        records, served = await self._search(actor, name, filters, source)
        unmet = {unmet_filter(record, filters) for record in records} - {None}
        unknown = tuple(sorted(field_of(wire) for wire in unmet if wire))

        async def recoveries_of(records: Sequence[WorkflowRecord]) -> Sequence[PastRecovery]:
            return await self._site.operations.executors.recoveries(actor, name, span_of_doubt(records))

        if not query.tree:
            recoveries = await recoveries_of(records)
            return [row_of(record, recoveries=recoveries) for record in records], served, unknown

        async def children_of(ids: list[str], limit: int) -> list[WorkflowRecord]:
            below = WorkflowFilters(parent_workflow_id=ids, limit=limit, sort_desc=False)
            return (await self._search(actor, name, below, source))[0]

        rows = await tree_rows(records, frozenset(query.opened), children_of, recoveries_of)
        return rows, served, unknown

    async def _search(
        self, actor: Actor, name: str, filters: WorkflowFilters, source: Source
    ) -> tuple[list[WorkflowRecord], Served]:
        wanted = msgspec.structs.replace(filters, load_input=False, load_output=False)
        listing = await self._site.operations.snapshots.search(actor, name, wanted, source)
        async with aclosing(listing.pages) as pages:
            return [record async for part in pages for record in part], listing.served


def read_query(request: Request, site: Site) -> WorkflowQuery:
    """What an address of the table asks for."""
    wishes = preferences(request)
    return parse_query(
        request.query_params.multi_items(),
        zone=wishes.zone,
        now=site.now(),
        usual_range=wishes.table_range_name,
    )


def _nothing(application_name: str, problem: str) -> WorkflowsView:
    return WorkflowsView(
        application_name=application_name,
        workflows=(),
        paging=Paging(page=1, total=None, has_next=False),
        served=None,
        counts=None,
        jobs=(),
        unknown_filters=(),
        problem=problem,
        until_epoch_ms=None,
    )


def _until(request: Request) -> int | None:
    text = request.query_params.get("until", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        return None
    return int(text) if moment_of(int(text)) else None


def _pin(query: WorkflowQuery, view: WorkflowsView) -> int | None:
    """Where later pages begin to count, so that workflows which arrive meanwhile do not move them."""
    if view.until_epoch_ms is not None or query.oldest_first:
        return view.until_epoch_ms
    created = next((row.created_at for row in view.workflows if row.created_at), None)
    return None if created is None else round(created.timestamp() * 1_000)


def _statuses(query: WorkflowQuery, counts: dict[str, int] | None) -> list[tuple[str, int | None, bool]]:
    """Each status that can be chosen: its count, where there is one, and whether it is chosen."""
    chosen = query.values("status")
    words = dict.fromkeys((*STATUSES, *sorted(counts or ()), *chosen))
    return [(word, None if counts is None else counts.get(word, 0), word in chosen) for word in words if word]


def _total(query: WorkflowQuery, counts: dict[str, int] | None) -> int | None:
    """How many match, where they were counted."""
    if counts is None:
        return None
    chosen = query.values("status")
    return sum(count for status, count in counts.items() if not chosen or status in chosen)


def _narrower(query: WorkflowQuery, path: str) -> Callable[[str, str], str]:
    """Addresses that narrow to one value of a field; none for what is too long to be asked for."""

    # Rows have few different values.
    @functools.cache
    def narrow(field: str, value: str) -> str:
        return query.setting(path, field, value) if len(value) <= MAX_LENGTH else ""

    return narrow


def _local(text: str, zone: tzinfo) -> str:
    """A time as ``<input type="datetime-local">`` takes it; what is no time stays out of it."""
    try:
        return datetime.fromisoformat(text).astimezone(zone).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return ""
