"""Reading workflows: search, one workflow and all that belongs to it, and figures over many.

What changes workflows is in ``workflow_actions``.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.errors import (
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from conductor_lite.operations.context import Context
from conductor_lite.operations.listing import fetch_pages
from conductor_lite.protocol import (
    EventRecord,
    ExportWorkflow,
    GetStepAggregates,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowEvents,
    GetWorkflowNotifications,
    GetWorkflowStreams,
    ListSteps,
    ListWorkflows,
    NotificationRecord,
    StepAggregateRecord,
    StepAggregatesBody,
    StepRecord,
    StreamRecord,
    WorkflowAggregateRecord,
    WorkflowAggregatesBody,
    WorkflowFilters,
    WorkflowRecord,
)
from conductor_lite.store.records import ApplicationRecord

#: Workflows asked of an executor in one request: enough to be quick, few enough to keep others from waiting.
PAGE_SIZE = 500
#: With payloads, which may be large.
PAYLOAD_PAGE_SIZE = 100


class Workflows:
    """Reads of workflows, all answered by an executor of the application."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def search(
        self, actor: Actor, application_name: str, filters: WorkflowFilters
    ) -> AsyncGenerator[list[WorkflowRecord], None]:
        """Yield the workflows that match, page by page; without ``limit`` all of them.

        New workflows that arrive meanwhile may push others to the next page: none is yielded twice for that.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: ``limit`` or ``offset`` is negative.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        require_sane_window(filters)
        application = await self._context.application(actor, application_name)
        payloads = not application.private_mode and bool(filters.load_input or filters.load_output)
        size = PAYLOAD_PAGE_SIZE if payloads else PAGE_SIZE

        async def fetch(limit: int, offset: int) -> list[WorkflowRecord]:
            return await self._page(application, filters, limit, offset)

        pages = fetch_pages(fetch, wanted=filters.limit, offset=filters.offset or 0, page_size=size)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def get(
        self,
        actor: Actor,
        application_name: str,
        workflow_id: str,
        *,
        load_input: bool = True,
        load_output: bool = True,
    ) -> WorkflowRecord:
        """Get one workflow. In private mode without input, output and error.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application or workflow.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await find_workflow(
            self._context, application, workflow_id, load_input=load_input, load_output=load_output
        )

    async def steps(
        self,
        actor: Actor,
        application_name: str,
        workflow_id: str,
        *,
        limit: int | None = None,
        offset: int | None = None,
        load_output: bool = True,
    ) -> list[StepRecord]:
        """List a workflow's steps in order. In private mode without outputs and errors.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application or workflow.
            InvalidError: ``limit`` or ``offset`` is negative.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        require_sane_window(WorkflowFilters(limit=limit, offset=offset))
        application = await self._context.application(actor, application_name)
        private = application.private_mode
        request = ListSteps(
            workflow_id=workflow_id, load_output=load_output and not private, limit=limit, offset=offset
        )
        steps = (await self._context.ask(application, request)).steps
        if not steps:
            await self._require_workflow(application, workflow_id)
        steps = steps or []
        if private:
            return [msgspec.structs.replace(step, output=None, error=None) for step in steps]
        return steps

    async def events(self, actor: Actor, application_name: str, workflow_id: str) -> list[EventRecord]:
        """List the events that a workflow has set.

        Raises:
            ForbiddenError: application.read is missing, or the application is private.
            NotFoundError: no such application or workflow.
            DispatchError: no executor answered.
        """
        application = await self._with_payloads(actor, application_name)
        reply = await self._context.ask(application, GetWorkflowEvents(workflow_id=workflow_id))
        if not reply.events:
            await self._require_workflow(application, workflow_id)
        return reply.events or []

    async def notifications(
        self, actor: Actor, application_name: str, workflow_id: str
    ) -> list[NotificationRecord]:
        """List the messages that were sent to a workflow. Raises as ``events`` does."""
        application = await self._with_payloads(actor, application_name)
        reply = await self._context.ask(application, GetWorkflowNotifications(workflow_id=workflow_id))
        if not reply.notifications:
            await self._require_workflow(application, workflow_id)
        return reply.notifications or []

    async def streams(self, actor: Actor, application_name: str, workflow_id: str) -> list[StreamRecord]:
        """List a workflow's streams and what was written to them. Raises as ``events`` does."""
        application = await self._with_payloads(actor, application_name)
        reply = await self._context.ask(application, GetWorkflowStreams(workflow_id=workflow_id))
        if not reply.streams:
            await self._require_workflow(application, workflow_id)
        return reply.streams or []

    async def export(
        self, actor: Actor, application_name: str, workflow_id: str, *, export_children: bool = False
    ) -> str:
        """Export a workflow in its SDK's own format: base64 of gzip. Raises as ``events`` does."""
        application = await self._with_payloads(actor, application_name)
        await find_workflow(self._context, application, workflow_id)
        request = ExportWorkflow(workflow_id=workflow_id, export_children=export_children)
        exported = (await self._context.ask(application, request)).serialized_workflow
        if exported is None:
            raise NotFoundError(f"There is no workflow {workflow_id!r} in {application_name}.")
        return exported

    async def aggregates(
        self, actor: Actor, application_name: str, body: WorkflowAggregatesBody
    ) -> list[WorkflowAggregateRecord]:
        """Work out figures over groups of workflows.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: nothing is said to group by, or time buckets are shorter than a millisecond.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        _require_groups(body)
        application = await self._context.application(actor, application_name)
        return (await self._context.ask(application, GetWorkflowAggregates(body=body))).aggregates

    async def step_aggregates(
        self, actor: Actor, application_name: str, body: StepAggregatesBody
    ) -> list[StepAggregateRecord]:
        """Work out figures over groups of steps. Raises as ``aggregates`` does."""
        actor.require(APPLICATION_READ)
        _require_groups(body)
        application = await self._context.application(actor, application_name)
        return (await self._context.ask(application, GetStepAggregates(body=body))).aggregates

    def remade(self, application: ApplicationRecord) -> int:
        """Grows when workflows may have been made anew, by whoever did it through this server.

        Whoever keeps what was on record of a workflow asks again after that, for its times may be the same.
        """
        return self._context.remade(application.id)

    async def _page(
        self, application: ApplicationRecord, filters: WorkflowFilters, limit: int, offset: int
    ) -> list[WorkflowRecord]:
        private = application.private_mode
        page = msgspec.structs.replace(
            filters,
            limit=limit,
            offset=offset,
            load_input=bool(filters.load_input) and not private,
            load_output=bool(filters.load_output) and not private,
        )
        workflows = (await self._context.ask(application, ListWorkflows(body=page))).workflows
        return [without_payloads(workflow) for workflow in workflows] if private else workflows

    async def _with_payloads(self, actor: Actor, application_name: str) -> ApplicationRecord:
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        if application.private_mode:
            raise ForbiddenError(
                f"{application_name} is in private mode: payloads of its workflows are never fetched."
            )
        return application

    async def _require_workflow(self, application: ApplicationRecord, workflow_id: str) -> None:
        """What an unknown workflow has none of, an executor answers with an empty list: tell them apart."""
        await find_workflow(self._context, application, workflow_id)


async def find_workflow(
    context: Context,
    application: ApplicationRecord,
    workflow_id: str,
    *,
    load_input: bool = False,
    load_output: bool = False,
) -> WorkflowRecord:
    """Ask an executor for one workflow; in private mode payloads are neither asked for nor passed on.

    Raises:
        NotFoundError: there is no such workflow.
        DispatchError: no executor answered.
    """
    private = application.private_mode
    request = GetWorkflow(
        workflow_id=workflow_id,
        load_input=load_input and not private,
        load_output=load_output and not private,
    )
    workflow = (await context.ask(application, request)).workflow
    if workflow is None:
        raise NotFoundError(f"There is no workflow {workflow_id!r} in {application.name}.")
    return without_payloads(workflow) if private else workflow


def without_payloads(workflow: WorkflowRecord) -> WorkflowRecord:
    """The workflow as it may be shown in private mode, whatever the executor sent."""
    return msgspec.structs.replace(workflow, input=None, output=None, error=None)


def require_sane_window(filters: WorkflowFilters) -> None:
    """Refuse a listing that cannot be.

    Raises:
        InvalidError: ``limit`` or ``offset`` is negative.
    """
    errors = [
        FieldError(location=f"body.{name}", message="expected a whole number from 0", value=value)
        for name, value in (("limit", filters.limit), ("offset", filters.offset))
        if value is not None and value < 0
    ]
    if errors:
        raise InvalidError("The listing cannot begin or end there.", tuple(errors))


def _require_groups(body: WorkflowAggregatesBody | StepAggregatesBody) -> None:
    bucket_ms = body.time_bucket_size_ms
    if bucket_ms is not None and bucket_ms < 1:
        fault = FieldError(
            location="body.timeBucketSizeMs", message="expected a whole number from 1", value=bucket_ms
        )
        raise InvalidError("The figures cannot be grouped by that.", (fault,))
    flags = [getattr(body, name) for name in body.__struct_fields__ if name.startswith("group_by_")]
    if bucket_ms is None and not any(flags):
        fault = FieldError(location="body", message="expected a groupBy property or timeBucketSizeMs")
        raise InvalidError("The figures need something to be grouped by.", (fault,))
