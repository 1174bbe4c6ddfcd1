"""The overview: what needs a person now, application by application."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.fleet.views import DEAD, DISCONNECTED, HEALTHY, ExecutorView, VersionView
from conductor_lite.operations.applications import Application, Applications
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.context import Context

RECOVERY_OPERATION = "executor.recovery"
_RECENT_RECOVERIES = 20
_RETRIES_BEFORE_ATTENTION = 3


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs a person."""

    #: ``stranded_version``, ``unresponsive_executor``, ``application_unavailable``, ``recovery_failing`` or
    #: ``unknown_executor``.
    kind: str
    application_name: str
    #: One line: what is wrong.
    title: str
    #: One or two sentences: what it means and what to do.
    advice: str
    #: Since when, as far as is known.
    since: datetime | None = None
    #: The executor that it is about and its version, where one click can help.
    executor_id: str | None = None
    application_version: str | None = None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the home page shows."""

    attention: tuple[Attention, ...]
    applications: tuple[Application, ...]


class ApplicationOverview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an application's page shows."""

    application: Application
    attention: tuple[Attention, ...]
    executors: tuple[ExecutorView, ...]
    versions: tuple[VersionView, ...]
    #: Audit entries of its recoveries, newest first.
    recoveries: tuple[AuditEntry, ...]


class Overviews:
    """Reads that gather what a page needs in one go."""

    def __init__(self, context: Context, applications: Applications) -> None:
        self._context = context
        self._applications = applications

    async def home(self, actor: Actor) -> Overview:
        """Gather all applications within reach and what is wrong with them.

        Raises:
            ForbiddenError: application.read is missing.
        """
        applications = await self._applications.list(actor)
        attention = [item for application in applications for item in self._attention(application)]
        return Overview(attention=tuple(attention), applications=tuple(applications))

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
        return ApplicationOverview(
            application=application,
            attention=tuple(self._attention(application)),
            executors=tuple(self._context.fleet.executors(application.record.id)),
            versions=application.versions,
            recoveries=tuple(recoveries),
        )

    def _attention(self, application: Application) -> Iterator[Attention]:
        name = application.record.name
        executors = self._context.fleet.executors(application.record.id)
        for version in application.versions:
            if version.stranded_since is not None:
                yield Attention(
                    kind="stranded_version",
                    application_name=name,
                    title=f"Version {version.application_version} is stranded",
                    advice=(
                        f"{version.dead} dead executor(s) left workflows of version "
                        f"{version.application_version}, and nothing that runs it is connected. Start one "
                        "process of that version: its workflows are recovered the moment it connects."
                    ),
                    since=version.stranded_since,
                )
        for unknown in self._context.fleet.unknown.of(application.record.id):
            yield Attention(
                kind="unknown_executor",
                application_name=name,
                title=f"{unknown.pending_count} workflow(s) wait for an executor that nobody knows",
                advice=(
                    f"Executor {unknown.executor_id} of version {unknown.application_version} is not on "
                    "record here: it died while this server was away, or runs without an API key. If no such "
                    "process runs any more, recover its workflows."
                ),
                since=unknown.first_seen_at,
                executor_id=unknown.executor_id,
                application_version=unknown.application_version,
            )
        missing = [executor for executor in executors if executor.status in (DISCONNECTED, DEAD)]
        if missing and not application.available:
            yield Attention(
                kind="application_unavailable",
                application_name=name,
                title="No executor is connected",
                advice="Its workflows stand still, and what is left cannot be recovered, until one returns.",
                since=max(executor.updated_at for executor in missing),
            )
        for executor in executors:
            if executor.status == HEALTHY and not executor.responsive:
                yield Attention(
                    kind="unresponsive_executor",
                    application_name=name,
                    title=f"Executor {executor.executor_id} does not answer",
                    advice="It is connected but answers no requests: look at its process and its database.",
                    since=executor.last_seen_at,
                )
            recovery = executor.recovery
            if recovery is not None and recovery.attempts >= _RETRIES_BEFORE_ATTENTION:
                yield Attention(
                    kind="recovery_failing",
                    application_name=name,
                    title=f"Recovery of {executor.executor_id} has not succeeded yet",
                    advice=recovery.error or "Its workflows are still pending after several recoveries.",
                    since=recovery.dead_since,
                )
