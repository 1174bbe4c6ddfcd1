"""The watch over all applications: gives liveness the time, and carries out what it decides."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import StoreError
from conductor_lite.fleet.changes import APPLICATIONS, AUDIT, Changes, application_topic
from conductor_lite.fleet.dispatch import Dispatch
from conductor_lite.fleet.liveness import (
    AskPending,
    Decision,
    ExecutorKey,
    Forget,
    MarkDead,
    MarkDisconnected,
    Recover,
    Status,
)
from conductor_lite.fleet.recorder import Recorder
from conductor_lite.fleet.recovery import RecoveryDesk, RecoveryOutcome, outcome_details
from conductor_lite.fleet.registry import ApplicationFleet, Executor, Registry
from conductor_lite.fleet.tasks import Tasks
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import NewAuditEntry
from conductor_lite.wording import noun, plural

logger = logging.getLogger("conductor_lite.fleet")

#: Longest wait between two looks at the clock, in seconds.
TICK_SECS = 0.5
#: How much later than due the clock is looked at, in seconds: those who vanished together, a moment apart,
#: are then declared dead together, and one message asks to recover them all.
GATHER_SECS = 0.05
_BROKEN = "The conductor failed at it; see its log."


class Watch:
    """Carries out decisions for all applications.

    Args:
        registry: all executors.
        recorder: writes what becomes of them.
        dispatch: reaches them.
        audit_log: where recoveries are recorded.
        changes: whom to tell.
        clock: the clocks.
        tasks: where recoveries run.
    """

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        dispatch: Dispatch,
        audit_log: AuditLog,
        changes: Changes,
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self._registry = registry
        self._recorder = recorder
        self._audit_log = audit_log
        self._changes = changes
        self._clock = clock
        self._tasks = tasks
        self._desk = RecoveryDesk(dispatch, clock, self.carry_out, self._record)

    async def run(self) -> None:
        """Watch for as long as the conductor runs."""
        while True:
            now = self._clock.monotonic()
            wait_secs = TICK_SECS
            for fleet in self._registry:
                self.carry_out(fleet, fleet.liveness.tick(now))
                due = fleet.liveness.next_due()
                if due is not None:
                    wait_secs = min(wait_secs, max(0.0, due - now) + GATHER_SECS)
            # Never zero: what is due may wait for an answer, and others want their turn.
            await asyncio.sleep(wait_secs)

    def carry_out(self, fleet: ApplicationFleet, decisions: Sequence[Decision]) -> None:
        """Do what liveness decided; what takes time goes on in the background."""
        for decision in decisions:
            match decision:
                case MarkDisconnected(keys):
                    self._mark(fleet, keys, Status.DISCONNECTED)
                case MarkDead(keys):
                    self._mark(fleet, keys, Status.DEAD)
                    logger.warning(
                        "%s of %s %s dead.",
                        plural(len(keys), "executor"),
                        fleet.record.name,
                        noun(len(keys), "is", "are"),
                    )
                case Recover():
                    self._tasks.spawn(self._recover(fleet, decision), "recovery")
                case AskPending():
                    self._tasks.spawn(self._ask_pending(fleet, decision), "recovery check")
                case Forget(key):
                    self._forget(fleet, key)
        if decisions:
            self.announce(fleet)

    def set_status(self, executor: Executor, status: Status) -> None:
        """Change an executor's status from now on."""
        executor.record = msgspec.structs.replace(
            executor.record, status=status.value, updated_at=self._clock.now(), last_seen_at=executor.seen_at
        )
        self._recorder.save(executor.record)

    def announce(self, fleet: ApplicationFleet) -> None:
        """Tell whoever looks at this application that it has changed."""
        self._changes.publish(APPLICATIONS, application_topic(fleet.record.id))

    def forget_application(self, application_id: str) -> None:
        """Drop what is remembered of an application that was deleted."""
        self._recorder.drop_application(application_id)
        self._desk.forget_application(application_id)

    async def _recover(self, fleet: ApplicationFleet, decision: Recover) -> None:
        try:
            await self._desk.recover(fleet, decision)
        except Exception:
            # Whatever broke, the dead must not be left as if somebody were busy with them.
            now = self._clock.monotonic()
            self.carry_out(fleet, fleet.liveness.refused(decision.cases, now, _BROKEN))
            raise

    async def _ask_pending(self, fleet: ApplicationFleet, decision: AskPending) -> None:
        try:
            await self._desk.ask_pending(fleet, decision.case)
        except Exception:
            now = self._clock.monotonic()
            self.carry_out(fleet, fleet.liveness.unanswered(decision.case, now, _BROKEN))
            raise
        self.announce(fleet)

    def _mark(self, fleet: ApplicationFleet, keys: Sequence[ExecutorKey], status: Status) -> None:
        for key in keys:
            executor = fleet.executors.get(key)
            if executor is not None:
                self.set_status(executor, status)

    def _forget(self, fleet: ApplicationFleet, key: ExecutorKey) -> None:
        executor = fleet.executors.pop(key, None)
        if executor is not None:
            logger.info(
                "Executor %s of %s is forgotten: nothing is pending.", key.executor_id, fleet.record.name
            )
            self._recorder.delete(executor.record)

    async def _record(self, outcome: RecoveryOutcome) -> None:
        outcome.application.recoveries += 1
        self.announce(outcome.application)
        if outcome.error is not None and outcome.attempts & (outcome.attempts - 1):
            # A recovery that fails for days shall not fill the log: attempts 1, 2, 4, 8 … are enough.
            return
        application = outcome.application.record
        entry = NewAuditEntry(
            organization_id=application.organization_id,
            emitted_at=self._clock.now(),
            operation="executor.recovery",
            status="success" if outcome.error is None else "failure",
            subject_type="system",
            subject_id="conductor",
            subject_display="conductor",
            target_type="application",
            target_id=application.name,
            details=outcome_details(outcome),
        )
        try:
            await self._audit_log.append([entry])
        except StoreError as error:
            logger.error("A recovery could not be written to the audit log: %s", error)
        self._changes.publish(AUDIT, application_topic(application.id))
