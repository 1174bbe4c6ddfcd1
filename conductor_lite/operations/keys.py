"""API keys: list, create, rename, revoke; and which permissions exist."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.keys import make_key
from conductor_lite.auth.permissions import ALL_PERMISSIONS, TOKEN_READ, TOKEN_WRITE, WEBSOCKET_CONNECT
from conductor_lite.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.fleet.changes import KEYS
from conductor_lite.operations.context import Context
from conductor_lite.store.records import ApiKeyRecord

MAX_NAME_LENGTH = 255


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it may be shown: never the secret nor its hash."""

    id: str
    name: str
    created_at: datetime
    permissions: tuple[str, ...]
    #: Applications it is limited to, by id and by name; both empty together with ``all_applications``.
    application_ids: tuple[str, ...]
    application_names: tuple[str, ...]
    all_applications: bool
    #: When it was last good for something; None: not since the server started.
    last_used_at: datetime | None = None
    #: Executors connected with it now.
    connections: int = 0


class CreatedApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; ``key`` is not stored and can never be shown again."""

    api_key: ApiKey
    key: str


class ApiKeys:
    """Operations on API keys."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def permissions(self, actor: Actor) -> tuple[str, ...]:
        """List every permission that a key or role can have.

        Raises:
            ForbiddenError: token.read is missing.
        """
        actor.require(TOKEN_READ)
        return ALL_PERMISSIONS

    async def list(self, actor: Actor) -> list[ApiKey]:
        """List the keys that the actor may manage, by name: all of the organisation, if it is not limited.

        Raises:
            ForbiddenError: token.read is missing.
        """
        actor.require(TOKEN_READ)
        names = await self._application_names(actor)
        records = await self._context.keys.list(actor.organization_id)
        connections = self._context.fleet.connections_by_key()
        return [
            msgspec.structs.replace(
                _describe(record, names),
                last_used_at=self._context.verifier.last_used_at(record.id),
                connections=connections[record.id],
            )
            for record in records
            if _within_reach(actor, record)
        ]

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        permissions: Sequence[str] | None = None,
        application_names: Sequence[str] | None = None,
    ) -> CreatedApiKey:
        """Create a key. Without permissions it may connect executors; without applications it reaches all.

        Raises:
            ForbiddenError: token.write is missing, or the key would be allowed more than its maker.
            ConflictError: a key of that name exists.
            InvalidError: a name or permission is not allowed.
            NotFoundError: an application does not exist.
        """
        context = self._context
        async with context.audited(actor, "token.create", "api_key", name) as details:
            actor.require(TOKEN_WRITE)
            _require_valid(name, permissions or ())
            if application_names is not None and not application_names:
                # Whoever means none must not get a key for all.
                message = "expected at least one application, or null for every one"
                field = FieldError(location="body.appNames", message=message)
                raise InvalidError("The API key cannot be like this.", (field,))
            granted = tuple(dict.fromkeys(permissions or (WEBSOCKET_CONNECT,)))
            if not actor.permissions.issuperset(granted):
                missing = sorted(set(granted) - actor.permissions)
                raise ForbiddenError(f"{actor.display} cannot grant what it lacks: {', '.join(missing)}.")
            limited_to = [(await context.application(actor, app)).id for app in application_names or ()]
            if actor.application_ids is not None and not limited_to:
                raise ForbiddenError(f"{actor.display} can only create keys limited to its own applications.")
            details["permissions"] = list(granted)
            details["applications"] = list(application_names or ())
            made = await make_key()
            record = ApiKeyRecord(
                id=made.id,
                organization_id=actor.organization_id,
                name=name,
                secret_hash=made.secret_hash,
                permissions=granted,
                application_ids=tuple(dict.fromkeys(limited_to)),
                all_applications=not limited_to,
                created_at=context.now(),
            )
            await context.keys.create(record)
        context.changes.publish(KEYS)
        return CreatedApiKey(api_key=_describe(record, await self._application_names(actor)), key=made.key)

    async def rename(self, actor: Actor, name: str, new_name: str) -> ApiKey:
        """Give a key another name; the key itself stays as it is, and whoever uses it notices nothing.

        Raises:
            ForbiddenError: token.write is missing, or the key reaches further than the actor.
            NotFoundError: no key of that name.
            ConflictError: a key of the new name exists.
            InvalidError: the new name is not allowed.
        """
        context = self._context
        async with context.audited(actor, "token.rename", "api_key", name) as details:
            details["new_name"] = new_name
            actor.require(TOKEN_WRITE)
            _require_valid(new_name, (), "body.newName")
            record = await self._within_reach(actor, name)
            renamed = await context.keys.rename(record.id, new_name)
            if renamed is None:
                raise _unknown(name)
        # What is remembered of it carries the old name, which would go on into the audit log.
        context.verifier.forget(renamed.id)
        context.changes.publish(KEYS)
        return _describe(renamed, await self._application_names(actor))

    async def revoke(self, actor: Actor, name: str) -> None:
        """Revoke a key: from now on it is refused, and executors connected with it are disconnected.

        Raises:
            ForbiddenError: token.write is missing, or the key reaches further than the actor.
            NotFoundError: no key of that name.
        """
        context = self._context
        async with context.audited(actor, "token.revoke", "api_key", name):
            actor.require(TOKEN_WRITE)
            record = await self._within_reach(actor, name)
            revoked = await context.keys.revoke(record.id)
            if revoked is None:
                raise _unknown(name)
            context.verifier.forget(revoked.id)
        await context.fleet.close_sockets_of_key(revoked.id)
        context.changes.publish(KEYS)

    async def _within_reach(self, actor: Actor, name: str) -> ApiKeyRecord:
        """The key, to be acted on by its id: another may have its name a moment later."""
        record = await self._context.keys.by_name(actor.organization_id, name)
        if record is None:
            raise _unknown(name)
        if not _within_reach(actor, record):
            raise ForbiddenError(
                f"{actor.display} is limited to some applications, and the API key {name!r} reaches others. "
                "Manage it with a key that is not limited."
            )
        return record

    async def _application_names(self, actor: Actor) -> dict[str, str]:
        records = await self._context.applications.list(actor.organization_id)
        return {record.id: record.name for record in records}


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"There is no API key {name!r}.")


def _within_reach(actor: Actor, record: ApiKeyRecord) -> bool:
    """Whether a key reaches nothing that the actor does not."""
    if actor.application_ids is None:
        return True
    if record.all_applications or not record.application_ids:
        return False
    return actor.application_ids.issuperset(record.application_ids)


def _describe(record: ApiKeyRecord, names: dict[str, str]) -> ApiKey:
    return ApiKey(
        id=record.id,
        name=record.name,
        created_at=record.created_at,
        permissions=record.permissions,
        application_ids=record.application_ids,
        application_names=tuple(names[app_id] for app_id in record.application_ids if app_id in names),
        all_applications=record.all_applications,
    )


def _require_valid(name: str, permissions: Sequence[str], location: str = "path.tokenName") -> None:
    errors = []
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        message = f"expected 1 to {MAX_NAME_LENGTH} printable characters"
        errors.append(FieldError(location=location, message=message, value=name))
    for index, permission in enumerate(permissions):
        if permission not in ALL_PERMISSIONS:
            message = f"expected one of {', '.join(ALL_PERMISSIONS)}"
            errors.append(
                FieldError(location=f"body.permissions[{index}]", message=message, value=permission)
            )
    if errors:
        raise InvalidError("The API key cannot be like this.", tuple(errors))
