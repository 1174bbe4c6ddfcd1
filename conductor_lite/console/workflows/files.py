"""The table of workflows as a file, CSV or JSON: the same filters and order, without pages."""

import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.beginnings import span_of_doubt
from conductor_lite.console.formatting import iso
from conductor_lite.console.site import Site
from conductor_lite.console.workflows.page import read_query
from conductor_lite.console.workflows.rows import WorkflowRow, row_of
from conductor_lite.console.workflows.tree import Recoveries
from conductor_lite.downloads import Download
from conductor_lite.errors import InvalidError
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.operations.snapshots import Listing
from conductor_lite.protocol import WorkflowRecord

#: Most workflows in one file.
MAX_ROWS = 100_000
_COLUMNS = (
    "workflow_id",
    "status",
    "name",
    "class_name",
    "queue_name",
    "application_version",
    "executor_id",
    "user",
    "schedule_name",
    "application_name",
    "parent_workflow_id",
    "forked_from",
    "created_at",
    "dequeued_at",
    "completed_at",
    "waited_secs",
    "ran_secs",
    "attributes",
)
#: What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BATCH = 100


class WorkflowFilesPage:
    """Sends the table as a file."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        sends = self._site.sends
        return [
            Route("/apps/{name}/workflows.csv", sends(self.csv), methods=["GET"]),
            Route("/apps/{name}/workflows.json", sends(self.json), methods=["GET"]),
        ]

    async def csv(self, request: Request, actor: Actor) -> Response:
        """The rows for a spreadsheet: the first line has the columns' names."""
        listing = await self._listing(request, actor)
        name = f"{request.path_params['name']}-workflows.csv"
        return Download(_csv(listing, self._recoveries_of(request, actor)), name, "text/csv; charset=utf-8")

    async def json(self, request: Request, actor: Actor) -> Response:
        """The rows as one JSON list."""
        listing = await self._listing(request, actor)
        name = f"{request.path_params['name']}-workflows.json"
        return Download(_json(listing, self._recoveries_of(request, actor)), name, "application/json")

    def _recoveries_of(self, request: Request, actor: Actor) -> Recoveries:
        async def recoveries_of(records: Sequence[WorkflowRecord]) -> Sequence[PastRecovery]:
            name = request.path_params["name"]
            return await self._site.operations.executors.recoveries(actor, name, span_of_doubt(records))

        return recoveries_of

    async def _listing(self, request: Request, actor: Actor) -> Listing:
        query = read_query(request, self._site)
        if query.errors:
            raise InvalidError("The filter is not readable.", query.errors)
        wanted = msgspec.structs.replace(
            query.asked,
            limit=MAX_ROWS,
            sort_desc=not query.oldest_first,
            load_input=False,
            load_output=False,
        )
        # Its first page has been fetched when this returns: what is wrong is told before the file begins.
        return await self._site.operations.snapshots.search(actor, request.path_params["name"], wanted)


async def _csv(listing: Listing, recoveries_of: Recoveries) -> AsyncGenerator[bytes, None]:
    yield _lines([_COLUMNS])
    async for rows in _rows(listing, recoveries_of):
        yield _lines([[_cell(getattr(row, column)) for column in _COLUMNS] for row in rows])


async def _json(listing: Listing, recoveries_of: Recoveries) -> AsyncGenerator[bytes, None]:
    before = b"[\n"
    encode: Callable[[object], bytes] = msgspec.json.encode
    async for rows in _rows(listing, recoveries_of):
        if rows:
            yield before + b",\n".join(encode(_facts(row)) for row in rows)
            before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


async def _rows(listing: Listing, recoveries_of: Recoveries) -> AsyncGenerator[list[WorkflowRow], None]:
    """In batches, between which the event loop turns to others."""
    async with aclosing(listing.pages) as pages:
        async for page in pages:
            for start in range(0, len(page), _BATCH):
                batch = page[start : start + _BATCH]
                recoveries = await recoveries_of(batch)
                yield [row_of(record, whole=True, recoveries=recoveries) for record in batch]


def _facts(row: WorkflowRow) -> dict[str, object]:
    return {column: getattr(row, column) for column in _COLUMNS}


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    """A value as a spreadsheet shows it, and never runs it."""
    if value is None or value == {}:
        return ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return str(value)
