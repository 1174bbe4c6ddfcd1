"""What the views of a workflow's page are made of: whom they are about, and how one view is described."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from starlette.requests import Request

from conductor_lite.auth.actor import Actor
from conductor_lite.console.rendering import Shortcut
from conductor_lite.console.site import Site
from conductor_lite.console.urls import ELSEWHERE, name_in, workflow_url
from conductor_lite.console.workflow.carried import Payloads, Whose
from conductor_lite.operations import Operations
from conductor_lite.operations.applications import Application
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.operations.snapshots import Served
from conductor_lite.protocol import WorkflowRecord


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow that somebody looks at."""

    operations: Operations
    actor: Actor
    request: Request
    now: datetime
    application: Application
    workflow: WorkflowRecord
    #: Its input, output and error where the view asks for them.
    payloads: Payloads = Payloads()
    #: Recoveries that may have been of it.
    recoveries: tuple[PastRecovery, ...] = ()
    #: Where the workflow came from; a snapshot tells nothing but the workflow itself.
    served: Served
    #: Of the application's executors; None when nobody knows it.
    language: str | None

    @property
    def application_name(self) -> str:
        """Name of the application."""
        return self.application.record.name

    @property
    def private_mode(self) -> bool:
        """Whether payloads are never fetched."""
        return self.application.record.private_mode

    @property
    def whose(self) -> Whose:
        """Tells workflows apart, whatever application they are of."""
        return whose(self.operations, self.application, self.workflow.workflow_id)

    @property
    def target(self) -> tuple[Actor, str, str]:
        """Who asks, the application's name, and the id: what operations on one workflow begin with."""
        return self.actor, self.application_name, self.workflow.workflow_id

    @property
    def path(self) -> str:
        """Its page's address without the query."""
        return self.url().partition("?")[0]

    def filters(self, view_key: str) -> dict[str, str]:
        """The query of one of its views, for what changes a part of it."""
        is_elsewhere = self.path.endswith(f"/{ELSEWHERE}")
        return {"id": self.workflow.workflow_id if is_elsewhere else "", "view": view_key}

    def url(self, *parts: str, **query: object) -> str:
        """The workflow's page, or one below it."""
        return workflow_url(self.application_name, self.workflow.workflow_id, *parts, **query)


def whose(operations: Operations, application: Application, workflow_id: str) -> Whose:
    """Tells workflows apart, also those made anew under an id that there was before."""
    record = application.record
    return record.id, record.private_mode, workflow_id, operations.workflows.remade(record)


async def subject_of(site: Site, request: Request, actor: Actor) -> Subject:
    """The workflow that an address names, fresh and without payloads, for whoever wants to change it.

    Raises:
        NotFoundError: no such application or workflow.
        DispatchError: no executor answered.
    """
    name, id_ = request.path_params["name"], name_in(request, "id")
    application = await site.operations.applications.get(actor, name)
    workflow = await site.operations.workflows.get(actor, name, id_, load_input=False, load_output=False)
    return Subject(
        operations=site.operations,
        actor=actor,
        request=request,
        now=site.now(),
        application=application,
        workflow=workflow,
        served=Served(source="executor"),
        language=None,
    )


class WorkflowView(msgspec.Struct, frozen=True, kw_only=True):
    """One view of the page, chosen with ``?view=``."""

    key: str
    #: What the row of views calls it.
    label: str
    #: Shown below the head of the page; finds what ``load`` gave under the name ``content``.
    template: str
    #: Gets what it shows: a Struct, without anything that differs at each look, for it is compared.
    #: May raise what operations raise; a DispatchError is explained in place.
    load: Callable[[Subject], Awaitable[object]]
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    #: Whether ``Subject.payloads`` is to have input, output and error.
    wants_payloads: bool = False
    #: Whether there is nothing to show in private mode.
    is_payload: bool = False
    #: Whether it has something to show while the workflow comes from a snapshot.
    works_offline: bool = False
