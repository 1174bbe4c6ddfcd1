"""Acting on all workflows that match a filter, in the background: which jobs there are, who may start them.

Jobs live in memory: they end with the server, and those that are over are kept for a while. How one runs is
``bulk_job``.
"""

import asyncio
import contextvars
import re
import uuid
from collections import OrderedDict

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import ConflictError, FieldError, InvalidError, NotFoundError
from conductor_lite.operations.bulk_job import (
    MAX_WORKFLOWS,
    BulkAction,
    BulkJob,
    BulkOptions,
    RunningJob,
    require_fit,
)
from conductor_lite.operations.context import Context
from conductor_lite.operations.topics import jobs_topic
from conductor_lite.operations.workflow_actions import WorkflowActions
from conductor_lite.operations.workflows import Workflows
from conductor_lite.protocol import WorkflowFilters
from conductor_lite.store.records import ApplicationRecord

__all__ = [
    "ACTS_ON",
    "MAX_WORKFLOWS",
    "BulkAction",
    "BulkJob",
    "BulkJobs",
    "BulkOptions",
    "narrowed",
    "require_fit",
]

#: The statuses that an action changes anything about; None for every one.
ACTS_ON: dict[BulkAction, tuple[str, ...] | None] = {
    "cancel": ("PENDING", "ENQUEUED", "DELAYED"),
    "resume": ("CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"),
    "delete": None,
    "fork_from_failure": ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"),
}
#: Those that it could change too, but does only where they are asked for by name.
_ON_REQUEST: dict[BulkAction, tuple[str, ...]] = {
    "cancel": ("MAX_RECOVERY_ATTEMPTS_EXCEEDED",),
    "resume": ("ENQUEUED", "DELAYED"),
    "delete": (),
    "fork_from_failure": ("CANCELLED",),
}
#: Jobs of one application that may wait for their turn.
MAX_QUEUED = 5
#: Jobs that are kept after their end.
MAX_KEPT = 100
#: Seconds that messages under way get to finish when the server stops.
GRACE_SECS = 3.0
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def narrowed(action: BulkAction, filters: WorkflowFilters, *, chosen: bool = False) -> WorkflowFilters | None:
    """Those of the workflows that the action changes anything about; None when there can be none.

    Args:
        action: what is to be done.
        filters: which workflows.
        chosen: whether each was picked by hand, and is thus meant whatever its status.
    """
    usual = ACTS_ON[action]
    if usual is None:
        return filters
    allowed = usual + _ON_REQUEST[action]
    asked = [filters.status] if isinstance(filters.status, str) else filters.status
    statuses = [status for status in asked if status in allowed] if asked else allowed if chosen else usual
    return msgspec.structs.replace(filters, status=list(statuses)) if statuses else None


