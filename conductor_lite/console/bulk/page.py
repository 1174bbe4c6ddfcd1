"""Acting on many workflows at once: the question before, the beginning, and pages of what goes on."""

import functools
import re
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.bulk.target import Target, filters_of, matching, selected
from conductor_lite.console.forms import MAX_FIELDS, Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.preferences import preferences
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.urls import app_url
from conductor_lite.console.workflows.filters import WorkflowQuery, parse_query
from conductor_lite.errors import InvalidError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.bulk import MAX_WORKFLOWS, BulkAction, BulkJob, BulkOptions
from conductor_lite.operations.topics import application_topic, jobs_topic
from conductor_lite.protocol import WorkflowFilters
from conductor_lite.wording import count

#: How actions stand in addresses.
ACTIONS: dict[str, BulkAction] = {
    "cancel": "cancel",
    "resume": "resume",
    "fork-from-failure": "fork_from_failure",
    "delete": "delete",
}
#: What a job does, did, and is doing.
VERBS: dict[BulkAction, tuple[str, str, str]] = {
    "cancel": ("Cancel", "Cancelled", "Cancelling"),
    "resume": ("Resume", "Resumed", "Resuming"),
    "fork_from_failure": ("Fork", "Forked", "Forking"),
    "delete": ("Delete", "Deleted", "Deleting"),
}
#: Seconds that the answer to a click waits for a small job to be over.
SMALL_JOB_SECS = 2.0
#: Workflows that one form names; the question's form has other fields besides.
MAX_SELECTED = MAX_FIELDS - 50
#: So many of the longest ids that can be ticked, whatever they are written in.
_MAX_FORM_BYTES = 6 * 1024 * 1024
_TOO_MANY = (
    f"Too many workflows are selected; nothing was done. At most {MAX_SELECTED} can be. For more, set "
    "filters and use the menu All above the table: it acts on all that match."
)
_STYLES = ("workflows.css",)
_DIGITS = re.compile(r"[0-9]{1,15}")


class JobsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the list of jobs shows."""

    application_name: str
    jobs: tuple[BulkJob, ...]


class BulkPage:
    """Asks, begins jobs, and shows them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        chosen = functools.partial(does, max_bytes=_MAX_FORM_BYTES, too_large=_TOO_MANY)
        return [
            Route("/apps/{name}/bulk/{action}", shows(self.ask_about_all), methods=["GET"]),
            Route("/apps/{name}/bulk/{action}", chosen(self.ask_about_selected), methods=["POST"]),
            Route("/apps/{name}/jobs", shows(self.show_all), methods=["GET"]),
            Route(
                "/apps/{name}/jobs",
                chosen(self.start),
                methods=["POST"],
            ),
            Route("/apps/{name}/jobs/{id}", shows(self.show), methods=["GET"]),
            Route("/apps/{name}/jobs/{id}/stop", does(self.stop), methods=["POST"]),
        ]

    async def ask_about_all(self, request: Request, actor: Actor) -> Page:
        """Ask before all workflows are hit that match the filters in the address."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        query = self._query(request, request.query_params.multi_items())
        if query.errors:
            raise InvalidError("The filter is not readable; nothing was done.", query.errors)
        name, action = application.record.name, _action(request)
        target = await matching(self._site.operations, actor, name, action, query)
        return self._question(
            application, actor, target, {"query": query.fixed, "back_query": request.url.query, "ids": ()}
        )

    async def ask_about_selected(self, request: Request, actor: Actor, form: Form) -> Response:
        """Ask before the workflows are hit whose ids the form has."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        ids = tuple(dict.fromkeys(form.all("id")))
        if not ids:
            raise InvalidError("No workflow is selected; tick those that are meant, and try again.")
        if len(ids) > MAX_SELECTED:
            raise InvalidError(_TOO_MANY)
        name, action = application.record.name, _action(request)
        target = await selected(self._site.operations, actor, name, action, ids)
        page = self._question(
            application, actor, target, {"query": "", "back_query": form.text("back"), "ids": ids}
        )
        return await self._site.respond(request, page, actor)

    async def start(self, request: Request, actor: Actor, form: Form) -> Response:
        """Begin a job; a small one is waited for."""
        jobs, name = self._site.operations.bulk_jobs, request.path_params["name"]
        action = ACTIONS.get(form.text("action"))
        if action is None:
            raise InvalidError("The form does not say what to do.")
        filters, words = self._target(request, form, action)
        job = await jobs.start(
            actor,
            name,
            action,
            filters,
            target=words[:300],
            options=BulkOptions(
                with_children=form.checked("children"),
                queue_name=form.text("queue_name") or None,
                application_version=form.text("application_version") or None,
            ),
            job_id=form.text("job") or None,
        )
        job = await jobs.wait(actor, name, job.id, SMALL_JOB_SECS)
        here = app_url(name, "jobs", job.id)
        if job.state == "done" and not job.failed:
            return self._site.redirect(request, _back(request, name, form), Flash(text=f"{told(job)}."))
        tone = "bad" if job.is_over else "good"
        return self._site.redirect(request, here, Flash(text=f"{told(job)}.", tone=tone))

    async def show_all(self, request: Request, actor: Actor) -> Page:
        """Every job that is remembered."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        jobs = await self._site.operations.bulk_jobs.list(actor, name)
        view = JobsView(application_name=name, jobs=tuple(jobs))
        return self._page(application, actor, "bulk_jobs.html", "Jobs", view)

    async def show(self, request: Request, actor: Actor) -> Page:
        """One job, as it goes on."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        name = application.record.name
        job = await self._site.operations.bulk_jobs.get(actor, name, request.path_params["id"])
        return self._page(application, actor, "bulk_job.html", told(job), job)

    async def stop(self, request: Request, actor: Actor, form: Form) -> Response:
        """Stop a job, and show it, or the table that the form stood above."""
        jobs, name = self._site.operations.bulk_jobs, request.path_params["name"]
        job = await jobs.stop(actor, name, request.path_params["id"])
        job = await jobs.wait(actor, name, job.id, SMALL_JOB_SECS)
        text = told(job) if job.is_over else "It stops after the message that is under way"
        here = app_url(name, "workflows") if form.checked("from_table") else app_url(name, "jobs", job.id)
        return self._site.redirect(request, here, Flash(text=f"{text}."))

    def _target(self, request: Request, form: Form, action: BulkAction) -> tuple[WorkflowFilters, str]:
        """What the form that asked was about."""
        until = form.text("until")
        if not _DIGITS.fullmatch(until):
            raise InvalidError("The form does not say up to when workflows were created.")
        ids = tuple(dict.fromkeys(form.all("id")))
        query = None
        if not ids:
            query = self._query(request, parse_qsl(form.text("query")))
            if query.errors:
                raise InvalidError("The filter is not readable; nothing was done.", query.errors)
        filters = filters_of(action, int(until), query=query, ids=ids)
        if filters is None:
            raise InvalidError("Of what this filter matches nothing can be done to any.")
        return filters, query.words if query else f"{len(ids):,} chosen by hand"

    def _query(self, request: Request, pairs: list[tuple[str, str]]) -> WorkflowQuery:
        return parse_query(pairs, zone=preferences(request).zone, now=self._site.now())

    def _question(
        self, application: Application, actor: Actor, target: Target, asked: dict[str, Any]
    ) -> Page:
        verb = VERBS[target.action][0]
        extras = {
            **asked,
            "verb": verb,
            "action": next(key for key, action in ACTIONS.items() if action == target.action),
            # Told apart from any other: sent twice, it begins one job.
            "job_id": str(uuid.uuid4()),
            "max_workflows": MAX_WORKFLOWS,
            "versions": application.versions,
        }
        return self._page(
            application, actor, "bulk_question.html", f"{verb} workflows?", target, live=False, **extras
        )

    def _page(
        self,
        application: Application,
        actor: Actor,
        template: str,
        title: str,
        data: object,
        *,
        live: bool = True,
        **extras: object,
    ) -> Page:
        id_ = application.record.id
        return Page(
            template=template,
            title=f"{title} · {application.record.name}",
            section="home",
            topics=(jobs_topic(id_), application_topic(id_)) if live else (),
            styles=_STYLES,
            data=data,
            extras={"frame": frame(application, actor, "workflows"), "told": told, **extras},
        )


def _back(request: Request, name: str, form: Form) -> str:
    """Where it was asked: on a page that tells what needs a person, or on the table."""
    try:
        asked_on = urlsplit(request.headers.get("hx-current-url", "")).path
    except ValueError:
        asked_on = ""
    if asked_on in ("/", app_url(name)):
        return asked_on
    return f"{app_url(name, 'workflows')}?{form.text('back')}".rstrip("?")


def told(job: BulkJob) -> str:
    """How a job is doing, in a few words."""
    _, did, doing = VERBS[job.action]
    if job.is_over and job.total is None and not job.found:
        return f"{did} nothing: it {'was stopped' if job.state == 'stopped' else 'gave up'} first"
    total = job.found if job.total is None else job.total
    nouns = "workflow" if total == 1 else "workflows"
    if job.state == "done" and not job.failed:
        return f"{did} {count(job.done)} {nouns}" if total else "There was nothing to do any more"
    if job.is_over:
        ending = {"done": "", "stopped": ", then it was stopped", "failed": ", then it gave up"}[job.state]
        return f"{did} {count(job.done)} of {count(total)} {nouns}{ending}"
    if job.total is None:
        return f"{doing} workflows"
    return f"{doing} {count(total)} {nouns}"


def _action(request: Request) -> BulkAction:
    action = ACTIONS.get(request.path_params["action"])
    if action is None:
        raise NotFoundError("There is no such thing to do to workflows.")
    return action
