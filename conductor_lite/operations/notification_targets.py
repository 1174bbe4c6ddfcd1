"""Notification targets: list, create, change, delete, test. Their addresses are secrets, and stay inside."""

import uuid
from datetime import datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import FieldError, InvalidError, NotFoundError
from conductor_lite.notify import shown
from conductor_lite.operations.context import Context
from conductor_lite.store.alert_records import NotificationTargetRecord

MAX_NAME_LENGTH = 256
#: Targets that one application may have.
MAX_TARGETS = 100
_TARGET = "notification_target"


class NotificationTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Someone to tell of an application's alerts, fit to be shown."""

    id: str
    application_id: str
    name: str
    #: The address with everything secret left out.
    shown_url: str
    created_at: datetime
    #: Whether it is declared in a file.
    declared: bool


class NotificationTargets:
    """Operations on notification targets."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor, application_name: str) -> list[NotificationTarget]:
        """List whom an application's alerts are sent to, by name.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return [_shown(record) for record in await self._context.notification_targets.list(application.id)]

    async def create(
        self, actor: Actor, application_name: str, *, name: str, url: str, declared: bool = False
    ) -> NotificationTarget:
        """Add someone to tell of an application's alerts. Sends nothing; see ``test``.

        Args:
            actor: who asks.
            application_name: the application whose alerts are meant.
            name: what people call it, unique in the application.
            url: the address, in Apprise's form, such as ``slack://…`` or ``mailto://…``.
            declared: whether it is declared in a file.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            InvalidError: the name or the address is not allowed; the address is not repeated.
            ConflictError: the name is taken.
        """
        context = self._context
        target_id = str(uuid.uuid4())
        async with context.audited(actor, f"{_TARGET}.create", _TARGET, target_id) as details:
            details.update(application_name=application_name, name=name, url=shown(url))
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            errors = (*faults_of_name(name), *await self.faults_of_url(url))
            if errors:
                raise InvalidError("The notification target cannot be created like this.", errors)
            if len(await context.notification_targets.list(application.id)) >= MAX_TARGETS:
                raise InvalidError(f"An application has {MAX_TARGETS} notification targets at most.")
            record = NotificationTargetRecord(
                id=target_id,
                application_id=application.id,
                name=name,
                url=url,
                created_at=context.now(),
                declared=declared,
            )
            await context.notification_targets.create(record)
        return _shown(record)

    async def change_url(self, actor: Actor, application_name: str, target_id: str, url: str) -> None:
        """Give one of an application's targets another address; what waits for it goes there. Sends nothing.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach, or it has no such target.
            InvalidError: the address is not allowed; it is not repeated.
        """
        context = self._context
        async with context.audited(actor, f"{_TARGET}.update", _TARGET, target_id) as details:
            details.update(application_name=application_name, url=shown(url))
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            errors = await self.faults_of_url(url)
            if errors:
                raise InvalidError("The notification target cannot have this address.", errors)
            if not await context.notification_targets.change_url(application.id, target_id, url):
                raise NotFoundError(_missing(application_name, target_id))

    async def delete(self, actor: Actor, application_name: str, target_id: str) -> None:
        """Delete one of an application's targets; what it has not been told yet it will not be told.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach, or it has no such target.
        """
        context = self._context
        async with context.audited(actor, f"{_TARGET}.delete", _TARGET, target_id) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            if not await context.notification_targets.delete(application.id, target_id):
                raise NotFoundError(_missing(application_name, target_id))

    async def test(self, actor: Actor, application_name: str, target_id: str) -> None:
        """Send a test message, at once and once.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach, or it has no such target.
            DeliveryError: the message did not get through.
        """
        context = self._context
        async with context.audited(actor, f"{_TARGET}.test", _TARGET, target_id) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            target = await context.notification_targets.by_id(target_id)
            if target is None or target.application_id != application.id:
                raise NotFoundError(_missing(application_name, target_id))
            details["name"] = target.name
            await context.notifier.send(
                target.url,
                title=f"Test: {application.name}",
                body=f"This is a test. Alerts of {application.name} are sent here.",
                good_news=True,
            )

    async def faults_of_url(self, url: str) -> tuple[FieldError, ...]:
        """What is wrong with an address; does not repeat it, for it may be right but for a letter."""
        if await self._context.notifier.check(url):
            return ()
        message = "expected an address in Apprise's form, such as slack://… or mailto://…"
        return (FieldError(location="body.url", message=message),)


def faults_of_name(name: str) -> tuple[FieldError, ...]:
    """What is wrong with a target's name."""
    if 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable():
        return ()
    message = f"expected 1 to {MAX_NAME_LENGTH} printable characters"
    return (FieldError(location="body.name", message=message, value=name),)


def _shown(record: NotificationTargetRecord) -> NotificationTarget:
    return NotificationTarget(
        id=record.id,
        application_id=record.application_id,
        name=record.name,
        shown_url=shown(record.url),
        created_at=record.created_at,
        declared=record.declared,
    )


def _missing(application_name: str, target_id: str) -> str:
    return f"{application_name} has no notification target {target_id!r}."
