"""Doing something to one workflow: a question for each kind of deed, and the deed. What makes sense when is
decided in ``workflow/deeds``.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.formatting import shorten
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.once import ONCE_FIELD, Deed, once
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.console.urls import app_url, name_in, workflow_url
from conductor_lite.console.workflow.deeds import LABELS, Kind, why_not
from conductor_lite.console.workflow.facts import facts
from conductor_lite.console.workflow.questions import question
from conductor_lite.console.workflow.subject import Subject, subject_of
from conductor_lite.errors import ConflictError, DispatchError, ExecutorReportedError, InvalidError
from conductor_lite.operations.once import Attempt, Caution
from conductor_lite.protocol import ForkBody, ForkFromFailureBody, WorkflowFilters

_NUMBER = re.compile(r"[0-9]{1,9}")
#: The fields of all forms, as they are when nobody has filled them in.
_BLANK = {
    "children": "",
    "queue_name": "",
    "queue_partition_key": "",
    "application_version": "",
    "new_workflow_id": "",
    "start_step": "",
    "problem": "",
    ONCE_FIELD: "",
}
#: What is true of deeds that do their work twice when they are done twice.
_CAUTIONS: Mapping[Kind, Caution] = {
    "resume": Caution(),
    "restart": Caution(settles=True),
    "fork": Caution(settles=True),
    "fork-from-failure": Caution(),
}


class WorkflowActionsPage:
    """Asks, and does."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._does: dict[Kind, Callable[[Subject, Form, Attempt | None], Awaitable[Deed]]] = {
            "cancel": self._cancel,
            "resume": self._resume,
            "restart": self._restart,
            "fork": self._fork,
            "fork-from-failure": self._fork_from_failure,
            "delete": self._delete,
        }

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        here = "/apps/{name}/workflows/{id}"
        routes: list[BaseRoute] = [
            Route(f"{here}/export/file", self._site.sends(self.export), methods=["GET"])
        ]
        routes += [Route(f"{here}/{kind}", self._site.shows(self.ask), methods=["GET"]) for kind in LABELS]
        routes += [Route(f"{here}/{kind}", self._site.does(self.do), methods=["POST"]) for kind in self._does]
        return routes

    async def ask(self, request: Request, actor: Actor) -> Page:
        """The question that the last part of the path names; ``?step=`` chooses where a fork begins."""
        subject = await subject_of(self._site, request, actor)
        return await self._page(subject, {"start_step": request.query_params.get("step", "")})

    async def do(self, request: Request, actor: Actor, form: Form) -> Response:
        """Do it, and go on; or ask again and say what was wrong."""
        subject = await subject_of(self._site, request, actor)
        kind = _kind(request)
        try:
            deed = await self._do(kind, subject, form)
        except (InvalidError, ConflictError, DispatchError) as error:
            filled = {name: form.text(name) for name in _BLANK} | {"problem": explain(error)}
            if isinstance(error, ConflictError):
                # Sent once more, having read this, it means another attempt.
                filled[ONCE_FIELD] = ""
            page = await self._page(subject, filled)
            refused = isinstance(error, ExecutorReportedError) or not isinstance(error, DispatchError)
            status = 422 if refused else 503
            return await self._site.respond(request, msgspec.structs.replace(page, status=status), actor)
        return self._site.redirect(request, deed.url, deed.flash)

    async def _do(self, kind: Kind, subject: Subject, form: Form) -> Deed:
        async def work(attempt: Attempt | None) -> Deed:
            # Looked at here, for what was done already may not make sense any more.
            reason = why_not(kind, facts(subject.workflow))
            if reason and not (attempt and attempt.again):
                raise ConflictError(reason)
            return await self._does[kind](subject, form, attempt)

        caution = _CAUTIONS.get(kind)
        if caution is None:
            return await work(None)
        fields = {name: form.text(name) for name in _BLANK if name != ONCE_FIELD}
        asked = [kind, subject.application_name, subject.workflow.workflow_id, fields]
        return await once(self._site.operations, subject.actor, form, asked, work, caution)

    async def export(self, request: Request, actor: Actor) -> Response:
        """The workflow as a file in its SDK's own format; ``?children=yes`` puts its children into it."""
        name, id_ = request.path_params["name"], name_in(request, "id")
        text = await self._site.operations.workflows.export(
            actor, name, id_, export_children=bool(request.query_params.get("children"))
        )
        file_name = re.sub(r"[^A-Za-z0-9_.-]+", "-", id_)[:100].strip("-.") or "workflow"
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name}.dbos-export"',
            "Cache-Control": "no-store",
        }
        return Response(text, headers=headers, media_type="application/octet-stream")

    async def _page(self, subject: Subject, form: Mapping[str, str]) -> Page:
        kind, known = _kind(subject.request), facts(subject.workflow)
        asked = await question(subject, known, kind)
        return Page(
            template=f"workflow_{kind.replace('-', '_')}.html",
            title=f"{LABELS[kind]}: {shorten(known.workflow_id, 60)}",
            section="home",
            styles=("workflow.css",),
            data=asked,
            extras={
                "frame": frame(subject.application, subject.actor, "workflows"),
                "form": {**_BLANK, "application_version": asked.version, **form},
                "back": subject.url(),
                "here": subject.url(kind),
                "file_url": subject.url("export", "file"),
                "whole_id": subject.workflow.workflow_id,
            },
        )

    async def _cancel(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        children = form.checked("children")
        await self._site.operations.workflow_actions.cancel(*subject.target, cancel_children=children)
        return _said(subject, f"Cancelled {_short(subject)}{' and its children' if children else ''}.")

    async def _resume(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        queue = form.text("queue_name") or None
        await self._site.operations.workflow_actions.resume(*subject.target, queue_name=queue)
        where = f" on queue {shorten(queue, 40)}" if queue else ""
        return _said(subject, f"Resumed {_short(subject)}{where}: it goes on after its last completed step.")

    async def _restart(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        new_id = await self._site.operations.workflow_actions.restart(*subject.target, attempt)
        new_id = new_id or await self._newest_fork(subject)
        text = f"Started {_short(subject)} anew, under a new id."
        return _said(subject, text, new_id)

    async def _newest_fork(self, subject: Subject) -> str | None:
        """The id that a restart made up, for SDKs do not tell; they record it as a fork."""
        wanted = WorkflowFilters(
            forked_from=subject.workflow.workflow_id,
            sort_desc=True,
            limit=1,
            load_input=False,
            load_output=False,
        )
        name = subject.application_name
        try:
            async with aclosing(self._site.operations.workflows.search(subject.actor, name, wanted)) as pages:
                forks = [
                    fork async for page in pages for fork in page if fork.forked_from == wanted.forked_from
                ]
        except DispatchError:
            # It was restarted; only where, nobody says.
            return None
        return forks[0].workflow_id if forks else None

    async def _fork(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        start = form.text("start_step")
        if not _NUMBER.fullmatch(start):
            raise InvalidError("Say at which step the fork begins: a whole number from 0.")
        body = ForkBody(
            workflow_id=subject.workflow.workflow_id,
            start_step=int(start),
            application_version=form.text("application_version") or None,
            new_workflow_id=form.text("new_workflow_id") or None,
            queue_name=form.text("queue_name") or None,
            queue_partition_key=form.text("queue_partition_key") or None,
        )
        name = subject.application_name
        new_id = await self._site.operations.workflow_actions.fork(subject.actor, name, body, attempt)
        return _said(subject, f"Forked {_short(subject)} from step {start}.", new_id)

    async def _fork_from_failure(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        body = ForkFromFailureBody(
            workflow_ids=[subject.workflow.workflow_id],
            application_version=form.text("application_version") or None,
            queue_name=form.text("queue_name") or None,
            queue_partition_key=form.text("queue_partition_key") or None,
            from_last_failure=True,
        )
        name = subject.application_name
        new_ids = await self._site.operations.workflow_actions.fork_from_failure(subject.actor, name, body)
        return _said(subject, f"Forked {_short(subject)} from where it failed.", next(iter(new_ids), None))

    async def _delete(self, subject: Subject, form: Form, attempt: Attempt | None) -> Deed:
        children = form.checked("children")
        await self._site.operations.workflow_actions.delete(*subject.target, delete_children=children)
        text = f"Deleted {_short(subject)}{' and its children' if children else ''}."
        return Deed(flash=Flash(text=text), url=app_url(subject.application_name, "workflows"))


def _kind(request: Request) -> Kind:
    last = request.url.path.rpartition("/")[2]
    return next(kind for kind in get_args(Kind) if kind == last)


def _said(subject: Subject, text: str, new_id: str | None = None) -> Deed:
    if not new_id:
        return Deed(flash=Flash(text=text), url=subject.url())
    link = workflow_url(subject.application_name, new_id)
    flash = Flash(text=text, link=link, link_text=f"Open {shorten(new_id, 24)}")
    return Deed(flash=flash, url=subject.url())


def _short(subject: Subject) -> str:
    return shorten(subject.workflow.workflow_id, 40)
