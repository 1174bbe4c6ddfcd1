"""The page of the audit log: who did what, newest first, narrowed by the query string; and as a file."""

from datetime import datetime, tzinfo

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.audit_files import FORMATS, written
from conductor_lite.console.preferences import (
    RANGE_FIELD,
    RANGES,
    local_moment,
    preferences,
    time_range,
    zone_of,
)
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import ROWS_PER_PAGE, Paging, link, page_number
from conductor_lite.downloads import Download
from conductor_lite.errors import ConductorError, InvalidError
from conductor_lite.operations.audit import AuditEntry, AuditFilters, KnownValues
from conductor_lite.operations.topics import AUDIT

#: Filters as they stand in the address.
_FIELDS = ("operation", "status", "subject", "target", RANGE_FIELD, "start", "end", "zone")
#: Field of the address with the number of the newest entry when the first page was left: later pages begin
#: below it, so they stay what they are while new entries are written.
_ANCHOR = "upto"
_STATUSES = {"success": "Done", "failure": "Refused or failed"}


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    entries: tuple[AuditEntry, ...]
    paging: Paging
    #: Why the filters cannot be read; empty when they can.
    problem: str = ""


class AuditPage:
    """Shows the audit log, and gives it as a file."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [
            Route("/audit", self._site.shows(self.show), methods=["GET"]),
            Route("/audit/download", self.download, methods=["GET"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; `_FIELDS` narrow it."""
        query = request.query_params
        given = _given(query)
        page = page_number(query)
        anchor = _anchor(query) if page > 1 else None
        operations = self._site.operations
        problem, found, known = "", [], KnownValues(operations=(), subjects=())
        try:
            found = await operations.audit.list(
                actor,
                **msgspec.structs.asdict(_filters(request, self._site.now())),
                newest_id=anchor,
                # One more than is shown tells whether there is a next page.
                limit=ROWS_PER_PAGE + 1,
                offset=(page - 1) * ROWS_PER_PAGE,
            )
        except InvalidError as error:
            problem = str(error)
        else:
            known = await operations.audit.known(actor)
        entries = tuple(found[:ROWS_PER_PAGE])
        newest = anchor if anchor is not None else entries[0].id if entries else None
        return Page(
            template="audit.html",
            title="Audit log",
            section="audit",
            path="/audit",
            topics=(AUDIT,),
            styles=("admin.css",),
            data=AuditView(
                entries=entries,
                paging=Paging(page=page, total=None, has_next=len(found) > ROWS_PER_PAGE),
                problem=problem,
            ),
            status=422 if problem else 200,
            extras={
                "filters": given,
                "narrowed": any(value for name, value in given.items() if name != "zone"),
                "paged": {**given, _ANCHOR: str(newest or "")},
                "known": known,
                "statuses": _STATUSES,
                "downloads": {name: link("/audit/download", {**given, "format": name}) for name in FORMATS},
            },
        )

    async def download(self, request: Request) -> Response:
        """Everything that matches as a file, ``?format=csv`` or ``?format=jsonl``; made while it is taken."""
        actor = None
        try:
            actor = await self._site.actor(request)
            file_format = request.query_params.get("format", "csv")
            if file_format not in FORMATS:
                raise InvalidError(f"There is no format {file_format[:80]!r}; use csv or jsonl.")
            filters = _filters(request, self._site.now())
            # Refused here, before the answer has begun.
            await self._site.operations.audit.list(actor, limit=1)
        except ConductorError as error:
            return self._site.refusal(request, actor, error)
        pages = self._site.operations.audit.everything(actor, filters)
        name = f"conductor-audit-{self._site.now():%Y%m%dT%H%M%SZ}.{file_format}"
        return Download(written(pages, file_format), name, FORMATS[file_format])


def _given(query: QueryParams) -> dict[str, str]:
    return {name: query.get(name, "").strip() for name in _FIELDS}


def _filters(request: Request, now: datetime) -> AuditFilters:
    """What the address asks for; times in it are the reader's own.

    Raises:
        InvalidError: a time is not readable, or there is no such status.
    """
    given = _given(request.query_params)
    # A link that is passed on means the times of who made it.
    zone = zone_of(given["zone"]) or preferences(request).zone
    start, end = _bounds(request, given, zone, now)
    status = given["status"] or None
    if status is not None and status not in _STATUSES:
        raise InvalidError(f"There is no status {status[:80]!r}; use success or failure.")
    return AuditFilters(
        start=start,
        end=end,
        operation=given["operation"] or None,
        status=status,
        subject=given["subject"] or None,
        target=given["target"] or None,
    )


def _bounds(
    request: Request, given: dict[str, str], zone: tzinfo, now: datetime
) -> tuple[datetime | None, datetime | None]:
    if given[RANGE_FIELD] in RANGES and not (given["start"] or given["end"]):
        # Without an end: what happens from now on belongs to the last hour as well.
        return time_range(request, now).start, None
    return local_moment(given["start"], zone, "start"), local_moment(given["end"], zone, "end")


def _anchor(query: QueryParams) -> int | None:
    text = query.get(_ANCHOR, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
