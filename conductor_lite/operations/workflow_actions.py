"""Changing workflows: cancel, resume, restart, rewind, fork, delete and import, one or many at a time."""

import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_WRITE
from conductor_lite.errors import (
    ExecutorReportedError,
    FieldError,
    InvalidError,
    NotFoundError,
    StoreError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.connection import BeforeSending
from conductor_lite.operations.context import Context
from conductor_lite.operations.once import Attempt, unknown_outcome
from conductor_lite.operations.versions import latest_version_name
from conductor_lite.operations.workflows import find_workflow
from conductor_lite.protocol import (
    Cancel,
    Delete,
    ForkBody,
    ForkFromFailure,
    ForkFromFailureBody,
    ForkWorkflow,
    ImportWorkflow,
    ListWorkflows,
    Request,
    Restart,
    Resume,
    WorkflowFilters,
)
from conductor_lite.protocol.replies import SuccessReply
from conductor_lite.store.records import ApplicationRecord

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=SuccessReply)
#: Told after each message how many more workflows it was about; what it raises ends the call there.
Progress: TypeAlias = Callable[[int], None]

#: Workflows per message: an executor that works through one holds up what comes behind it.
CHUNK_SIZE = 200
#: Most workflows that one call may name.
MAX_BULK = 10_000
_NO_REWIND = (
    "The application's SDK cannot rewind a workflow over this protocol; fork it from the step instead, "
    "which runs it again under a new id."
)
#: Ids kept in an audit entry; the count is always kept.
_AUDITED_IDS = 100


