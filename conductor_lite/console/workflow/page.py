"""A workflow's page: its head, and one of its views below. What a view shows is its own module's business."""

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.beginnings import span_of_doubt
from conductor_lite.console.formatting import clip
from conductor_lite.console.frame import frame, tab_url
from conductor_lite.console.payloads.display import payload_extras, small_tree
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.tables import link
from conductor_lite.console.urls import name_in, workflow_url
from conductor_lite.console.workflow.carried import Fetched, with_payloads
from conductor_lite.console.workflow.deeds import deeds
from conductor_lite.console.workflow.facts import WorkflowFacts, facts
from conductor_lite.console.workflow.language import language_of
from conductor_lite.console.workflow.subject import Subject, WorkflowView, whose
from conductor_lite.console.workflow.views import VIEWS, view_named
from conductor_lite.errors import DispatchError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.snapshots import Served
from conductor_lite.operations.topics import application_topic

#: Seconds between two looks while it goes on, and after it has ended.
LIVE_SECS = 2.0
ENDED_SECS = 5.0

#: Of an id that is not there, what is looked for elsewhere.
_SEARCHED_CHARS = 200
_PRIVATE = "This application is in private mode: payloads are never fetched, so nothing is shown here."
_AWAY = "No executor is connected; this can be done when one is."
_OFFLINE = "Only an executor can tell. It shows here as soon as one is connected."


class WorkflowPageView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    workflow: WorkflowFacts
    served: Served
    #: Why the workflow is from a snapshot although an executor is connected; empty mostly.
    trouble: str
    #: Key of the view.
    view: str
    #: What the view shows; None when it cannot.
    content: object
    #: Why it cannot; empty when it can.
    problem: str


class MissingView(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a workflow that is not there."""

    workflow_id: str
    detail: str
    #: Whether there are other applications where it may be.
    elsewhere: bool


class WorkflowPage:
    """Shows one workflow."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/apps/{name}/workflows/{id}", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?view=`` chooses what is below the head."""
        view = view_named(request.query_params.get("view", ""))
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        try:
            return await self._page(request, actor, application, view)
        except NotFoundError as error:
            return await self._missing(actor, application, name_in(request, "id"), str(error))

    async def _page(
        self, request: Request, actor: Actor, application: Application, view: WorkflowView
    ) -> Page:
        name, id_ = application.record.name, name_in(request, "id")
        found = await self._fetched(actor, application, id_, payloads=view.wants_payloads)
        record, served = found.workflow, found.served
        operations = self._site.operations
        recoveries = await operations.executors.recoveries(actor, name, span_of_doubt([record]))
        subject = Subject(
            operations=operations,
            actor=actor,
            request=request,
            now=self._site.now(),
            application=application,
            workflow=record,
            payloads=found.payloads,
            recoveries=recoveries,
            served=served,
            language=await language_of(operations, actor, name, record.executor_id),
        )
        content, problem = await _content(subject, view)
        known = facts(record, recoveries)
        shown_frame = frame(application, actor, "workflows")
        return Page(
            template="workflow.html",
            title=clip(known.workflow_name or id_, 80),
            section="home",
            path=workflow_url(name, id_).partition("?")[0],
            topics=(application_topic(application.record.id),),
            poll_secs=ENDED_SECS if known.has_ended else LIVE_SECS,
            styles=("workflow.css", *view.styles),
            scripts=view.scripts,
            shortcuts=view.shortcuts,
            data=WorkflowPageView(
                workflow=known,
                served=served,
                trouble=found.trouble,
                view=view.key,
                content=content,
                problem=problem,
            ),
            extras={
                "frame": shown_frame,
                "subject": subject,
                "tab_url": tab_url,
                "view": view,
                "views": VIEWS,
                "deeds": deeds(
                    known,
                    subject.url,
                    shown_frame.inert_reason,
                    "" if application.available else _AWAY,
                    private_mode=subject.private_mode,
                ),
                "content": content,
                "language": subject.language,
                "whole_id": id_,
                **payload_extras(subject.url, small_tree),
            },
        )

    async def _fetched(self, actor: Actor, application: Application, id_: str, *, payloads: bool) -> Fetched:
        """The workflow from wherever it can be had, and what stood in the way of having it fresh."""
        snapshots, name = self._site.operations.snapshots, application.record.name

        async def fetch(load: bool) -> Fetched:
            try:
                record, served = await snapshots.get(actor, name, id_, load_input=load, load_output=load)
            except DispatchError as error:
                try:
                    record, served = await snapshots.get(actor, name, id_, "snapshot")
                except NotFoundError:
                    raise error from None
                return Fetched(workflow=record, served=served, trouble=str(error))
            return Fetched(workflow=record, served=served)

        if not payloads:
            return await fetch(False)
        return await with_payloads(whose(self._site.operations, application, id_), fetch)

    async def _missing(self, actor: Actor, application: Application, id_: str, detail: str) -> Page:
        applications = await self._site.operations.applications.list(actor)
        return Page(
            template="workflow_missing.html",
            title="No such workflow",
            section="home",
            data=MissingView(workflow_id=id_, detail=detail, elsewhere=len(applications) > 1),
            extras={
                "frame": frame(application, actor, "workflows"),
                "search_url": link("/search", {"q": id_[:_SEARCHED_CHARS]}),
                "prefix": id_[:_SEARCHED_CHARS],
            },
            status=404,
        )


async def _content(subject: Subject, view: WorkflowView) -> tuple[object, str]:
    """What a view shows, or why it cannot."""
    if view.is_payload and subject.private_mode:
        return None, _PRIVATE
    if subject.served.source == "snapshot" and not view.works_offline:
        return None, _OFFLINE
    try:
        return await view.load(subject), ""
    except DispatchError as error:
        return None, str(error)
