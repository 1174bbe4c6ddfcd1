"""The organisation: its settings and its members. Without a login it has one member, whoever is local."""

import re

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ, ORGANIZATION_WRITE
from conductor_lite.errors import FieldError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.operations.roles import ADMIN, Role
from conductor_lite.store.records import OrganizationRecord

__all__ = ["Member", "Organization", "OrganizationRecord", "Profile"]

NAME_PATTERN = re.compile(r"[a-z0-9_]{3,30}")
NAME_RULE = "3 to 30 characters of a-z, 0-9 and _"
MIN_RETENTION_DAYS = 7
MAX_RETENTION_DAYS = 3_650
LOCAL_USER = "local"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who belongs to an organisation."""

    name: str
    role: Role


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The person who asks."""

    member: Member
    organization: OrganizationRecord


class Organization:
    """Operations on the actor's organisation."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get(self, actor: Actor) -> OrganizationRecord:
        """Get the organisation.

        Raises:
            ForbiddenError: organization.read is missing, or the actor is limited to some applications.
        """
        actor.require_whole(ORGANIZATION_READ)
        return await self._record(actor)

    async def update(
        self, actor: Actor, *, name: str | None = None, audit_log_retention_days: int | None = None
    ) -> OrganizationRecord:
        """Change what is given.

        Args:
            actor: who asks.
            name: the new name. In paths the id stands for the organisation as well, so that callers who go on
                to say ``local`` are not locked out.
            audit_log_retention_days: days that entries of the audit log are kept.

        Raises:
            ForbiddenError: organization.write is missing, or the actor is limited to some applications.
            ConflictError: another organisation has that name.
            InvalidError: a value is not allowed.
        """
        context = self._context
        target = actor.organization_id
        async with context.audited(actor, "organization.update", "organization", target) as details:
            if name is not None:
                details["new_name"] = name
            if audit_log_retention_days is not None:
                details["audit_log_retention_days"] = audit_log_retention_days
            actor.require_whole(ORGANIZATION_WRITE)
            _require_valid(name, audit_log_retention_days)
            updated = await context.organizations.update(
                actor.organization_id, name=name, audit_log_retention_days=audit_log_retention_days
            )
            if updated is None:
                raise NotFoundError("Your organization does not exist any more.")
        return updated

    async def members(self, actor: Actor) -> list[Member]:
        """List the members.

        Raises:
            ForbiddenError: organization.read is missing, or the actor is limited to some applications.
        """
        actor.require_whole(ORGANIZATION_READ)
        return [Member(name=LOCAL_USER, role=ADMIN)]

    async def current_user(self, actor: Actor) -> Profile:
        """Tell who asks.

        Raises:
            ForbiddenError: an API key asks; it stands for nobody.
        """
        if actor.subject_type != "user":
            raise ForbiddenError("An API key is no user; ask without one.")
        return Profile(
            member=Member(name=actor.subject_id, role=ADMIN), organization=await self._record(actor)
        )

    async def require_named(self, actor: Actor, name: str) -> None:
        """Check that a name in a path means the actor's organisation: by its id or by its name.

        Raises:
            NotFoundError: it means another one, or none.
        """
        if name == actor.organization_id:
            return
        record = await self._context.organizations.by_name(name)
        if record is None or record.id != actor.organization_id:
            raise NotFoundError(
                f"There is no organization {name[:80]!r}; yours is {actor.organization_id!r}."
            )

    async def _record(self, actor: Actor) -> OrganizationRecord:
        record = await self._context.organizations.by_id(actor.organization_id)
        if record is None:
            raise NotFoundError("Your organization does not exist any more.")
        return record


def _require_valid(name: str | None, audit_log_retention_days: int | None) -> None:
    errors = []
    if name is not None and not NAME_PATTERN.fullmatch(name):
        errors.append(FieldError(location="body.newName", message=f"expected {NAME_RULE}", value=name))
    days = audit_log_retention_days
    if days is not None and not MIN_RETENTION_DAYS <= days <= MAX_RETENTION_DAYS:
        message = f"expected a whole number from {MIN_RETENTION_DAYS} to {MAX_RETENTION_DAYS}"
        errors.append(FieldError(location="body.auditLogRetentionDays", message=message, value=days))
    if errors:
        raise InvalidError("The organization cannot be changed like this.", tuple(errors))
