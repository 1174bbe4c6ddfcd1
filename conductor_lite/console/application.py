"""An application's page: its executors, versions and recoveries; its settings; and deleting it."""

from collections import Counter
from datetime import datetime
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.snippets import server_url, snippets
from conductor_lite.console.tables import Paging, cut, page_number
from conductor_lite.errors import ForbiddenError, InvalidError
from conductor_lite.operations.applications import MAX_EXECUTOR_TIMEOUT_SECS, Application, ApplicationChanges
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.executors import ExecutorView, VersionView
from conductor_lite.operations.overview import ApplicationOverview, Attention
from conductor_lite.operations.topics import application_topic

#: What the table can be narrowed to; UNRESPONSIVE executors are HEALTHY ones that do not answer.
STATUSES = ("HEALTHY", "UNRESPONSIVE", "DISCONNECTED", "DEAD")


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


class ApplicationPageView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    application: Application
    attention: tuple[Attention, ...]
    #: Those that match the filters, this page of them.
    executors: tuple[ExecutorView, ...]
    paging: Paging
    #: All its executors by shown status, whatever the filters.
    counts: dict[str, int]
    executor_count: int
    versions: tuple[VersionView, ...]
    recoveries: tuple[RecoveryRow, ...]


class ApplicationPage:
    """Shows one application, changes its settings, deletes it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/apps/{name}", shows(self.show), methods=["GET"]),
            Route("/apps/{name}/settings", does(self.update), methods=["POST"]),
            Route("/apps/{name}/recover", does(self.recover), methods=["POST"]),
            Route("/apps/{name}/delete", shows(self.confirm_deletion), methods=["GET"]),
            Route("/apps/{name}/delete", does(self.delete), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?status=`` and ``?q=`` narrow its executors."""
        return await self._page(request, actor)

    async def update(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change the settings, and come back."""
        name = request.path_params["name"]
        timeout = form.text("executor_timeout_secs")
        private_mode = form.checked("private_mode")
        recover_unknown = form.checked("recover_unknown_executors")
        try:
            changes = ApplicationChanges(
                executor_timeout_secs=_timeout_secs(timeout),
                private_mode=private_mode,
                recover_unknown_executors=recover_unknown,
            )
            await self._site.operations.applications.update(actor, name, changes)
        except (InvalidError, ForbiddenError) as error:
            filled = {
                "timeout": timeout,
                "private_mode": private_mode,
                "recover_unknown_executors": recover_unknown,
                "problem": explain(error),
            }
            page = await self._page(request, actor, filled)
            return self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        flash = Flash(text=f"Saved the settings of {name}. They apply from now on.")
        return self._site.redirect(request, f"/apps/{quote(name)}", flash)

    async def recover(self, request: Request, actor: Actor, form: Form) -> Response:
        """Recover what an executor left behind that is not on record, and come back."""
        name = request.path_params["name"]
        executor_id = form.text("executor_id")
        await self._site.operations.executors.recover_unknown(
            actor, name, executor_id, form.text("application_version")
        )
        flash = Flash(text=f"Executor {executor_id} counts as dead now; its workflows are being recovered.")
        return self._site.redirect(request, f"/apps/{quote(name)}", flash)

    async def confirm_deletion(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting; what the dialog says, for browsers without scripts."""
        overview = await self._site.operations.overviews.application(actor, request.path_params["name"])
        view = _view(request, overview)
        return Page(
            template="application_delete.html",
            title=f"Delete {view.application.record.name}?",
            section="home",
            data=view,
        )

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete the application, and go home."""
        name = request.path_params["name"]
        overview = await self._site.operations.overviews.application(actor, name)
        connected = sum(executor.connected_at is not None for executor in overview.executors)
        await self._site.operations.applications.delete(actor, name)
        closed = f" and closed {connected} connection{'' if connected == 1 else 's'}" if connected else ""
        return self._site.redirect(request, "/", Flash(text=f"Deleted {name}{closed}."))

    async def _page(self, request: Request, actor: Actor, filled: dict[str, object] | None = None) -> Page:
        overview = await self._site.operations.overviews.application(actor, request.path_params["name"])
        record = overview.application.record
        view = _view(request, overview)
        mark = f"({len(view.attention)}) " if view.attention else ""
        return Page(
            template="application.html",
            title=mark + record.name,
            section="home",
            path=f"/apps/{quote(record.name)}",
            topics=(application_topic(record.id),),
            data=view,
            extras={
                "frame": frame(overview.application, actor, "overview"),
                "filters": _filters(request),
                "statuses": STATUSES,
                "form": filled
                or {
                    "timeout": str(record.executor_timeout_secs),
                    "private_mode": record.private_mode,
                    "recover_unknown_executors": record.recover_unknown_executors,
                    "problem": "",
                },
                "max_timeout_secs": MAX_EXECUTOR_TIMEOUT_SECS,
                "server_url": server_url(request),
                "snippets": snippets(server_url(request), record.name),
            },
        )


def shown_status(executor: ExecutorView) -> str:
    """The status that the table shows: one that is connected but does not answer is told apart."""
    return "UNRESPONSIVE" if executor.status == "HEALTHY" and not executor.responsive else executor.status


def _filters(request: Request) -> dict[str, str]:
    status = request.query_params.get("status", "").upper()
    return {
        "status": status if status in STATUSES else "",
        "q": request.query_params.get("q", "").strip(),
    }


def _view(request: Request, overview: ApplicationOverview) -> ApplicationPageView:
    filters = _filters(request)
    matching = [executor for executor in overview.executors if _matches(executor, filters)]
    shown, paging = cut(matching, page_number(request.query_params))
    return ApplicationPageView(
        application=overview.application,
        attention=overview.attention,
        executors=shown,
        paging=paging,
        counts=dict(Counter(shown_status(executor) for executor in overview.executors)),
        executor_count=len(overview.executors),
        versions=overview.versions,
        recoveries=tuple(_recovery(entry) for entry in overview.recoveries),
    )


def _matches(executor: ExecutorView, filters: dict[str, str]) -> bool:
    if filters["status"] not in ("", shown_status(executor)):
        return False
    text = filters["q"].lower()
    fields = (executor.executor_id, executor.application_version, executor.hostname or "")
    return any(text in field.lower() for field in fields)


def _recovery(entry: AuditEntry) -> RecoveryRow:
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


def _timeout_secs(text: str) -> int:
    # At most nine digits: int() of a very long text is slow, and every larger number is out of bounds anyway.
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise InvalidError(
        f"The executor timeout is a whole number of seconds from 1 to {MAX_EXECUTOR_TIMEOUT_SECS}."
    )
