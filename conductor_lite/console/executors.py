"""The page of an application's executors: who they are, how they are doing; and recovering unknown ones."""

from collections import Counter
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.formatting import plain
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.snippets import server_url, snippets
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.console.urls import app_url
from conductor_lite.errors import NotFoundError
from conductor_lite.operations.attention import UNKNOWN, Attention
from conductor_lite.operations.executors import ExecutorView
from conductor_lite.operations.topics import application_topic

#: What the table can be narrowed to; UNRESPONSIVE executors are HEALTHY ones that do not answer.
STATUSES = ("HEALTHY", "UNRESPONSIVE", "DISCONNECTED", "DEAD")
#: Seconds between two looks: round trips and requests in flight change without being announced.
LIVE_SECS = 5.0

#: What the table can be ordered by besides its usual order, and what comes first.
_SORTS: dict[str, Callable[[ExecutorView], tuple[object, ...]]] = {
    "id": lambda executor: (executor.executor_id, executor.application_version),
    "version": lambda executor: (executor.application_version, executor.executor_id),
    "host": lambda executor: (executor.hostname is None, executor.hostname or ""),
    "since": lambda executor: (executor.connected_at or executor.updated_at,),
    "slowest": lambda executor: (-(executor.round_trip_ms or 0.0),),
    "busiest": lambda executor: (-executor.in_flight,),
}
SORTS = tuple(_SORTS)


class ExecutorsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    #: Those that match the filters, this page of them.
    executors: tuple[ExecutorView, ...]
    paging: Paging
    #: All of them by shown status, whatever the filters.
    counts: dict[str, int]
    executor_count: int
    #: Executors by version, whatever the filters.
    versions: dict[str, int]
    #: Who owns work without being on record.
    unknown: tuple[Attention, ...]


class RecoveryQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked before the workflows of an unknown executor are recovered."""

    executor_id: str
    application_version: str
    pending_count: int
    #: Executors of its version, of which one goes on with them.
    healthy: int


class ExecutorsPage:
    """Shows executors, and recovers what unknown ones left behind."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [
            Route("/apps/{name}/executors", self._site.shows(self.show), methods=["GET"]),
            Route("/apps/{name}/recover", self._site.shows(self.ask_recovery), methods=["GET"]),
            Route("/apps/{name}/recover", self._site.does(self.recover), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?status=``, ``?version=`` and ``?q=`` narrow it, ``?sort=`` orders it."""
        overview = await self._site.operations.overviews.application(actor, request.path_params["name"])
        record = overview.application.record
        filters = _filters(request)
        matching = [executor for executor in overview.executors if _matches(executor, filters)]
        if filters["sort"]:
            matching.sort(key=_SORTS[filters["sort"]])
        shown, paging = cut(matching, page_number(request.query_params))
        return Page(
            template="executors.html",
            title=f"Executors of {record.name}",
            section="home",
            path=app_url(record.name, "executors"),
            topics=(application_topic(record.id),),
            poll_secs=LIVE_SECS,
            styles=("overview.css",),
            data=ExecutorsView(
                executors=shown,
                paging=paging,
                counts=dict(Counter(shown_status(executor) for executor in overview.executors)),
                executor_count=len(overview.executors),
                versions=dict(Counter(executor.application_version for executor in overview.executors)),
                unknown=tuple(item for item in overview.attention if item.kind == UNKNOWN),
            ),
            extras={
                "frame": frame(overview.application, actor, "executors"),
                "filters": filters,
                "statuses": STATUSES,
                "server_url": server_url(request),
                "snippets": snippets(server_url(request), record.name),
            },
        )

    async def ask_recovery(self, request: Request, actor: Actor) -> Page:
        """Ask before the workflows of ``?executor_id=`` and ``?application_version=`` are recovered."""
        operations = self._site.operations
        application = await operations.applications.get(actor, request.path_params["name"])
        name, asked = application.record.name, request.query_params
        key = asked.get("executor_id", ""), asked.get("application_version", "")
        unknown = {
            (each.executor_id, each.application_version): each
            for each in await operations.executors.list_unknown(actor, name)
        }
        if key not in unknown:
            raise NotFoundError(
                "No such executor has pending workflows; they may have been recovered already."
            )
        healthy = {each.application_version: each.healthy for each in application.versions}
        return Page(
            template="executor_recover.html",
            title="Recover the workflows of an unknown executor?",
            section="home",
            data=RecoveryQuestion(
                executor_id=key[0],
                application_version=key[1],
                pending_count=unknown[key].pending_count,
                healthy=healthy.get(key[1], 0),
            ),
            extras={"frame": frame(application, actor, "executors")},
        )

    async def recover(self, request: Request, actor: Actor, form: Form) -> Response:
        """Recover what an executor left behind that is not on record, and come back."""
        name = request.path_params["name"]
        executor_id = form.text("executor_id")
        await self._site.operations.executors.recover_unknown(
            actor, name, executor_id, form.text("application_version")
        )
        flash = Flash(text=f"Executor {executor_id} counts as dead now; its workflows are being recovered.")
        return self._site.redirect(request, app_url(name), flash)


def shown_status(executor: ExecutorView) -> str:
    """The status that the table shows: one that is connected but does not answer is told apart."""
    return "UNRESPONSIVE" if executor.status == "HEALTHY" and not executor.responsive else executor.status


def _filters(request: Request) -> dict[str, str]:
    query = request.query_params
    status, sort = query.get("status", "").upper(), query.get("sort", "")
    return {
        "status": status if status in STATUSES else "",
        "version": query.get("version", ""),
        "q": query.get("q", "").strip(),
        "sort": sort if sort in _SORTS else "",
    }


def _matches(executor: ExecutorView, filters: dict[str, str]) -> bool:
    if filters["status"] not in ("", shown_status(executor)):
        return False
    if filters["version"] not in ("", executor.application_version):
        return False
    text = filters["q"].lower()
    return not text or any(text in field.lower() for field in _fields(executor))


def _fields(executor: ExecutorView) -> list[str]:
    """What the text filter looks through."""
    facts = (f"{key}={plain(value)}" for key, value in (executor.executor_metadata or {}).items())
    known = (executor.hostname, executor.language, executor.dbos_version, executor.remote_address)
    return [
        executor.executor_id,
        executor.application_version,
        f"{executor.language or ''} {executor.dbos_version or ''}",
        *(value for value in known if value),
        *facts,
    ]
