"""What every operation works with, and the one place that writes the audit log."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol, TypeVar

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.authenticate import key_actor
from conductor_lite.auth.keys import KeyVerifier
from conductor_lite.begun import beside, note_change
from conductor_lite.config import Settings
from conductor_lite.errors import (
    ConductorError,
    ExecutorReportedError,
    NotFoundError,
    StandingLostError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.changes import AUDIT, Changes
from conductor_lite.fleet.connection import BeforeSending
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.measurer import Measurer
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.notify import Notifier
from conductor_lite.operations.deadline import remaining_secs
from conductor_lite.operations.remembered import Remembered
from conductor_lite.operations.sharing import READS, SharedAnswers, once
from conductor_lite.protocol import Reply, Request, RetentionBody
from conductor_lite.store.alerting_rules import AlertingRules as AlertingRuleStore
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications as ApplicationStore
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.idempotency_keys import IdempotencyKeys
from conductor_lite.store.keys import ApiKeys as ApiKeyStore
from conductor_lite.store.metric_reading import MetricReading
from conductor_lite.store.notification_targets import NotificationTargets as NotificationTargetStore
from conductor_lite.store.organizations import Organizations
from conductor_lite.store.records import ApplicationRecord, NewAuditEntry
from conductor_lite.store.retention import RetentionRunRecord, RetentionRuns
from conductor_lite.store.roles import Roles as RoleStore
from conductor_lite.store.snapshot_counts import SnapshotCounts
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots as SnapshotStore
from conductor_lite.telemetry import ConductorReport

R = TypeVar("R", bound=Reply)

_WITHHELD = (
    "The executor reported an error. Its text may quote payloads, which are not shown in private mode; "
    "it stands in the application's own log."
)


class RetentionRunner(Protocol):
    """What clears old workflows away, by itself and when it is asked to."""

    async def run(self, application: ApplicationRecord) -> RetentionRunRecord:
        """Clear one application now; see ``RetentionPolicy.run`` for what is raised."""

    def told_now(self, application: ApplicationRecord) -> RetentionBody:
        """What an executor would be told by a run that began now."""


class Context:
    """The parts that operations share. Built once by the composition root."""

    def __init__(
        self,
        *,
        settings: Settings,
        applications: ApplicationStore,
        keys: ApiKeyStore,
        organizations: Organizations,
        roles: RoleStore,
        alerting_rules: AlertingRuleStore,
        autoscaling_policies: AutoscalingPolicies,
        alerts: Alerts,
        notification_targets: NotificationTargetStore,
        notifier: Notifier,
        retention_runs: RetentionRuns,
        retention: RetentionRunner,
        audit_log: AuditLog,
        idempotency_keys: IdempotencyKeys,
        snapshots: SnapshotStore,
        snapshot_search: SnapshotSearch,
        snapshot_counts: SnapshotCounts,
        remembered: Remembered,
        fleet: Fleet,
        metric_reading: MetricReading,
        measurer: Measurer,
        recommender: Recommender,
        report: Callable[[], ConductorReport],
        verifier: KeyVerifier,
        changes: Changes,
        now: Callable[[], datetime],
        trusted_now: Callable[[], datetime],
    ) -> None:
        self.settings = settings
        self.applications = applications
        self.keys = keys
        self.organizations = organizations
        self.roles = roles
        self.alerting_rules = alerting_rules
        self.autoscaling_policies = autoscaling_policies
        self.alerts = alerts
        self.notification_targets = notification_targets
        self.notifier = notifier
        self.retention_runs = retention_runs
        self.retention = retention
        self.audit_log = audit_log
        self.idempotency_keys = idempotency_keys
        self.snapshots = snapshots
        self.snapshot_search = snapshot_search
        self.snapshot_counts = snapshot_counts
        self.remembered = remembered
        self.fleet = fleet
        self.metric_reading = metric_reading
        self.measurer = measurer
        self.recommender = recommender
        self.report = report
        self.verifier = verifier
        self.changes = changes
        self.now = now
        #: For those who forget what is old: a calendar that jumps ahead is not believed at once.
        self.trusted_now = trusted_now
        self._shared = SharedAnswers()

    async def application(self, actor: Actor, name: str) -> ApplicationRecord:
        """Find an application that the actor may see.

        Raises:
            NotFoundError: there is none of that name, or it is outside the actor's reach.
        """
        record = await once(
            ("application", actor.organization_id, name),
            lambda: self.applications.get(actor.organization_id, name),
        )
        if record is None or not actor.sees(record.id):
            raise NotFoundError(f"There is no application {name!r}; register it, or check the spelling.")
        return record

    async def require_standing(self, actor: Actor, permission: str, application: ApplicationRecord) -> None:
        """Check, in the midst of something long, that whoever began it may go on with it.

        Raises:
            StandingLostError: the key was revoked meanwhile, or may not do this any more.
            NotFoundError: that very application was deleted; another of its name is not meant.
        """
        if actor.subject_type == "api_key":
            key = await self.keys.by_id(actor.subject_id)
            if key is None:
                raise StandingLostError(
                    f"Stopped: the API key that started it, {actor.display}, was revoked meanwhile."
                )
            if permission not in key.permissions or not key_actor(key, None).sees(application.id):
                raise StandingLostError(
                    f"Stopped: the API key that started it, {actor.display}, may not do this any more."
                )
        if await self.applications.by_id(application.id) is None:
            raise NotFoundError(f"Stopped: the application {application.name} was deleted meanwhile.")

    async def ask(
        self,
        application: ApplicationRecord,
        request: Request[R],
        *,
        application_version: str | None = None,
        before_sending: BeforeSending | None = None,
    ) -> R:
        """Ask one of an application's executors; see ``Fleet.ask`` for what is raised.

        Gives up when the caller does, as ``deadline`` says, and shares answers as ``sharing`` does.
        What an executor reports of a private application is not passed on: it may quote a payload.
        """

        async def about_to_send() -> None:
            if before_sending is not None:
                await before_sending()
            if not isinstance(request, READS):
                note_change()

        try:
            return await self._shared.ask(
                application.id,
                request,
                lambda: self.fleet.ask(
                    application.id,
                    request,
                    application_version=application_version,
                    deadline_secs=remaining_secs(),
                    before_sending=about_to_send,
                ),
            )
        except UnsupportedMessageError:
            raise
        except ExecutorReportedError:
            if not application.private_mode:
                raise
            raise ExecutorReportedError(_WITHHELD, _WITHHELD) from None

    def remade(self, application_id: str) -> int:
        """Grows when workflows may have been made anew under ids that they had before."""
        return self._shared.remade(application_id)

    @asynccontextmanager
    async def audited(
        self, actor: Actor, operation: str, target_type: str, target_id: str
    ) -> AsyncIterator[dict[str, object]]:
        """Record one mutation, done or refused. The block may add to the details that it is given."""
        details: dict[str, object] = {}
        try:
            yield details
        except Exception as error:
            named = isinstance(error, ConductorError)
            details["error"] = str(error) if named else f"internal error: {type(error).__name__}"
            await self._record(actor, operation, target_type, target_id, "failure", details)
            raise
        await self._record(actor, operation, target_type, target_id, "success", details)

    async def _record(
        self,
        actor: Actor,
        operation: str,
        target_type: str,
        target_id: str,
        status: str,
        details: dict[str, object],
    ) -> None:
        entry = NewAuditEntry(
            organization_id=actor.organization_id,
            emitted_at=self.now(),
            operation=operation,
            status=status,
            subject_type=actor.subject_type,
            subject_id=actor.subject_id,
            subject_display=actor.display,
            target_type=target_type,
            target_id=target_id,
            source_ip=actor.source_ip,
            details=details,
        )
        with beside():
            await self.audit_log.append([entry])
        self.changes.publish(AUDIT)
