"""One payload of a workflow on a page of its own, and as a file: found through operations, never kept."""

import asyncio
import functools
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.frame import frame
from conductor_lite.console.payloads import Limits, Payload
from conductor_lite.console.payloads.display import LARGE, LARGEST, SHORTCUTS, large_tree, payload_extras
from conductor_lite.console.payloads.finding import Found, find
from conductor_lite.console.payloads.samples import Address, Sample, sample
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.console.urls import name_in, workflow_url
from conductor_lite.console.workflow.addresses import file_name, payload_address, title_of
from conductor_lite.console.workflow.language import language_of
from conductor_lite.console.workflow.steps import one_step
from conductor_lite.errors import ForbiddenError, NoHealthyExecutorError, NotFoundError
from conductor_lite.operations import Operations
from conductor_lite.operations.applications import Application
from conductor_lite.operations.served import Served
from conductor_lite.operations.topics import application_topic

#: Characters that a page shows of a text: of one that is read into a tree, and of one that is not.
TREE_CHARS = LARGE.chars
RAW_CHARS = 200_000

T = TypeVar("T")


class PayloadView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows."""

    workflow_id: str
    title: str
    sample: Sample
    #: Whether it is shown as it came.
    raw: bool
    #: What ``?find=`` looks for, in the whole text; None when nothing is.
    found: Found | None


class AwayView(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a payload that nobody can send now."""

    workflow_id: str
    title: str
    served: Served


class PayloadPage:
    """Shows and sends single payloads."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        here = "/apps/{name}/workflows/{id}/payload"
        return [
            Route(here, self._site.shows(self.show), methods=["GET"]),
            Route(f"{here}/file", self._site.sends(self.send), methods=["GET"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; ``?of=`` and what belongs to it name the payload.

        ``?as=raw`` shows it as it came, ``?values=`` more of its tree, ``?find=`` where some words are in it.
        """
        name, id_ = request.path_params["name"], name_in(request, "id")
        address = payload_address(request.query_params)
        application = await self._site.operations.applications.get(actor, name)
        try:
            text = await self._text(actor, name, id_, address)
        except NoHealthyExecutorError as error:
            return await self._away(actor, application, id_, address, error)
        language = await language_of(self._site.operations, actor, name, None)
        # A long one takes many milliseconds.
        shown = await asyncio.to_thread(_read, request.query_params, address, text, language)
        title = title_of(address)
        return Page(
            template="workflow_payload.html",
            title=f"{title} · {id_[:60]}",
            section="home",
            styles=("workflow.css",),
            scripts=("payloads.js",),
            shortcuts=SHORTCUTS,
            data=PayloadView(
                workflow_id=id_, title=title, sample=shown.sample, raw=shown.raw, found=shown.found
            ),
            extras={
                "frame": frame(application, actor, "workflows"),
                "back": workflow_url(name, id_),
                "language": language,
                "whole_id": id_,
                **payload_extras(
                    functools.partial(workflow_url, name, id_),
                    lambda *_: shown.payload,
                    shown.limits,
                    shown.found,
                ),
            },
        )

    async def _away(
        self,
        actor: Actor,
        application: Application,
        id_: str,
        address: Address,
        error: NoHealthyExecutorError,
    ) -> Page:
        """What is said where nobody can send it: a snapshot has the workflow, and no payloads."""
        name, title = application.record.name, title_of(address)
        try:
            _, served = await self._site.operations.snapshots.get(actor, name, id_, "snapshot")
        except NotFoundError:
            raise error from None
        return Page(
            template="workflow_payload_away.html",
            title=f"{title} · {id_[:60]}",
            section="home",
            path=workflow_url(name, id_, "payload").partition("?")[0],
            topics=(application_topic(application.record.id),),
            styles=("workflow.css",),
            data=AwayView(workflow_id=id_, title=title, served=served),
            extras={"frame": frame(application, actor, "workflows"), "back": workflow_url(name, id_)},
        )

    async def send(self, request: Request, actor: Actor) -> Response:
        """The whole text as a file."""
        name, id_ = request.path_params["name"], name_in(request, "id")
        address = payload_address(request.query_params)
        text = await self._text(actor, name, id_, address)
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(id_, address)}"',
            "Cache-Control": "no-store",
        }
        # Text of others never becomes a page of ours.
        return Response(text, headers=headers, media_type="text/plain")

    async def _text(self, actor: Actor, name: str, id_: str, address: Address) -> str:
        application = await self._site.operations.applications.get(actor, name)
        if application.record.private_mode and address.of != "attributes":
            raise ForbiddenError(f"{name} is in private mode: payloads of its workflows are never fetched.")
        text = await _fetched(self._site.operations, actor, name, id_, address)
        if text is None:
            raise NotFoundError(f"{id_[:200]} has no such payload: {title_of(address)}.")
        return text


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A text as far as it is shown, and in which way."""

    sample: Sample
    raw: bool
    found: Found | None
    payload: Payload
    limits: Limits


def _read(query: QueryParams, address: Address, text: str, language: str | None) -> _Shown:
    raw = query.get("as") == "raw" or len(text) > TREE_CHARS
    found = find(text, wanted) if (wanted := query.get("find", "").strip()) else None
    limits = LARGEST if query.get("values") == str(LARGEST.nodes) else LARGE
    # Where it is said what was found there is no tree.
    payload = large_tree("" if raw or found else text, language, limits)
    most = _most_chars(address, payload, raw=raw)
    kept = sample(address, text, most=0 if found else most, preview=0 if found else RAW_CHARS)
    return _Shown(sample=kept, raw=raw, found=found, payload=payload, limits=limits)


def _most_chars(address: Address, payload: Payload, *, raw: bool) -> int:
    """Characters up to which a page shows a text whole: what stays text is less to the point than a tree."""
    is_read = address.of in ("error", "step-error") or payload.format != "text"
    return TREE_CHARS if is_read and not raw else RAW_CHARS


async def _fetched(operations: Operations, actor: Actor, name: str, id_: str, address: Address) -> str | None:
    """The payload as its executor sends it; None when there is none."""
    workflows, target = operations.workflows, (actor, name, id_)
    match address.of:
        case "step-output" | "step-error":
            step = await one_step(operations, *target, address)
            return step.output if address.of == "step-output" else step.error
        case "event":
            events = await workflows.events(*target)
            return next((event.value for event in events if event.key == address.key), None)
        case "notification":
            message = _at(await workflows.notifications(*target), address.number)
            return None if message is None else message.message
        case "stream":
            streams = await workflows.streams(*target)
            values = next((stream.values for stream in streams if stream.key == address.key), [])
            return _at(values, address.number)
        case "attributes":
            # Snapshots have them too: a page that shows them offers them.
            return (await operations.snapshots.get(*target))[0].attributes
    wants_input, wants_output = address.of == "input", address.of in ("output", "error")
    record = await workflows.get(*target, load_input=wants_input, load_output=wants_output)
    text: str | None = getattr(record, address.of)
    return text


def _at(items: Sequence[T], place: int | None) -> T | None:
    return items[place] if place is not None and place < len(items) else None
