"""Watches what alerting rules are about: fires them, and says when it is over. Delivers nothing itself."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

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
from conductor_lite.fleet.views import DEAD, HEALTHY, ExecutorView
from conductor_lite.policies import alert_evaluation as evaluation
from conductor_lite.policies.alert_readings import Readings
from conductor_lite.policies.alert_schedules import ScheduleWatch, missed_run
from conductor_lite.store.alert_records import AlertRecord, AlertText
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import (
    AlertingRuleRecord,
    ApplicationRecord,
    ExecutorLost,
    RecoveryFlapping,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)

logger = logging.getLogger("conductor_lite.policies")

#: Applications looked at side by side, so that one that is slow to answer does not hold up the others.
CONCURRENT_APPLICATIONS = 8
#: An application whose answers took a while is left alone for that many times as long.
BREATHER = 10
#: Executors that were lost and forgotten, remembered per application.
MAX_LOST = 1_000
_RECOVERY_OPERATION = "executor.recovery"
_EVERY = "*"


class _Watched:
    """What is remembered of one application between rounds."""

    def __init__(self, started: float) -> None:
        # When the conductor began to look, by the monotonic clock.
        self.started = started
        # Since when no executor has answered, likewise; None while one does.
        self.unavailable_since: float | None = None
        # When its executors may be asked again, likewise.
        self.ask_at = 0.0
        self.known: set[ExecutorKey] = set()
        # Executors that were lost, with the time that was noticed.
        self.lost: dict[ExecutorKey, float] = {}
        self.schedules = ScheduleWatch()
        # What kept its rules from being judged; said once.
        self.trouble: str | None = None
        # The rule that could not be judged last: the next look begins after it, so that it keeps none other
        # from being judged for ever.
        self.failed_rule_id: str | None = None

    def look(self, executors: Sequence[ExecutorView], now: float) -> None:
        """Take over who is here."""
        if any(executor.status == HEALTHY and executor.responsive for executor in executors):
            self.unavailable_since = None
        elif self.unavailable_since is None:
            self.unavailable_since = now
        present = {ExecutorKey(view.executor_id, view.application_version): view for view in executors}
        dead = {key for key, view in present.items() if view.status == DEAD}
        # Only the dead are ever forgotten, so whoever is gone has died and been dealt with since.
        for key in dead | (self.known - present.keys()):
            if key in dead or key not in self.lost:
                self.lost[key] = now
        for key in list(self.lost):
            if (key in present and key not in dead) or len(self.lost) > MAX_LOST:
                del self.lost[key]
        self.known = set(present)

    def lost_within(self, period_secs: float, now: float) -> set[str]:
        """Who was lost lately, by executor id."""
        return {key.executor_id for key, since in self.lost.items() if now - since <= period_secs}


class AlertWatch:
    """Judges every rule every few seconds, by one executor's answers and the fleet's state.

    Args:
        fleet: asks, and knows who is here.
        applications: the table of applications.
        rules: the table of rules.
        alerts: the history and the outbox.
        audit_log: tells how often executors were recovered.
        changes: whom to tell.
        clock: the clocks.
        wake: called when there is something to deliver.
    """

    name = "alerts"
    interval_secs = 15.0

    def __init__(
        self,
        fleet: Fleet,
        applications: Applications,
        rules: AlertingRules,
        alerts: Alerts,
        audit_log: AuditLog,
        changes: Changes,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._fleet = fleet
        self._applications = applications
        self._rules = rules
        self._alerts = alerts
        self._audit_log = audit_log
        self._changes = changes
        self._clock = clock
        self._wake = wake
        self._started = clock.monotonic()
        self._watched: dict[str, _Watched] = {}

    async def round(self) -> None:
        """Judge every rule once.

        Raises:
            StoreError: the database refused; what was written before that stays.
        """
        by_application: dict[str, list[AlertingRuleRecord]] = {}
        for rule in await self._rules.all():
            by_application.setdefault(rule.application_id, []).append(rule)
        applications = {record.id: record for record in await self._applications.all()}
        open_alerts = await self._alerts.open_rules()
        if open_alerts.keys() - {rule.id for rules in by_application.values() for rule in rules}:
            await self._alerts.close_without_rules(self._clock.now())
        self._watched = {id_: self._watched.get(id_) or _Watched(self._started) for id_ in by_application}
        turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def judge(application_id: str, rules: Sequence[AlertingRuleRecord]) -> None:
            async with turns:
                look = _Look(self, applications, applications[application_id], self._watched[application_id])
                await look.judge(rules, open_alerts)

        judged = [judge(id_, rules) for id_, rules in by_application.items() if id_ in applications]
        # What goes wrong with one application keeps nobody from judging the others.
        for result in await asyncio.gather(*judged, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result


class _Look:
    """One round's look at one application."""

    def __init__(
        self,
        policy: AlertWatch,
        applications: dict[str, ApplicationRecord],
        application: ApplicationRecord,
        watched: _Watched,
    ) -> None:
        self._policy = policy
        self._applications = applications
        self._application = application
        self._watched = watched
        self._now = policy._clock.now()
        self._monotonic = policy._clock.monotonic()
        self._readings = Readings(policy._fleet, application, self._now)
        # After a start of the conductor, executors get their time to come back.
        patience_secs = max(2 * policy.interval_secs, application.executor_timeout_secs)
        self._returning = self._monotonic - watched.started < patience_secs

    async def judge(self, rules: Sequence[AlertingRuleRecord], open_alerts: dict[str, AlertRecord]) -> None:
        """Judge the application's rules."""
        executors = self._policy._fleet.executors(self._application.id)
        self._watched.look(executors, self._monotonic)
        # Whether its executors are to be left alone for the rest of the round.
        silent = self._monotonic < self._watched.ask_at
        begun = self._policy._clock.monotonic()
        for rule in self._in_turn(rules):
            metadata, open_alert = rule.rule_metadata, open_alerts.get(rule.id)
            if isinstance(metadata, WorkflowFailure | SlowQueue | SlowWorkflow | ScheduleMissed):
                if silent:
                    continue
                try:
                    found = await self._ask(metadata, open_alert)
                except (DispatchError, NotFoundError) as error:
                    silent = not self._can_go_on(error)
                    self._watched.failed_rule_id = rule.id
                    continue
            else:
                found = await self._of_fleet(metadata, executors)
                if found is None and self._returning:
                    # Too early to say that anything is over.
                    continue
            await self._conclude(rule, found, open_alert)
        took_secs = self._policy._clock.monotonic() - begun
        if took_secs > 1:
            self._watched.ask_at = self._policy._clock.monotonic() + BREATHER * took_secs
        elif not silent:
            self._watched.trouble = None

    def _in_turn(self, rules: Sequence[AlertingRuleRecord]) -> list[AlertingRuleRecord]:
        ids = [rule.id for rule in rules]
        failed = self._watched.failed_rule_id
        first = ids.index(failed) + 1 if failed in ids else 0
        return [*rules[first:], *rules[:first]]

    def _can_go_on(self, error: Exception) -> bool:
        """Note why a rule could not be judged; whether the application may be asked something else."""
        if isinstance(error, NoHealthyExecutorError | NotFoundError):
            # The fleet shows that already.
            return False
        if str(error) != self._watched.trouble:
            self._watched.trouble = str(error)
            logger.warning("Alerting rules of %s could not all be judged: %s", self._application.name, error)
        return isinstance(error, UnsupportedMessageError)

    async def _ask(
        self,
        rule: WorkflowFailure | SlowQueue | SlowWorkflow | ScheduleMissed,
        open_alert: AlertRecord | None,
    ) -> AlertText | None:
        match rule:
            case WorkflowFailure():
                return evaluation.workflow_failure(rule, await self._readings.failed_count(rule))
            case SlowQueue():
                return evaluation.slow_queue(rule, await self._readings.waiting(rule))
            case SlowWorkflow():
                return evaluation.slow_workflow(rule, await self._readings.slow_count(rule))
            case ScheduleMissed():
                told = {} if open_alert is None else open_alert.alert_metadata
                active = self._watched.schedules.look(await self._readings.schedules(), self._now, told)
                runs = [
                    missed_run(schedule, since, rule.grace_secs, self._now)
                    for schedule, since in active.values()
                    if rule.schedule_name in (_EVERY, schedule.schedule_name)
                ]
                return evaluation.schedule_missed(rule, [run for run in runs if run is not None])

    async def _of_fleet(
        self,
        rule: UnresponsiveApplication | StrandedVersion | RecoveryFlapping | ExecutorLost,
        executors: Sequence[ExecutorView],
    ) -> AlertText | None:
        name, watched = self._application.name, self._watched
        match rule:
            case UnresponsiveApplication():
                since = watched.unavailable_since
                away_secs = 0.0 if since is None or self._returning else self._monotonic - since
                return evaluation.unresponsive_application(rule, name, executors, away_secs)
            case StrandedVersion():
                versions = self._policy._fleet.versions(self._application.id)
                return evaluation.stranded_version(rule, name, versions)
            case RecoveryFlapping():
                count = await self._policy._audit_log.count(
                    self._application.organization_id,
                    start=self._now - timedelta(seconds=rule.period_secs),
                    end=self._now + timedelta(seconds=1),
                    operation=_RECOVERY_OPERATION,
                    status="success",
                    target=name,
                )
                return evaluation.recovery_flapping(rule, name, count)
            case ExecutorLost():
                return evaluation.executor_lost(rule, name, await self._lost(rule, executors))

    async def _lost(self, rule: ExecutorLost, executors: Sequence[ExecutorView]) -> list[str]:
        lost = self._watched.lost_within(rule.period_secs, self._monotonic)
        if self._monotonic - self._watched.started < rule.period_secs:
            # Of those who were recovered before the conductor was started only the audit log knows.
            recoveries = await self._policy._audit_log.list(
                self._application.organization_id,
                start=self._now - timedelta(seconds=rule.period_secs),
                end=self._now + timedelta(seconds=1),
                operation=_RECOVERY_OPERATION,
                target=self._application.name,
                limit=MAX_LOST,
            )
            recovered: set[str] = set()
            for entry in recoveries:
                recovered.update(msgspec.convert((entry.details or {}).get("executor_ids", []), list[str]))
            lost |= recovered - {view.executor_id for view in executors if view.status != DEAD}
        return sorted(lost)

    async def _conclude(
        self, rule: AlertingRuleRecord, found: AlertText | None, open_alert: AlertRecord | None
    ) -> None:
        policy = self._policy
        if found is not None:
            if not evaluation.may_fire(rule.last_fired_at, rule.min_interval_secs, self._now):
                return
            receiver = self._applications.get(rule.receiving_application_id)
            if receiver is None or not await policy._alerts.fire(
                rule, found, receiving_application_name=receiver.name, now=self._now
            ):
                return
            logger.warning("%s of %s fired: %s", rule.rule_type, self._application.name, found.message)
        elif open_alert is not None:
            text = evaluation.resolved(
                rule.rule_type, open_alert.message, open_alert.alert_metadata, self._now
            )
            await policy._alerts.resolve(rule.id, text, self._now)
            logger.info("%s of %s is over.", rule.rule_type, self._application.name)
        else:
            return
        policy._changes.publish(APPLICATIONS, application_topic(self._application.id))
        policy._wake()
