"""Clears old workflows away: asks one executor of an application at quiet times, and notes how it went."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from datetime import datetime

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    ConflictError,
    DispatchError,
    ExecutorReportedError,
    InvalidError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    StoreError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.changes import AUDIT, Changes, application_topic
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.views import HEALTHY
from conductor_lite.policies.trusted_time import TrustedTime
from conductor_lite.protocol import Retention, RetentionBody
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import ApplicationRecord, NewAuditEntry
from conductor_lite.store.retention import (
    FAILED,
    SUCCEEDED,
    UNANSWERED,
    NewRetentionRun,
    RetentionRunRecord,
    RetentionRuns,
    RunStatus,
)

logger = logging.getLogger("conductor_lite.policies")

OPERATION = "application.retention"
#: Seconds from the end of one run of an application to the next, give or take a tenth.
RUN_INTERVAL_SECS = 3_600.0
#: Of an application that was never cleared, the first run comes within this time, in seconds.
FIRST_RUN_SECS = 600.0
#: A run that took long is followed by a pause of that many times as long.
BREATHER = 20
#: Most intervals that an application is left alone for after runs that failed.
MAX_BACKOFF = 8
#: Workflows deleted in one transaction of the application's database.
BATCH_SIZE = 1_000
#: Runs that the database did not take, kept until it does.
MAX_UNNOTED = 1_000
#: Seconds that an executor may take: it answers when all is done.
ANSWER_SECS = 1_800.0
#: Applications that are cleared at the same time, so that one that takes long holds up few others.
CONCURRENT_APPLICATIONS = 8
#: Seconds that a round waits for the ends of its runs; what takes longer goes on beside the next one.
PATIENCE_SECS = 60.0
_JITTER = 0.1

_WITHHELD = (
    "The executor reported an error, which is not shown in private mode; it stands in the application's log."
)


class RetentionPolicy:
    """Looks every minute whose time has come; never clears one application twice at once.

    Args:
        fleet: asks, and knows who is here.
        applications: the table of applications and their thresholds.
        runs: the history.
        audit_log: where runs are recorded.
        changes: whom to tell.
        clock: the clocks.
        chance: spreads the runs; tests bring their own.
    """

    name = "retention"
    interval_secs = 60.0
    round_secs = PATIENCE_SECS

    def __init__(
        self,
        fleet: Fleet,
        applications: Applications,
        runs: RetentionRuns,
        audit_log: AuditLog,
        changes: Changes,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._fleet = fleet
        self._applications = applications
        self._runs = runs
        self._audit_log = audit_log
        self._changes = changes
        self._clock = clock
        self._time = TrustedTime(clock)
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret depends on it
        # When each application is due, by the monotonic clock.
        self._due: dict[str, float] = {}
        # How many runs in a row did not succeed.
        self._failures: dict[str, int] = {}
        # Those whose time had come, until they have had their turn; likewise by application.
        self._attended: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)
        # Runs under way, by application.
        self._running: dict[str, asyncio.Task[RetentionRunRecord]] = {}
        # Runs that were made and are not on record yet, the oldest first.
        self._unnoted: deque[NewRetentionRun] = deque(maxlen=MAX_UNNOTED)

    async def round(self) -> None:
        """Run for each application whose time has come.

        Raises:
            StoreError: the database refused.
        """
        applications = await self._applications.all()
        await self._note_late(applications)
        present = {application.id for application in applications}
        if any(application.id not in self._due for application in applications):
            latest = await self._runs.latest()
            for application in applications:
                if application.id not in self._due:
                    self._due[application.id] = self._first_due(latest.get(application.id))
        self._due = {id_: due for id_, due in self._due.items() if id_ in present}
        self._failures = {id_: count for id_, count in self._failures.items() if id_ in present}
        for application in applications:
            id_ = application.id
            may_run = is_on(application) and self._fleet.is_present(id_)
            due = self._clock.monotonic() >= self._due[id_]
            if due and may_run and id_ not in self._attended and id_ not in self._running:
                self._attended[id_] = asyncio.create_task(self._attend(id_), name="retention turn")
        if self._attended:
            await asyncio.wait(self._attended.values(), timeout=PATIENCE_SECS)
        ended = [id_ for id_, task in self._attended.items() if task.done()]
        for result in await asyncio.gather(*map(self._attended.pop, ended), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def run(self, application: ApplicationRecord) -> RetentionRunRecord:
        """Ask one executor now, wait for its answer and note it. Audits nothing.

        Raises:
            InvalidError: the application has no threshold.
            ConflictError: a run is under way.
            NoHealthyExecutorError: nobody is there to ask; nothing is noted.
            StoreError: the run could not be noted, but was made.
        """
        if not is_on(application):
            raise InvalidError(
                f"Retention of {application.name} is off: set a time, a number of rows or a global timeout."
            )
        if application.id in self._running:
            raise ConflictError(f"A retention run of {application.name} is under way; wait for its end.")
        executor_id = self._choose(application)
        work = asyncio.create_task(self._carry_out(application, executor_id), name="retention run")
        self._running[application.id] = work
        # An executor goes on although whoever asked for it has left, and what it did is noted.
        return await asyncio.shield(work)

    def told_now(self, application: ApplicationRecord) -> RetentionBody:
        """What an executor would be told by a run that began now."""
        return body_of(application, self._time.now())

    async def stop(self) -> None:
        """Wait no longer for answers; what executors do goes on, unnoted."""
        running = [*self._attended.values(), *self._running.values()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _carry_out(self, application: ApplicationRecord, executor_id: str) -> RetentionRunRecord:
        try:
            started_at, begun = self._clock.now(), self._clock.monotonic()
            body = self.told_now(application)
            status, error = await self._ask(application, executor_id, body)
            took_secs = self._clock.monotonic() - begun
            self._reschedule(application.id, took_secs, succeeded=status == SUCCEEDED)
            run = NewRetentionRun(
                application_id=application.id,
                started_at=started_at,
                duration_ms=round(took_secs * 1_000),
                status=status,
                error=error,
                executor_id=executor_id,
                gc_cutoff_epoch_ms=body.gc_cutoff_epoch_ms,
                gc_rows_threshold=body.gc_rows_threshold,
                timeout_cutoff_epoch_ms=body.timeout_cutoff_epoch_ms,
            )
            try:
                return await self._runs.append(run)
            except StoreError:
                # It was made all the same.
                self._unnoted.append(run)
                raise
        finally:
            self._running.pop(application.id, None)
            self._changes.publish(application_topic(application.id))

    async def _attend(self, application_id: str) -> None:
        async with self._turns:
            # Its settings may have changed while it waited.
            application = await self._applications.by_id(application_id)
            if application is None or not is_on(application):
                return
            try:
                run = await self.run(application)
            except (NoHealthyExecutorError, NotFoundError, ConflictError):
                # Tried again in a minute: it is due as soon as an executor is there.
                return
            await self._audit(application, run)

    async def _note_late(self, applications: Sequence[ApplicationRecord]) -> None:
        by_id = {application.id: application for application in applications}
        while self._unnoted:
            application = by_id.get(self._unnoted[0].application_id)
            if application is not None:
                await self._audit(application, await self._runs.append(self._unnoted[0]))
            self._unnoted.popleft()

    async def _audit(self, application: ApplicationRecord, run: RetentionRunRecord) -> None:
        if run.error is not None:
            logger.warning("Retention of %s: %s", application.name, run.error)
        entry = NewAuditEntry(
            organization_id=application.organization_id,
            emitted_at=self._clock.now(),
            operation=OPERATION,
            status="success" if run.status == SUCCEEDED else "failure",
            subject_type="system",
            subject_id="conductor",
            subject_display="conductor",
            target_type="application",
            target_id=application.name,
            details=details_of(run),
        )
        try:
            await self._audit_log.append([entry])
        except StoreError as error:
            logger.error("A retention run could not be written to the audit log: %s", error)
        self._changes.publish(AUDIT)

    async def _ask(
        self, application: ApplicationRecord, executor_id: str, body: RetentionBody
    ) -> tuple[RunStatus, str | None]:
        try:
            # This one and no other: one that is late with its answer may still be at it.
            reply = await self._fleet.ask(
                application.id, Retention(body=body), executor_id=executor_id, patience_secs=ANSWER_SECS
            )
        except UnsupportedMessageError as error:
            return FAILED, str(error)
        except ExecutorReportedError as error:
            return FAILED, _WITHHELD if application.private_mode else str(error)
        except NoExecutorAnsweredError as error:
            return UNANSWERED, f"{error} It may have cleared workflows away all the same."
        except DispatchError as error:
            return FAILED, str(error)
        if reply.success:
            return SUCCEEDED, None
        return FAILED, "The executor did not succeed, and did not say why."

    def _choose(self, application: ApplicationRecord) -> str:
        """The executor with the least to do."""
        fit = [
            view
            for view in self._fleet.executors(application.id)
            if view.status == HEALTHY and view.responsive
        ]
        if not fit:
            raise NoHealthyExecutorError(
                f"No executor of {application.name} that answers is connected; start the application."
            )
        return min(fit, key=lambda view: view.in_flight).executor_id

    def _first_due(self, last: RetentionRunRecord | None) -> float:
        now = self._clock.monotonic()
        first = now + self._chance.uniform(self.interval_secs, FIRST_RUN_SECS)
        if last is None:
            return first
        # A run yet to come says nothing: the calendar was set back.
        ago_secs = max(0.0, (self._clock.now() - last.started_at).total_seconds())
        return max(first, now + self._spread(RUN_INTERVAL_SECS) - ago_secs)

    def _reschedule(self, application_id: str, took_secs: float, *, succeeded: bool) -> None:
        failures = 0 if succeeded else self._failures.get(application_id, 0) + 1
        self._failures[application_id] = failures
        backoff = min(1 << min(failures, 8), MAX_BACKOFF)
        wait_secs = max(RUN_INTERVAL_SECS * backoff, took_secs * BREATHER)
        self._due[application_id] = self._clock.monotonic() + self._spread(wait_secs)

    def _spread(self, secs: float) -> float:
        return secs * self._chance.uniform(1 - _JITTER, 1 + _JITTER)


def is_on(application: ApplicationRecord) -> bool:
    """Whether an application has any threshold."""
    return body_of(application, application.created_at) != RetentionBody(gc_batch_size=BATCH_SIZE)


def body_of(application: ApplicationRecord, now: datetime) -> RetentionBody:
    """What an application's settings mean at a time (protocol message ``retention``)."""
    now_ms = round(now.timestamp() * 1_000)
    rows = application.gc_rows_threshold
    return RetentionBody(
        gc_cutoff_epoch_ms=_cutoff(now_ms, application.gc_time_threshold_ms),
        # SDKs look for the row of that number; there is none of number 0.
        gc_rows_threshold=None if rows is None else max(1, rows),
        gc_batch_size=BATCH_SIZE,
        timeout_cutoff_epoch_ms=_cutoff(now_ms, application.global_timeout_ms),
    )


def details_of(run: RetentionRunRecord) -> dict[str, object]:
    """What the audit log says of a run."""
    facts = msgspec.structs.asdict(run)
    names = (
        "status",
        "error",
        "executor_id",
        "duration_ms",
        "gc_cutoff_epoch_ms",
        "gc_rows_threshold",
        "timeout_cutoff_epoch_ms",
    )
    return {name: facts[name] for name in names if facts[name] is not None}


def _cutoff(now_ms: int, age_ms: int | None) -> int | None:
    # Never before 1970: an age longer than that matches nothing, and no SDK need know negative times.
    return None if age_ms is None else max(0, now_ms - age_ms)