class BulkJobs:
    """Jobs on many workflows; of each application one at a time."""

    def __init__(self, context: Context, workflows: Workflows, actions: WorkflowActions) -> None:
        self._context = context
        self._workflows = workflows
        self._actions = actions
        # By id, the latest last; those that are over leave when there are too many.
        self._jobs: OrderedDict[str, RunningJob] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # One per application that ever had a job.
        self._turns: dict[str, asyncio.Lock] = {}

    async def start(
        self,
        actor: Actor,
        application_name: str,
        action: BulkAction,
        filters: WorkflowFilters,
        *,
        target: str,
        options: BulkOptions | None = None,
        job_id: str | None = None,
    ) -> BulkJob:
        """Begin a job; with the id of one that exists already nothing more than that is begun.

        Args:
            actor: on whose behalf.
            application_name: whose workflows.
            action: what to do to them.
            filters: which ones; with an end of creation time, for what comes later is not meant.
            target: which ones, in words.
            options: what may be said beside.
            job_id: made up by the caller, so that asking twice does no harm.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application.
            ConflictError: too many jobs of the application wait for their turn.
            InvalidError: the filters leave open when the workflows were created, or the id is none.
        """
        context, options = self._context, options or BulkOptions()
        async with context.audited(actor, "workflow.bulk_job", "application", application_name) as details:
            details.update(action=action, target=target, job_id=job_id)
            actor.require(APPLICATION_WRITE)
            _require_bounds(filters, job_id)
            application = await context.application(actor, application_name)
            # From here to its begin nothing is awaited: a second click finds the first one's job.
            known = self._jobs.get(job_id or "")
            if known is not None:
                details["already_begun"] = True
                self._require_same(known, application)
                return known.job
            job = self._new(actor, application, action, target, job_id or str(uuid.uuid4()))
            details["job_id"] = job.id
            running = RunningJob(
                context,
                self._workflows,
                self._actions,
                job=job,
                actor=actor,
                application=application,
                filters=filters,
                options=options,
                changed=lambda: context.changes.publish(jobs_topic(application.id)),
            )
            self._begin(running)
        return running.job

    async def list(self, actor: Actor, application_name: str) -> list[BulkJob]:
        """List an application's jobs, the latest first.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return [running.job for running in reversed(self._of(application))]

    async def get(self, actor: Actor, application_name: str, job_id: str) -> BulkJob:
        """Get one job. Raises as ``list`` does, and NotFoundError when there is no such job."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return self._find(application, job_id).job

    async def wait(self, actor: Actor, application_name: str, job_id: str, secs: float) -> BulkJob:
        """Wait until a job is over, for so many seconds at most. Raises as ``get`` does."""
        job = await self.get(actor, application_name, job_id)
        task = self._tasks.get(job.id)
        if task is not None:
            await asyncio.wait({task}, timeout=secs)
        return await self.get(actor, application_name, job_id)

    async def stop(self, actor: Actor, application_name: str, job_id: str) -> BulkJob:
        """End a job after the message that is under way; what it did stays done.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application or job.
        """
        context = self._context
        async with context.audited(
            actor, "workflow.bulk_job_stop", "application", application_name
        ) as details:
            details["job_id"] = job_id
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            running = self._find(application, job_id)
            running.stop(f"Stopped by {actor.display}.")
            details["done"] = running.job.done
        return running.job

    async def stop_all(self) -> None:
        """End every job, for the server stops."""
        for running in self._jobs.values():
            running.stop("The server stopped.")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=GRACE_SECS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _new(
        self, actor: Actor, application: ApplicationRecord, action: BulkAction, target: str, job_id: str
    ) -> BulkJob:
        open_jobs = [job for job in self._of(application) if not job.job.is_over]
        if len(open_jobs) > MAX_QUEUED:
            raise ConflictError(
                f"{len(open_jobs)} jobs of {application.name} are not over yet; stop one, or wait."
            )
        return BulkJob(
            id=job_id,
            application_name=application.name,
            action=action,
            target=target,
            state="queued" if open_jobs else "gathering",
            total=None,
            found=0,
            done=0,
            failed=0,
            failures=(),
            problem="",
            started_by=actor.display,
            started_at=self._context.now(),
            ended_at=None,
        )

    def _begin(self, running: RunningJob) -> None:
        id_ = running.job.id
        self._jobs[id_] = running
        turn = self._turns.setdefault(running.application.id, asyncio.Lock())

        async def in_turn() -> None:
            async with turn:
                await running.run()

        # Without the deadline and the shared answers of the request that began it.
        task = asyncio.create_task(in_turn(), context=contextvars.Context())
        self._tasks[id_] = task
        task.add_done_callback(lambda _: self._over(id_))
        self._context.changes.publish(jobs_topic(running.application.id))

    def _over(self, job_id: str) -> None:
        del self._tasks[job_id]
        over = [id_ for id_ in self._jobs if id_ not in self._tasks]
        for id_ in over[: max(0, len(over) - MAX_KEPT)]:
            del self._jobs[id_]

    def _of(self, application: ApplicationRecord) -> tuple[RunningJob, ...]:
        return tuple(job for job in self._jobs.values() if job.application.id == application.id)

    def _find(self, application: ApplicationRecord, job_id: str) -> RunningJob:
        running = self._jobs.get(job_id)
        if running is None or running.application.id != application.id:
            raise NotFoundError(
                "There is no such job. Jobs end with the server, and those that are over are kept for a "
                "while only; the audit log has what they did."
            )
        return running

    def _require_same(self, known: RunningJob, application: ApplicationRecord) -> None:
        if known.application.id != application.id:
            raise ConflictError("Another application has a job of that id.")


def _require_bounds(filters: WorkflowFilters, job_id: str | None) -> None:
    if filters.end_time is None:
        fault = FieldError(location="body.endTime", message="expected the time up to which they were created")
        raise InvalidError("It is not clear which workflows are meant.", (fault,))
    if job_id is not None and not _ID.fullmatch(job_id):
        fault = FieldError(location="body.jobId", message="expected 8 to 64 letters, digits, - and _")
        raise InvalidError("That is no id for a job.", (fault,))
