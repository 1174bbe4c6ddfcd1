"""Workflows from an executor, or from snapshots when none is there; and a pass through everything on demand.

What executors alone can tell, such as steps and events, is in ``workflows``.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import ConflictError, NoHealthyExecutorError, NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.operations.served import Served
from conductor_lite.operations.snapshot_filters import snapshot_filters
from conductor_lite.operations.workflows import PAGE_SIZE, Workflows, require_sane_window
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.snapshot_counts import UnderWay, Words
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, SnapshotSource, WorkflowSnapshot

__all__ = ["Listing", "Served", "SnapshotStatus", "Snapshots", "Source", "UnderWay", "Words"]

#: Applications of which it is remembered what is under way.
_MAX_COUNTED = 100
#: ``auto`` asks an executor, and reads snapshots when none is connected.
Source: TypeAlias = Literal["auto", "executor", "snapshot"]

_COPIED = tuple(name for name in WorkflowSnapshot.__struct_fields__ if name != "finished")


_BY_EXECUTOR = Served(source="executor")


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A list that may be long, and where it came from. Whoever holds it closes ``pages``."""

    served: Served
    pages: AsyncGenerator[list[WorkflowRecord], None]


class SnapshotStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the snapshots of an application are doing."""

    #: Workflows on record.
    workflows: int
    #: When they were last up to date; None when they never were.
    synced_at: datetime | None
    #: When everything was last looked through.
    full_pass_at: datetime | None
    #: Whether a pass through everything that was asked for is not over yet.
    full_pass_pending: bool
    #: Why they are not up to date; None when they are, or nobody could be asked.
    error: str | None


class Snapshots:
    """Reads of workflows from wherever they can be had."""

    def __init__(self, context: Context, workflows: Workflows) -> None:
        self._context = context
        self._workflows = workflows
        # What is under way of a source, as of when; newest last.
        self._counted: OrderedDict[int, tuple[datetime | None, tuple[UnderWay, ...]]] = OrderedDict()

    async def search(
        self, actor: Actor, application_name: str, filters: WorkflowFilters, source: Source = "auto"
    ) -> Listing:
        """Search workflows as ``Workflows.search`` does; from snapshots without payloads.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or no snapshots of it.
            InvalidError: ``limit`` or ``offset`` is negative, or snapshots cannot be searched like that.
            DispatchError: no executor answered, and snapshots were not to be read or are not there.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        if source != "snapshot":
            pages = self._workflows.search(actor, application_name, filters)
            try:
                first = await anext(pages, None)
            except NoHealthyExecutorError as error:
                snapshots = await self._instead(application, source, error)
            else:
                return Listing(served=_BY_EXECUTOR, pages=_resumed(first, pages))
        else:
            snapshots = await self._source(application)
        require_sane_window(filters)
        served = Served(source="snapshot", snapshot_at=snapshots.synced_at)
        # What cannot be searched for is refused here, before the answer has begun.
        wanted = snapshot_filters(filters)
        return Listing(served=served, pages=self._pages(snapshots.number, filters, wanted))

    async def get(
        self,
        actor: Actor,
        application_name: str,
        workflow_id: str,
        source: Source = "auto",
        *,
        load_input: bool = True,
        load_output: bool = True,
    ) -> tuple[WorkflowRecord, Served]:
        """Get one workflow as ``Workflows.get`` does; from a snapshot without payloads.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application or workflow, or no snapshots.
            DispatchError: no executor answered, and snapshots were not to be read or are not there.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        if source != "snapshot":
            try:
                record = await self._workflows.get(
                    actor, application_name, workflow_id, load_input=load_input, load_output=load_output
                )
            except NoHealthyExecutorError as error:
                snapshots = await self._instead(application, source, error)
            else:
                return record, _BY_EXECUTOR
        else:
            snapshots = await self._source(application)
        found = await self._context.snapshots.by_ids(snapshots.number, [workflow_id])
        if workflow_id not in found:
            raise NotFoundError(
                f"There is no workflow {workflow_id!r} of {application_name} in the snapshots; while an "
                "executor is connected it can be asked."
            )
        return _record(found[workflow_id]), Served(source="snapshot", snapshot_at=snapshots.synced_at)

    async def under_way(self, actor: Actor, application_name: str) -> tuple[tuple[UnderWay, ...], Served]:
        """Tell what had not ended when snapshots were last up to date, by status, queue, version and name.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or no snapshots of it.
        """
        actor.require(APPLICATION_READ)
        source = await self._source(await self._context.application(actor, application_name))
        served = Served(source="snapshot", snapshot_at=source.synced_at)
        at, counted = self._counted.get(source.number, (None, ()))
        if at is None or at != source.synced_at:
            counted = await self._context.snapshot_counts.under_way(source.number)
            self._counted[source.number] = source.synced_at, counted
            self._counted.move_to_end(source.number)
            if len(self._counted) > _MAX_COUNTED:
                self._counted.popitem(last=False)
        return counted, served

    async def words(self, actor: Actor, application_name: str) -> Words:
        """Tell which names, queues and versions there are in snapshots. Raises as ``under_way`` does."""
        actor.require(APPLICATION_READ)
        source = await self._source(await self._context.application(actor, application_name))
        return await self._context.snapshot_counts.words(source.number)

    async def status(self, actor: Actor, application_name: str) -> SnapshotStatus:
        """Tell how the snapshots of an application are doing.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or no snapshots of it.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        source = await self._source(application)
        return SnapshotStatus(
            workflows=await self._context.snapshots.count(application.id),
            synced_at=source.synced_at,
            full_pass_at=source.progress.pass_ended_at,
            full_pass_pending=source.full_pass_requested_at is not None or source.progress.pass_asked_for,
            error=source.progress.error,
        )

    async def request_full_pass(self, actor: Actor, application_name: str) -> None:
        """Have everything compared with what the application has, as soon as an executor can be asked.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            ConflictError: snapshots of it are switched off.
        """
        context = self._context
        async with context.audited(actor, "snapshots.full_pass", "application", application_name):
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            if not application.snapshots_enabled:
                raise ConflictError(
                    f"Snapshots of {application_name} are switched off; switch them on first."
                )
            await context.snapshots.ensure_source(application.id)
            await context.snapshots.request_full_pass(application.id, context.now())

    async def _instead(
        self, application: ApplicationRecord, source: Source, error: NoHealthyExecutorError
    ) -> SnapshotSource:
        found = await self._context.snapshots.source(application.id)
        if source == "executor" or found is None:
            raise error
        return found

    async def _source(self, application: ApplicationRecord) -> SnapshotSource:
        found = await self._context.snapshots.source(application.id)
        if found is None:
            raise NotFoundError(
                f"No snapshots of {application.name} have been taken yet; that happens while it is connected."
            )
        return found

    async def _pages(
        self, number: int, filters: WorkflowFilters, wanted: SnapshotFilters
    ) -> AsyncGenerator[list[WorkflowRecord], None]:
        left, offset = filters.limit, filters.offset or 0
        after: Place | None = None
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            page, after = await self._context.snapshot_search.page(
                number,
                wanted,
                after=after,
                offset=offset,
                limit=size,
                descending=bool(filters.sort_desc),
            )
            yield [_record(item) for item in page]
            if len(page) < size:
                return
            offset, left = 0, None if left is None else left - len(page)


async def _resumed(
    first: list[WorkflowRecord] | None, pages: AsyncGenerator[list[WorkflowRecord], None]
) -> AsyncGenerator[list[WorkflowRecord], None]:
    async with aclosing(pages):
        if first is not None:
            yield first
            async for page in pages:
                yield page


def _record(item: WorkflowSnapshot) -> WorkflowRecord:
    return WorkflowRecord(**{name: getattr(item, name) for name in _COPIED})
