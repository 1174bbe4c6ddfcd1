"""What workflows can be narrowed by: the names, queues, versions and executors that there are."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.frame import frame
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site
from conductor_lite.errors import DispatchError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.snapshots import Words
from conductor_lite.protocol import WorkflowAggregatesBody

T = TypeVar("T")

#: Most of each kind.
MAX_KNOWN = 500


class KnownView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows; a kind that the application cannot tell is empty."""

    application_name: str
    #: How many workflows there are of each name; 0 where nobody counted.
    names: dict[str, int]
    queues: tuple[str, ...]
    versions: tuple[str, ...]
    executors: tuple[str, ...]


class WorkflowKnownPage:
    """Shows it to people, and gives it to the filters' suggestions as JSON."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        return [Route("/apps/{name}/known", self._site.shows(self.show), methods=["GET"])]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        operations, name = self._site.operations, request.path_params["name"]
        application = await operations.applications.get(actor, name)
        names, queues, versions = await asyncio.gather(
            _or_nothing(self._names(actor, name), dict[str, int]()),
            _or_nothing(self._queues(actor, name), list[str]()),
            _or_nothing(self._versions(actor, name), list[str]()),
        )
        overview = await operations.overviews.application(actor, name)
        if not application.available:
            # Numbers are not known then.
            words = await self._words(actor, name)
            names = dict.fromkeys(words.names, 0)
            queues, versions = [*queues, *words.queues], [*versions, *words.versions]
        return Page(
            template="workflow_known.html",
            title=f"What there is · {name}",
            section="home",
            styles=("workflows.css",),
            data=KnownView(
                application_name=name,
                names=names,
                queues=_distinct(queues),
                versions=_distinct(versions + _connected_versions(application)),
                executors=_distinct([executor.executor_id for executor in overview.executors]),
            ),
            extras={"frame": frame(application, actor, "workflows")},
        )

    async def _names(self, actor: Actor, name: str) -> dict[str, int]:
        body = WorkflowAggregatesBody(group_by_name=True, select_count=True)
        records = await self._site.operations.workflows.aggregates(actor, name, body)
        counts = {record.group.get("name") or "": record.count or 0 for record in records}
        often_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return {word: count for word, count in often_first[:MAX_KNOWN] if word}

    async def _queues(self, actor: Actor, name: str) -> list[str]:
        return [queue.name for queue in (await self._site.operations.queues.recall(actor, name)).items]

    async def _words(self, actor: Actor, name: str) -> Words:
        try:
            return await self._site.operations.snapshots.words(actor, name)
        except NotFoundError:
            return Words(names=(), queues=(), versions=())

    async def _versions(self, actor: Actor, name: str) -> list[str]:
        versions = await self._site.operations.versions.recall(actor, name)
        return [version.version_name for version in versions.items]


def _connected_versions(application: Application) -> list[str]:
    return [version.application_version for version in application.versions]


def _distinct(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))[:MAX_KNOWN]


async def _or_nothing(asked: Awaitable[T], nothing: T) -> T:
    """Whatever one question comes to, the answers to the others are shown."""
    try:
        return await asked
    except DispatchError:
        return nothing
