"""The overview: what needs a person now, and how every application is doing. No executor is asked."""

from collections.abc import Iterable

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, METRIC_READ, ORGANIZATION_READ
from conductor_lite.fleet.views import ExecutorView, VersionView
from conductor_lite.operations.activity import Activities, Activity
from conductor_lite.operations.applications import Application, Applications
from conductor_lite.operations.attention import Attention, of_application, of_policies, worst_first
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.context import Context
from conductor_lite.store.alert_records import AlertRecord

__all__ = ["RECOVERY_OPERATION", "Activity", "ApplicationOverview", "Attention", "Overview", "Overviews"]

RECOVERY_OPERATION = "executor.recovery"
_RECENT_RECOVERIES = 20
#: Seconds that a look waits for what happened lately when nothing was read before, as after a restart.
PATIENCE_SECS = 0.2


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the home page shows."""

    #: The worst first.
    attention: tuple[Attention, ...]
    applications: tuple[Application, ...]
    #: What happened lately, by application's name; empty for those who may not see it.
    activity: dict[str, Activity] = {}
    #: Whether that is still being counted: it is not there yet, nor is what needs attention because of it.
    counting: bool = False


class ApplicationOverview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an application's page shows."""

    application: Application
    attention: tuple[Attention, ...]
    executors: tuple[ExecutorView, ...]
    versions: tuple[VersionView, ...]
    #: Audit entries of its recoveries, newest first.
    recoveries: tuple[AuditEntry, ...]
    #: What happened lately; None for those who may not see it.
    activity: Activity | None = None
    #: As in `Overview`.
    counting: bool = False


class Overviews:
    """Reads that gather what a page needs in one go."""

    def __init__(self, context: Context, applications: Applications) -> None:
        self._context = context
        self._applications = applications
        self._activities = Activities(context)

    async def home(self, actor: Actor) -> Overview:
        """Gather all applications within reach and what is wrong with them.

        Raises:
            ForbiddenError: application.read is missing.
        """
        applications = await self._applications.list(actor)
        found = await self._activity(actor, applications)
        activity = found or {}
        alerts = await self._alerts()
        items = [
            item
            for application in applications
            for item in self._attention(application, activity, alerts.get(application.record.id, []))
        ]
        if actor.application_ids is None and ORGANIZATION_READ in actor.permissions:
            items += of_policies(self._context.report().policies)
        return Overview(
            attention=tuple(worst_first(items)),
            applications=tuple(applications),
            activity={
                application.record.name: activity[application.record.id]
                for application in applications
                if application.record.id in activity
            },
            counting=found is None,
        )

    async def application(self, actor: Actor, name: str) -> ApplicationOverview:
        """Gather one application, its executors, versions and latest recoveries.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._applications.get(actor, name)
        recoveries = await self._context.audit_log.list(
            actor.organization_id,
            start=None,
            end=None,
            operation=RECOVERY_OPERATION,
            subject=None,
            target=name,
            limit=_RECENT_RECOVERIES,
            offset=0,
        )
        found = await self._activity(actor, [application])
        activity = found or {}
        alerts = (await self._alerts()).get(application.record.id, [])
        return ApplicationOverview(
            application=application,
            attention=tuple(worst_first(self._attention(application, activity, alerts))),
            executors=tuple(self._context.fleet.executors(application.record.id)),
            versions=application.versions,
            recoveries=tuple(recoveries),
            activity=activity.get(application.record.id),
            counting=found is None,
        )

    async def _activity(
        self, actor: Actor, applications: Iterable[Application]
    ) -> dict[str, Activity] | None:
        if METRIC_READ not in actor.permissions:
            return {}
        return await self._activities.of((each.record.id for each in applications), PATIENCE_SECS)

    async def _alerts(self) -> dict[str, list[AlertRecord]]:
        """The firings that are not over, by application."""
        firing: dict[str, list[AlertRecord]] = {}
        for alert in (await self._context.alerts.open_rules()).values():
            firing.setdefault(alert.application_id, []).append(alert)
        return firing

    def _attention(
        self, application: Application, activity: dict[str, Activity], alerts: list[AlertRecord]
    ) -> Iterable[Attention]:
        id_ = application.record.id
        return of_application(
            application,
            self._context.fleet.executors(id_),
            self._context.fleet.unknown.of(id_),
            activity.get(id_),
            alerts,
            self._context.now(),
        )
