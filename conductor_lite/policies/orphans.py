"""The orphan sweep: compares who owns pending workflows with who is on record, and finds work nobody watches.

An executor that started and died while the conductor was away was never on record; and a recovery whose
database failed half-way may leave rows behind after its executor was forgotten. Both strand work silently.
"""

import asyncio
import logging
import random

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
from conductor_lite.wording import noun, plural

logger = logging.getLogger("conductor_lite.policies")

#: Seconds between two looks at an application, give or take a tenth, so that applications spread.
LOOK_SECS = 60.0
JITTER = 0.1
#: Seconds from an application's first executor to the first look: after a start the others come back first.
SETTLE_SECS = 10.0
#: Applications that are looked at at the same time, so that one that is slow to answer holds up few others.
CONCURRENT_APPLICATIONS = 8
#: After a look that took long an application is left alone for that many times as long.
BREATHER = 20
#: Longest wait after looks that failed, in intervals.
MAX_BACKOFF = 8
#: Where the SDK is too old to count pending workflows by owner: those in one listing, and listings in a look.
MAX_LISTED = 1_000
MAX_LISTINGS = 20
_PENDING = "PENDING"


class _Turn:
    """When an application is looked at next, on the monotonic clock."""

    def __init__(self, due_at: float, recoveries: int) -> None:
        self.due_at = due_at
        # Until then it is left alone, even after a recovery.
        self.rest_until = 0.0
        # Recoveries that had ended by the last look.
        self.recoveries = recoveries
        # Looks in a row that failed.
        self.setbacks = 0


class OrphanSweep:
    """Looks at every application that has an executor to ask: at intervals, after a start, after a recovery.

    Args:
        fleet: asks, and knows who is on record.
        applications: the table of applications.
        changes: whom to tell.
        clock: the clocks.
        chance: spreads the looks; tests bring their own.
    """

    name = "orphan sweep"
    # Far less than the time between two looks, so that a recovery is soon looked at.
    interval_secs = 5.0

    def __init__(
        self,
        fleet: Fleet,
        applications: Applications,
        changes: Changes,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._fleet = fleet
        self._applications = applications
        self._changes = changes
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret depends on it
        # By application id, while an executor of it is connected.
        self._turns: dict[str, _Turn] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What those should know who look at this policy's health."""
        failing = sum(turn.setbacks > 0 for turn in self._turns.values())
        note = (
            f"{plural(failing, 'application')} {noun(failing, 'does', 'do')} not tell who owns the work there"
        )
        return (note,) if failing else ()

    async def round(self) -> None:
        """Look at each application that is due; one that cannot be asked now is looked at next time.

        Raises:
            StoreError: the applications cannot be read.
        """
        applications = await self._applications.all()
        present = [item for item in applications if self._fleet.is_present(item.id)]
        self._turns = {item.id: self._turns.get(item.id) or self._first_turn(item.id) for item in present}
        slots = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def attend(application: ApplicationRecord) -> None:
            async with slots:
                await self._attend(application, self._turns[application.id])

        results = await asyncio.gather(*map(attend, present), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _attend(self, application: ApplicationRecord, turn: _Turn) -> None:
        recoveries, begun = self._fleet.recoveries(application.id), self._clock.monotonic()
        if begun < turn.rest_until or (begun < turn.due_at and recoveries == turn.recoveries):
            return
        turn.recoveries = recoveries
        try:
            await self.look(application)
            turn.setbacks = 0
        except (NoHealthyExecutorError, NotFoundError):
            # It left meanwhile.
            pass
        except DispatchError as error:
            turn.setbacks += 1
            logger.warning("Orphans of %s could not be looked for: %s", application.name, error)
        finally:
            ended = self._clock.monotonic()
            backoff = min(1 << min(turn.setbacks, 8), MAX_BACKOFF)
            spread = self._chance.uniform(1 - JITTER, 1 + JITTER)
            turn.due_at = ended + LOOK_SECS * backoff * spread
            turn.rest_until = ended + (ended - begun) * BREATHER

    async def look(self, application: ApplicationRecord) -> None:
        """Look at one application.

        Raises:
            DispatchError: no executor answered.
            StoreError: it cannot be read who was on record once.
        """
        fleet = self._fleet
        owners = await self._owners(application)
        unknown = {key: count for key, count in owners.items() if not fleet.is_on_record(application.id, key)}
        once = await fleet.were_on_record(application.id, unknown)
        now = self._clock.monotonic()
        if fleet.unknown.update(application.id, unknown, once, self._clock.now(), now):
            self._changes.publish(APPLICATIONS, application_topic(application.id))
        for found in fleet.unknown.all_of(application.id):
            key = ExecutorKey(found.executor_id, found.application_version)
            # A process may own workflows before its first connection: it gets its timeout like others.
            if now - found.since < application.executor_timeout_secs:
                continue
            if found.was_on_record or application.recover_unknown_executors:
                logger.warning(
                    "Executor %s of %s is not on record and owns %d pending workflows: they are recovered.",
                    found.executor_id,
                    application.name,
                    found.pending_count,
                )
                fleet.adopt(application.id, key)

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
        owners: dict[ExecutorKey, int] = {}
        for page in range(MAX_LISTINGS):
            filters = WorkflowFilters(
                status=_PENDING,
                limit=MAX_LISTED,
                offset=page * MAX_LISTED or None,
                load_input=False,
                load_output=False,
            )
            listed = (await self._fleet.ask(application.id, ListWorkflows(body=filters))).workflows
            for workflow in listed:
                # Where several applications share a database, each is asked about its own.
                is_ours = workflow.application_name in (None, application.name)
                if is_ours and workflow.executor_id and workflow.application_version is not None:
                    key = ExecutorKey(workflow.executor_id, workflow.application_version)
                    owners[key] = owners.get(key, 0) + 1
            if len(listed) < MAX_LISTED:
                break
        return owners

    def _first_turn(self, application_id: str) -> _Turn:
        return _Turn(self._clock.monotonic() + SETTLE_SECS, self._fleet.recoveries(application_id))
