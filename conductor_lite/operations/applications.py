"""Applications: list, get, register, update, delete."""

import re
from collections.abc import Mapping

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.fleet.changes import APPLICATIONS, application_topic
from conductor_lite.fleet.views import HEALTHY, VersionView
from conductor_lite.operations.context import Context
from conductor_lite.operations.sharing import once
from conductor_lite.store.records import ApplicationRecord

NAME_PATTERN = re.compile(r"[a-z0-9_-]{3,256}")
NAME_RULE = "3 to 256 characters of a-z, 0-9, - and _"

MAX_EXECUTOR_TIMEOUT_SECS = 86_400
_MAX_INT64 = 2**63 - 1


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application with its settings and how it is doing."""

    record: ApplicationRecord
    #: True when at least one executor is connected.
    available: bool
    #: Counts of its executors by version, newest first.
    versions: tuple[VersionView, ...]


class ApplicationChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Settings to change; those left unset stay as they are."""

    executor_timeout_secs: int | msgspec.UnsetType = msgspec.UNSET
    private_mode: bool | msgspec.UnsetType = msgspec.UNSET
    gc_time_threshold_ms: int | msgspec.UnsetType | None = msgspec.UNSET
    gc_rows_threshold: int | msgspec.UnsetType | None = msgspec.UNSET
    global_timeout_ms: int | msgspec.UnsetType | None = msgspec.UNSET
    recover_unknown_executors: bool | msgspec.UnsetType = msgspec.UNSET
    snapshots_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    snapshot_interval_secs: int | msgspec.UnsetType = msgspec.UNSET
    snapshot_keep_days: int | msgspec.UnsetType = msgspec.UNSET
    snapshot_keep_rows: int | msgspec.UnsetType = msgspec.UNSET


class Applications:
    """Operations on applications."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor) -> list[Application]:
        """List the applications that the actor may see, by name.

        Raises:
            ForbiddenError: application.read is missing.
        """
        actor.require(APPLICATION_READ)
        organization_id = actor.organization_id
        records = await once(
            ("applications", organization_id), lambda: self._context.applications.list(organization_id)
        )
        return [self._describe(record) for record in records if actor.sees(record.id)]

    async def get(self, actor: Actor, name: str) -> Application:
        """Get one application.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        return self._describe(await self._context.application(actor, name))

    async def register(self, actor: Actor, name: str, *, private_mode: bool | None = None) -> Application:
        """Register an application, or change its privacy if it is there already.

        Raises:
            ForbiddenError: application.write is missing, or the actor is limited to other applications.
            InvalidError: the name is not allowed.
        """
        context = self._context
        async with context.audited(actor, "application.create", "application", name) as details:
            actor.require(APPLICATION_WRITE)
            require_valid_name(name)
            await self.require_may_register(actor, name)
            record, created = await context.applications.register(
                actor.organization_id,
                name,
                now=context.now(),
                private_mode=private_mode,
                executor_timeout_secs=context.settings.new_application_timeout_secs,
            )
            details["created"] = created
        context.fleet.add_application(record)
        context.changes.publish(APPLICATIONS, application_topic(record.id))
        return self._describe(record)

    async def update(self, actor: Actor, name: str, changes: ApplicationChanges) -> Application:
        """Change settings of an application.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            InvalidError: a value is out of its bounds.
        """
        context = self._context
        async with context.audited(actor, "application.update", "application", name) as details:
            actor.require(APPLICATION_WRITE)
            given = given_settings(changes)
            details.update(given)
            errors = faults_of_settings(given)
            if errors:
                raise InvalidError("Some settings are out of bounds.", tuple(errors))
            record = await context.application(actor, name)
            updated = await context.applications.update(record.id, given, now=context.now())
            if updated is None:
                raise NotFoundError(f"The application {name!r} was deleted meanwhile.")
        context.fleet.update_application(updated)
        context.changes.publish(APPLICATIONS, application_topic(updated.id))
        return self._describe(updated)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete an application, what is known of its executors, and close their sockets.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
        """
        context = self._context
        async with context.audited(actor, "application.delete", "application", name):
            actor.require(APPLICATION_WRITE)
            record = await context.application(actor, name)
            await context.applications.delete(record.id)
        # Remembered keys carry the applications they may reach.
        context.verifier.refresh()
        await context.fleet.remove_application(record.id)
        context.changes.publish(APPLICATIONS, application_topic(record.id))

    async def require_may_register(self, actor: Actor, name: str) -> None:
        """Check that the actor may register an application of that name.

        Raises:
            ForbiddenError: the actor is limited to other applications.
        """
        if actor.application_ids is None:
            return
        # A limited key may repeat the registration of its own applications, not add new ones.
        try:
            await self._context.application(actor, name)
        except NotFoundError:
            raise ForbiddenError(
                f"{actor.display} is limited to other applications and cannot register {name}."
            ) from None

    def _describe(self, record: ApplicationRecord) -> Application:
        executors = self._context.fleet.executors(record.id)
        return Application(
            record=record,
            available=any(executor.status == HEALTHY for executor in executors),
            versions=tuple(self._context.fleet.versions(record.id)),
        )


def require_valid_name(name: str) -> None:
    """Check an application's name.

    Raises:
        InvalidError: it is not allowed.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidError(
            f"An application's name has {NAME_RULE}.",
            (FieldError(location="path.appName", message=f"expected {NAME_RULE}", value=name),),
        )


def given_settings(changes: ApplicationChanges) -> dict[str, object]:
    """The settings that are to change, by field name."""
    fields = msgspec.structs.asdict(changes)
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


#: Settings that are numbers: their names in the API, and what they are from and to.
BOUNDS = {
    "executor_timeout_secs": ("executorTimeoutSecs", 1, MAX_EXECUTOR_TIMEOUT_SECS),
    "gc_time_threshold_ms": ("gcTimeThresholdMs", 0, _MAX_INT64),
    "gc_rows_threshold": ("gcRowsThreshold", 0, _MAX_INT64),
    "global_timeout_ms": ("globalTimeoutMs", 0, _MAX_INT64),
    "snapshot_interval_secs": ("snapshotIntervalSecs", 5, 3_600),
    "snapshot_keep_days": ("snapshotKeepDays", 1, 3_650),
    "snapshot_keep_rows": ("snapshotKeepRows", 1, 100_000_000),
}


def faults_of_settings(given: Mapping[str, object]) -> list[FieldError]:
    """What is wrong with settings, each located as ``body.<name in the API>``."""
    errors = []
    for name, value in given.items():
        bounds = BOUNDS.get(name)
        if bounds is None or not isinstance(value, int):
            continue
        field, low, high = bounds
        if not low <= value <= high:
            message = f"expected a whole number from {low} to {high}"
            errors.append(FieldError(location=f"body.{field}", message=message, value=value))
    return errors
