"""Carries out what liveness decides about the dead: asks executors, reports back, times each recovery."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import ConductorError
from conductor_lite.fleet.dispatch import Dispatch, raise_reported
from conductor_lite.fleet.liveness import AskPending, Case, Decision, ExecutorKey, Forget, Recover
from conductor_lite.fleet.registry import ApplicationFleet
from conductor_lite.protocol import ExistPendingWorkflows, Recovery, RecoveryReply
from conductor_lite.wording import plural

logger = logging.getLogger("conductor_lite.fleet")

#: Questions about dead executors that one application is asked at the same time.
CONCURRENT_QUESTIONS = 8


class RecoveryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one recovery message turned out."""

    application: ApplicationFleet
    application_version: str
    executor_ids: tuple[str, ...]
    #: Those of which an executor said afterwards that nothing is pending.
    confirmed: tuple[str, ...] = ()
    #: The executor that was asked to recover; None when nobody answered.
    recovered_by: str | None = None
    #: Seconds from losing the first of them to declaring the last one dead.
    detection_secs: float
    #: Seconds from declaring the first one dead until the last answer.
    recovery_secs: float
    #: Most recovery messages that any of them has needed so far.
    attempts: int
    error: str | None = None


class RecoveryDesk:
    """Does the asking for all applications.

    Args:
        dispatch: reaches the executors.
        clock: measures how long it took.
        decide: carries on with decisions that follow from an answer.
        report: takes the outcome of each recovery message.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        clock: Clock,
        decide: Callable[[ApplicationFleet, Sequence[Decision]], None],
        report: Callable[[RecoveryOutcome], Awaitable[None]],
    ) -> None:
        self._dispatch = dispatch
        self._clock = clock
        self._decide = decide
        self._report = report
        # Executors that failed at a recovery lately, by application: asked last until one succeeds.
        self._rather_not: dict[str, set[str]] = {}
        # Bounds the questions per application.
        self._turns: dict[str, asyncio.Semaphore] = {}

    def forget_application(self, application_id: str) -> None:
        """Drop what is remembered of an application that was deleted."""
        self._rather_not.pop(application_id, None)
        self._turns.pop(application_id, None)

    async def recover(self, fleet: ApplicationFleet, decision: Recover) -> None:
        """Send ``recovery`` and ask afterwards, executor by executor, whether it worked."""
        timing = _Timing(fleet, decision.cases)
        executor_ids = tuple(case.key.executor_id for case in decision.cases)
        recovered_by: str | None = None
        confirmed: tuple[str, ...] = ()
        error: str | None = None
        try:
            recovered_by = await self._ask_recovery(fleet, decision.application_version, executor_ids)
        except ConductorError as failure:
            error = str(failure)
            logger.warning(
                "Recovery of %s of %s failed: %s",
                plural(len(executor_ids), "executor"),
                fleet.record.name,
                error,
            )
            self._decide(fleet, fleet.liveness.refused(decision.cases, self._clock.monotonic(), error))
        else:
            questions = fleet.liveness.recovered(decision.cases, self._clock.monotonic())
            asked = [question.case for question in questions if isinstance(question, AskPending)]
            answers = await asyncio.gather(*(self.ask_pending(fleet, case, recovered_by) for case in asked))
            confirmed = tuple(case.key.executor_id for case, done in zip(asked, answers, strict=True) if done)
            if len(confirmed) < len(asked):
                error = "Some workflows are still pending, or nobody could tell; it will be repeated."
        await self._report(
            RecoveryOutcome(
                application=fleet,
                application_version=decision.application_version,
                executor_ids=executor_ids,
                confirmed=confirmed,
                recovered_by=recovered_by,
                detection_secs=timing.detection_secs,
                recovery_secs=self._clock.monotonic() - timing.dead_at,
                attempts=timing.attempts,
                error=error,
            )
        )

    async def ask_pending(self, fleet: ApplicationFleet, case: Case, recovered_by: str | None = None) -> bool:
        """Ask whether a dead executor's workflows are pending; returns whether it could be forgotten.

        Args:
            fleet: the application's executors.
            case: the dead executor.
            recovered_by: who has just said that it recovered it.
        """
        turns = self._turns.setdefault(fleet.record.id, asyncio.Semaphore(CONCURRENT_QUESTIONS))
        try:
            async with turns:
                exist = await self._ask_exist(fleet, case.key)
        except ConductorError as failure:
            now = self._clock.monotonic()
            self._decide(fleet, fleet.liveness.unanswered(case, now, str(failure)))
            return False
        if exist and recovered_by is not None:
            # It says that it succeeded and has left work behind, as one whose database fails half-way does.
            self._avoid(fleet, recovered_by)
        decisions = fleet.liveness.answered(case, self._clock.monotonic(), exist=exist)
        self._decide(fleet, decisions)
        return Forget(case.key) in decisions

    async def _ask_recovery(
        self, fleet: ApplicationFleet, version: str, executor_ids: tuple[str, ...]
    ) -> str:
        rather_not = self._rather_not.setdefault(fleet.record.id, set())
        reply, executor = await self._dispatch.ask(
            fleet,
            Recovery(executor_ids=list(executor_ids)),
            application_version=version,
            rather_not=rather_not,
        )
        executor_id = executor.record.executor_id
        try:
            _require_success(reply)
        except ConductorError:
            self._avoid(fleet, executor_id)
            raise
        rather_not.discard(executor_id)
        return executor_id

    async def _ask_exist(self, fleet: ApplicationFleet, key: ExecutorKey) -> bool:
        question = ExistPendingWorkflows(
            executor_id=key.executor_id, application_version=key.application_version
        )
        rather_not = self._rather_not.setdefault(fleet.record.id, set())
        reply, executor = await self._dispatch.ask(fleet, question, rather_not=rather_not)
        try:
            # An executor whose database failed says ``exist: false`` beside its error, which means nothing.
            raise_reported(reply)
        except ConductorError:
            self._avoid(fleet, executor.record.executor_id)
            raise
        return reply.exist

    def _avoid(self, fleet: ApplicationFleet, executor_id: str) -> None:
        """Another one goes first next time; when all have failed, all are equal again."""
        rather_not = self._rather_not.setdefault(fleet.record.id, set())
        rather_not.add(executor_id)
        if rather_not >= set(fleet.connected):
            rather_not.clear()


class _Timing:
    """The clock readings of the dead when a recovery begins: they are gone from liveness when it ends."""

    def __init__(self, fleet: ApplicationFleet, cases: Sequence[Case]) -> None:
        members = [member for case in cases if (member := fleet.liveness.get(case.key)) is not None]
        self.dead_at = min(member.since for member in members)
        self.detection_secs = max(member.since for member in members) - min(
            member.lost_at for member in members
        )
        self.attempts = max(member.attempts for member in members)


def _require_success(reply: RecoveryReply) -> None:
    raise_reported(reply)
    if not reply.success:
        raise ConductorError("The executor refused the recovery without saying why.")


def outcome_details(outcome: RecoveryOutcome) -> dict[str, object]:
    """What the audit log keeps of a recovery."""
    details: dict[str, object] = {
        "executor_ids": list(outcome.executor_ids),
        "application_version": outcome.application_version,
        "recovered_by": outcome.recovered_by,
        "confirmed": list(outcome.confirmed),
        "detection_secs": round(outcome.detection_secs, 3),
        "recovery_secs": round(outcome.recovery_secs, 3),
        "attempts": outcome.attempts,
    }
    if outcome.error is not None:
        details["error"] = outcome.error
    return details