class WorkflowActions:
    """Actions on workflows, all carried out by an executor of the application."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def cancel(
        self, actor: Actor, application_name: str, workflow_id: str, *, cancel_children: bool = False
    ) -> None:
        """Cancel a workflow; one that has ended stays as it is.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application or workflow.
            DispatchError: no executor answered, or it reported an error.
        """
        async with self._acting(actor, application_name, "workflow.cancel", workflow_id) as application:
            request = Cancel(workflow_id=workflow_id, cancel_children=cancel_children)
            await self._succeed(application, request)

    async def resume(
        self, actor: Actor, application_name: str, workflow_id: str, *, queue_name: str | None = None
    ) -> None:
        """Let a workflow go on from its last completed step, on an executor of the latest version.

        Raises as ``cancel`` does.
        """
        async with self._acting(actor, application_name, "workflow.resume", workflow_id) as application:
            version = await latest_version_name(self._context, application)
            request = Resume(workflow_id=workflow_id, queue_name=queue_name)
            await self._succeed(application, request, application_version=version)

    async def restart(
        self, actor: Actor, application_name: str, workflow_id: str, attempt: Attempt | None = None
    ) -> str | None:
        """Start a workflow anew from its first step, under a new id.

        Args:
            actor: on whose behalf.
            application_name: of which application.
            workflow_id: which workflow.
            attempt: where it is to be done once however often it is asked for.

        Returns:
            The new id, where the SDK tells it: those that no longer restart are asked to fork.

        Raises as ``cancel`` does.
        """
        async with self._acting(actor, application_name, "workflow.restart", workflow_id) as application:
            anew, restart = ForkBody(workflow_id=workflow_id, start_step=0), Restart(workflow_id=workflow_id)
            if attempt is not None:
                # A restart makes up the new id by itself, so nobody could tell whether it was done already.
                try:
                    return await self._fork(application, anew, attempt)
                except UnsupportedMessageError:
                    if attempt.again:
                        raise unknown_outcome() from None
                    await self._succeed(application, restart)
                    return None
            try:
                await self._succeed(application, restart)
            except UnsupportedMessageError:
                return await self._fork(application, anew)
            return None

    async def rewind(self, actor: Actor, application_name: str, workflow_id: str) -> None:
        """Run a workflow again in place. No SDK whose own client speaks the protocol can: fork instead.

        Raises:
            UnsupportedMessageError: always, for a workflow that exists.
            ForbiddenError, NotFoundError, DispatchError: as ``cancel``.
        """
        async with self._acting(actor, application_name, "workflow.rewind", workflow_id):
            raise UnsupportedMessageError(_NO_REWIND, _NO_REWIND)

    async def fork(
        self, actor: Actor, application_name: str, body: ForkBody, attempt: Attempt | None = None
    ) -> str:
        """Run a workflow again from a step on, under a new id, which is returned.

        ``attempt`` is as for ``restart``. Raises as ``cancel`` does.
        """
        async with self._acting(actor, application_name, "workflow.fork", body.workflow_id) as application:
            if body.start_step < 0:
                raise InvalidError(
                    "A fork begins at a step.",
                    (
                        FieldError(
                            location="body.startStep",
                            message="expected a whole number from 0",
                            value=body.start_step,
                        ),
                    ),
                )
            return await self._fork(application, body, attempt)

    async def delete(
        self, actor: Actor, application_name: str, workflow_id: str, *, delete_children: bool = False
    ) -> None:
        """Delete a workflow with all that belongs to it. Raises as ``cancel`` does."""
        async with self._acting(actor, application_name, "workflow.delete", workflow_id) as application:
            request = Delete(workflow_id=workflow_id, delete_children=delete_children)
            await self._succeed(application, request)
            await self._forget(application, [workflow_id])

    async def import_(self, actor: Actor, application_name: str, serialized_workflow: str) -> None:
        """Write an exported workflow into the application's database.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application.
            DispatchError: no executor answered, or it could not read the export.
        """
        context = self._context
        async with context.audited(actor, "workflow.import", "application", application_name) as details:
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            details["size_bytes"] = len(serialized_workflow)
            await self._succeed(application, ImportWorkflow(serialized_workflow=serialized_workflow))

    async def bulk_cancel(
        self,
        actor: Actor,
        application_name: str,
        workflow_ids: Sequence[str],
        *,
        cancel_children: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Cancel many workflows; ids that do not exist are passed over.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application.
            InvalidError: no ids, or too many.
            StandingLostError: the actor lost the right to it before a message was sent.
            DispatchError: no executor answered, or it reported an error; the audit entry tells how many were
                done before.
        """
        await self._bulk(
            actor,
            application_name,
            "workflow.bulk_cancel",
            workflow_ids,
            lambda ids: Cancel(workflow_ids=ids, cancel_children=cancel_children),
            progress=progress,
        )

    async def bulk_resume(
        self,
        actor: Actor,
        application_name: str,
        workflow_ids: Sequence[str],
        *,
        queue_name: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Let many workflows go on, on an executor of the latest version. Raises as ``bulk_cancel`` does."""
        await self._bulk(
            actor,
            application_name,
            "workflow.bulk_resume",
            workflow_ids,
            lambda ids: Resume(workflow_ids=ids, queue_name=queue_name),
            on_latest_version=True,
            progress=progress,
        )

    async def bulk_delete(
        self,
        actor: Actor,
        application_name: str,
        workflow_ids: Sequence[str],
        *,
        delete_children: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Delete many workflows. Raises as ``bulk_cancel`` does."""
        await self._bulk(
            actor,
            application_name,
            "workflow.bulk_delete",
            workflow_ids,
            lambda ids: Delete(workflow_ids=ids, delete_children=delete_children),
            then=self._forget,
            progress=progress,
        )

    async def fork_from_failure(
        self,
        actor: Actor,
        application_name: str,
        body: ForkFromFailureBody,
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """Run failed workflows again from where they failed; returns the forks' ids in the order given.

        Raises as ``bulk_cancel`` does, and NotFoundError when one of the workflows does not exist; then none
        is forked.
        """
        context = self._context
        operation = "workflow.fork_from_failure"
        async with context.audited(actor, operation, "application", application_name) as details:
            actor.require(APPLICATION_WRITE)
            _require_one_start(body)
            application = await context.application(actor, application_name)
            ids = _distinct(body.workflow_ids)
            details.update(_audited(ids))
            for chunk in _chunks(ids):
                await self._require_all(application, chunk)
            forks: list[str] = []
            still_may = self._standing(actor, application)
            for chunk in _chunks(ids):
                request = ForkFromFailure(body=msgspec.structs.replace(body, workflow_ids=chunk))
                reply = await context.ask(application, request, before_sending=still_may)
                forks += reply.forked_workflow_ids or []
                details["done"] = len(forks)
                if progress:
                    progress(len(chunk))
            return forks

    async def _require_all(self, application: ApplicationRecord, ids: list[str]) -> None:
        filters = WorkflowFilters(workflow_ids=ids, limit=len(ids), load_input=False, load_output=False)
        found = (await self._context.ask(application, ListWorkflows(body=filters))).workflows
        missing = set(ids).difference(workflow.workflow_id for workflow in found)
        if missing:
            first = next(id_ for id_ in ids if id_ in missing)
            raise NotFoundError(
                f"{len(missing)} of the workflows do not exist in {application.name}, such as {first!r}."
            )

    async def _fork(
        self, application: ApplicationRecord, body: ForkBody, attempt: Attempt | None = None
    ) -> str:
        # An id of ours makes the request name its result, whoever carries it out and however often.
        new_id = body.new_workflow_id or (attempt.new_id if attempt else str(uuid.uuid4()))
        if attempt and attempt.again and await self._is_fork(application, new_id, body.workflow_id):
            return new_id
        request = ForkWorkflow(body=msgspec.structs.replace(body, new_workflow_id=new_id))
        return (await self._context.ask(application, request)).new_workflow_id or new_id

    async def _is_fork(self, application: ApplicationRecord, new_id: str, workflow_id: str) -> bool:
        try:
            found = await find_workflow(self._context, application, new_id)
        except NotFoundError:
            return False
        return found.forked_from == workflow_id

    async def _bulk(
        self,
        actor: Actor,
        application_name: str,
        operation: str,
        workflow_ids: Sequence[str],
        request_for: Callable[[list[str]], Request[S]],
        *,
        on_latest_version: bool = False,
        then: Callable[[ApplicationRecord, list[str]], Awaitable[None]] | None = None,
        progress: Progress | None = None,
    ) -> None:
        context = self._context
        async with context.audited(actor, operation, "application", application_name) as details:
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            ids = _distinct(workflow_ids)
            details.update(_audited(ids))
            version = await latest_version_name(context, application) if on_latest_version else None
            still_may = self._standing(actor, application)
            for index, chunk in enumerate(_chunks(ids)):
                await self._succeed(
                    application, request_for(chunk), application_version=version, before_sending=still_may
                )
                if then is not None:
                    await then(application, chunk)
                details["done"] = index * CHUNK_SIZE + len(chunk)
                if progress:
                    progress(len(chunk))

    @asynccontextmanager
    async def _acting(
        self, actor: Actor, application_name: str, operation: str, workflow_id: str
    ) -> AsyncIterator[ApplicationRecord]:
        """Audit one action, check the permission, and make sure that there is such a workflow."""
        context = self._context
        async with context.audited(actor, operation, "workflow", workflow_id) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            await find_workflow(context, application, workflow_id)
            yield application

    async def _forget(self, application: ApplicationRecord, workflow_ids: list[str]) -> None:
        """Take what was deleted out of the snapshots; its children go with the next full pass."""
        snapshots = self._context.snapshots
        try:
            source = await snapshots.source(application.id)
            if source is not None:
                await snapshots.remove(source.number, workflow_ids)
        except StoreError as error:
            # They are deleted all the same, and that pass sees it.
            logger.warning("Deleted workflows of %s are in its snapshots yet: %s", application.name, error)

    def _standing(self, actor: Actor, application: ApplicationRecord) -> BeforeSending:
        """Looks whether the actor may do it still. A message may have waited long for its turn."""
        return lambda: self._context.require_standing(actor, APPLICATION_WRITE, application)

    async def _succeed(
        self,
        application: ApplicationRecord,
        request: Request[S],
        *,
        application_version: str | None = None,
        before_sending: BeforeSending | None = None,
    ) -> None:
        reply = await self._context.ask(
            application, request, application_version=application_version, before_sending=before_sending
        )
        if not reply.success:
            message = "The executor did not do it, and did not say why."
            raise ExecutorReportedError(message, message)


def _distinct(workflow_ids: Sequence[str]) -> list[str]:
    ids = list(dict.fromkeys(workflow_ids))
    if not 1 <= len(ids) <= MAX_BULK:
        message = f"expected 1 to {MAX_BULK} workflow ids"
        error = FieldError(location="body.workflowIds", message=message, value=len(ids))
        raise InvalidError("That many workflows cannot be named in one call.", (error,))
    return ids


def _chunks(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + CHUNK_SIZE] for start in range(0, len(ids), CHUNK_SIZE)]


def _audited(ids: list[str]) -> dict[str, object]:
    return {"workflow_count": len(ids), "workflow_ids": ids[:_AUDITED_IDS], "done": 0}


def _require_one_start(body: ForkFromFailureBody) -> None:
    starts = (body.from_last_failure, body.from_last_step, body.from_step, body.from_step_name)
    given = [start for start in starts if start is not None and start is not False]
    if len(given) != 1:
        message = "expected exactly one of fromLastFailure, fromLastStep, fromStep and fromStepName"
        raise InvalidError(
            "It is not clear from where to fork.", (FieldError(location="body", message=message),)
        )
