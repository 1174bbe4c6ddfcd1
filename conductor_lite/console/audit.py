"""The page of the audit log: who did what, newest first, narrowed by what the query string says."""

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import ROWS_PER_PAGE, Paging, page_number
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.topics import AUDIT

_FILTERS = ("operation", "target", "subject")

#: Offered while typing; any other may be typed all the same.
_KNOWN_OPERATIONS = (
    "application.create",
    "application.update",
    "application.delete",
    "executor.recovery",
    "token.create",
    "token.revoke",
)


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    entries: tuple[AuditEntry, ...]
    paging: Paging


class AuditPage:
    """Shows the audit log."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/audit", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?operation=``, ``?target=`` and ``?subject=`` narrow it."""
        filters = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
        page = page_number(request.query_params)
        found = await self._site.operations.audit.list(
            actor,
            operation=filters["operation"] or None,
            subject=filters["subject"] or None,
            target=filters["target"] or None,
            # One more than is shown tells whether there is a next page.
            limit=ROWS_PER_PAGE + 1,
            offset=(page - 1) * ROWS_PER_PAGE,
        )
        return Page(
            template="audit.html",
            title="Audit log",
            section="audit",
            path="/audit",
            topics=(AUDIT,),
            data=AuditView(
                entries=tuple(found[:ROWS_PER_PAGE]),
                paging=Paging(page=page, total=None, has_next=len(found) > ROWS_PER_PAGE),
            ),
            extras={"filters": filters, "known_operations": _KNOWN_OPERATIONS},
        )
