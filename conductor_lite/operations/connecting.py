"""Who may connect as an executor of which application."""

import asyncio

from conductor_lite.auth.actor import LOCAL_ORGANIZATION, Actor
from conductor_lite.auth.authenticate import key_actor
from conductor_lite.auth.permissions import WEBSOCKET_CONNECT
from conductor_lite.errors import ForbiddenError, NotFoundError
from conductor_lite.fleet.changes import APPLICATIONS
from conductor_lite.fleet.endpoint import Admission
from conductor_lite.operations.applications import NAME_PATTERN, NAME_RULE
from conductor_lite.operations.context import Context
from conductor_lite.store.records import ApplicationRecord


class Connecting:
    """Admits executors' sockets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Held while development mode registers an application.
        self._registering = asyncio.Lock()

    async def admit(self, application_name: str, key: str, source_ip: str | None) -> Admission:
        """Decide about one socket. In development mode any key will do, and applications register themselves.

        Raises:
            UnauthenticatedError: the key is not valid (HTTP 401).
            ForbiddenError: the key may not connect, or not to this application (403).
            NotFoundError: the application is not registered (404).
        """
        if self._context.settings.dev:
            return Admission(
                application=await self._found_or_registered(application_name, source_ip), api_key_id=None
            )
        record = await self._context.verifier.verify(key)
        actor = key_actor(record, source_ip)
        if WEBSOCKET_CONNECT not in actor.permissions:
            raise ForbiddenError(f"The API key {record.name!r} may not connect executors.")
        application = await self._found(actor.organization_id, application_name)
        if actor.application_ids is not None and (application is None or not actor.sees(application.id)):
            raise ForbiddenError(f"The API key {record.name!r} is limited to other applications.")
        if application is None:
            raise NotFoundError(_not_registered(application_name))
        return Admission(application=application, api_key_id=record.id)

    async def _found_or_registered(self, name: str, source_ip: str | None) -> ApplicationRecord:
        record = await self._found(LOCAL_ORGANIZATION, name)
        if record is not None:
            return record
        # A whole fleet may come at once, of which the first one registers.
        async with self._registering:
            record = await self._found(LOCAL_ORGANIZATION, name)
            return record if record is not None else await self._registered(name, source_ip)

    async def _found(self, organization_id: str, name: str) -> ApplicationRecord | None:
        # The fleet is asked first: a storm of reconnects must not become a storm of reads.
        held = self._context.fleet.application(organization_id, name)
        return held if held is not None else await self._context.applications.get(organization_id, name)

    async def _registered(self, name: str, source_ip: str | None) -> ApplicationRecord:
        context = self._context
        if not NAME_PATTERN.fullmatch(name):
            raise NotFoundError(f"An application cannot be called that: a name has {NAME_RULE}.")
        actor = Actor(
            subject_type="api_key", subject_id="development", display="any key (--dev)", source_ip=source_ip
        )
        async with context.audited(actor, "application.create", "application", name) as details:
            details["reason"] = "it connected in development mode"
            record, details["created"] = await context.applications.register(
                LOCAL_ORGANIZATION,
                name,
                now=context.now(),
                executor_timeout_secs=context.settings.new_application_timeout_secs,
            )
        context.fleet.add_application(record)
        context.changes.publish(APPLICATIONS)
        return record


def _not_registered(name: str) -> str:
    if not NAME_PATTERN.fullmatch(name):
        return f"The application is not registered, and cannot be: a name has {NAME_RULE}."
    return f"The application {name!r} is not registered: run 'conductor-lite app register {name}'."
