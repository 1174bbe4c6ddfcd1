"""The orphan sweep: compares who owns pending workflows with who is on record, and finds work nobody watches.

An executor that started and died while the conductor was away was never on record; and a recovery whose
database failed half-way may leave rows behind after its executor was forgotten. Both strand work silently.
"""

import logging
from datetime import timedelta

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    DispatchError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.changes import APPLICATIONS, Changes, application_topic
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.liveness import ExecutorKey
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    ListWorkflows,
    WorkflowAggregatesBody,
    WorkflowFilters,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.records import ApplicationRecord

logger = logging.getLogger("conductor_lite.policies")

#: Pending workflows looked at where the SDK is too old to count them by owner.
MAX_LISTED = 1_000
_PENDING = "PENDING"


class OrphanSweep:
    """Looks at every application that has an executor to ask.

    Args:
        fleet: asks, and knows who is on record.
        applications: the table of applications.
        changes: whom to tell.
        clock: the time of day.
    """

    name = "orphan sweep"
    interval_secs = 60.0

    def __init__(self, fleet: Fleet, applications: Applications, changes: Changes, clock: Clock) -> None:
        self._fleet = fleet
        self._applications = applications
        self._changes = changes
        self._clock = clock

    async def round(self) -> None:
        """Look at each application once; one that cannot be asked now is looked at next time.

        Raises:
            StoreError: the applications cannot be read.
        """
        for application in await self._applications.all():
            try:
                await self.look(application)
            except (NoHealthyExecutorError, NotFoundError):
                continue
            except DispatchError as error:
                logger.warning("Orphans of %s could not be looked for: %s", application.name, error)

    async def look(self, application: ApplicationRecord) -> None:
        """Look at one application.

        Raises:
            DispatchError: no executor answered.
        """
        owners = await self._owners(application)
        unknown = {
            key: count for key, count in owners.items() if not self._fleet.is_on_record(application.id, key)
        }
        if self._fleet.unknown.update(application.id, unknown, self._clock.now()):
            self._changes.publish(APPLICATIONS, application_topic(application.id))
        for found in self._fleet.unknown.of(application.id):
            key = ExecutorKey(found.executor_id, found.application_version)
            # A process may own workflows before its first connection: it gets its timeout like others.
            patience = timedelta(seconds=application.executor_timeout_secs)
            if self._clock.now() - found.first_seen_at < patience:
                continue
            if application.recover_unknown_executors or self._fleet.unknown.was_forgotten(
                application.id, key
            ):
                logger.warning(
                    "Executor %s of %s is not on record and owns %d pending workflows: they are recovered.",
                    found.executor_id,
                    application.name,
                    found.pending_count,
                )
                self._fleet.adopt(application.id, key)

    async def _owners(self, application: ApplicationRecord) -> dict[ExecutorKey, int]:
        """How many pending workflows each executor owns, of those that belong to this application."""
        body = WorkflowAggregatesBody(
            group_by_executor_id=True,
            group_by_application_version=True,
            select_count=True,
            status=[_PENDING],
            application_name=[application.name],
        )
        owners: dict[ExecutorKey, int] = {}
        try:
            reply = await self._fleet.ask(application.id, GetWorkflowAggregates(body=body))
        except UnsupportedMessageError:
            return await self._owners_of_listed(application)
        for aggregate in reply.aggregates:
            executor_id = aggregate.group.get("executor_id")
            version = aggregate.group.get("application_version", aggregate.group.get("app_version"))
            if executor_id and version is not None:
                owners[ExecutorKey(executor_id, version)] = aggregate.count or 0
        return owners

    async def _owners_of_listed(self, application: ApplicationRecord) -> dict[ExecutorKey, int]:
        filters = WorkflowFilters(status=_PENDING, limit=MAX_LISTED, load_input=False, load_output=False)
        owners: dict[ExecutorKey, int] = {}
        for workflow in (await self._fleet.ask(application.id, ListWorkflows(body=filters))).workflows:
            if workflow.executor_id and workflow.application_version is not None:
                key = ExecutorKey(workflow.executor_id, workflow.application_version)
                owners[key] = owners.get(key, 0) + 1
        return owners
