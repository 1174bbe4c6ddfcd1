"""Application versions: list them, and say which is the latest."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import ExecutorReportedError, NotFoundError, UnsupportedMessageError
from conductor_lite.operations.context import Context
from conductor_lite.operations.remembered import Recalled
from conductor_lite.protocol import (
    ApplicationVersionRecord,
    ListApplicationVersions,
    SetLatestApplicationVersion,
)
from conductor_lite.store.records import ApplicationRecord

_KIND = "versions"


class Versions:
    """Operations on the versions that an application has registered."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor, application_name: str) -> list[ApplicationVersionRecord]:
        """List versions, the latest first.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        versions = await registered_versions(self._context, application)
        self._context.remembered.keep(application.id, _KIND, versions, self._context.now())
        return versions

    async def recall(self, actor: Actor, application_name: str) -> Recalled[ApplicationVersionRecord]:
        """The same, or as it was last told where no executor answers. Raises as ``list`` does."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._context.remembered.instead(
            application.id, _KIND, list[ApplicationVersionRecord], lambda: self.list(actor, application_name)
        )

    async def set_latest(self, actor: Actor, application_name: str, version_name: str) -> None:
        """Make a version the one that new work goes to.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application or version.
            DispatchError: no executor answered, or it reported an error.
        """
        context = self._context
        operation = "application.set_latest_version"
        async with context.audited(actor, operation, "application", application_name) as details:
            details["version"] = version_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            versions = await registered_versions(context, application)
            if version_name not in {version.version_name for version in versions}:
                raise NotFoundError(f"{application_name} has no version {version_name!r}.")
            reply = await context.ask(application, SetLatestApplicationVersion(version_name=version_name))
            if not reply.success:
                message = "The executor did not change the latest version, and did not say why."
                raise ExecutorReportedError(message, message)


async def latest_version_name(context: Context, application: ApplicationRecord) -> str | None:
    """The latest version's name; None where the SDK knows no versions or has registered none."""
    try:
        versions = await registered_versions(context, application)
    except UnsupportedMessageError:
        return None
    return versions[0].version_name if versions else None


async def registered_versions(
    context: Context, application: ApplicationRecord
) -> list[ApplicationVersionRecord]:
    """Ask an executor for the versions that its application has registered, the latest first.

    Raises:
        UnsupportedMessageError: the application's SDK is too old for it.
        DispatchError: no executor answered.
    """
    versions = (await context.ask(application, ListApplicationVersions())).versions
    return sorted(versions, key=lambda version: version.version_timestamp_epoch_ms or 0, reverse=True)
