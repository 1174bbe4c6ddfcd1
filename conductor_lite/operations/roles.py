"""Roles: the built-in ones, which are the same everywhere, and an organisation's own."""

import re
from collections.abc import Sequence

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS, ORGANIZATION_READ, ORGANIZATION_WRITE
from conductor_lite.errors import ConflictError, FieldError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.store.records import RoleRecord

NAME_PATTERN = re.compile(r"[a-zA-Z0-9_]{3,30}")
NAME_RULE = "3 to 30 characters of a-z, A-Z, 0-9 and _"


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of permissions."""

    name: str
    permissions: tuple[str, ...]
    #: Whether it is built in: shared by all organisations, never changed, never deleted.
    is_global: bool = False


#: May do everything.
ADMIN = Role(name="admin", permissions=ALL_PERMISSIONS, is_global=True)
#: May do everything but change the organisation, its members and roles.
MEMBER = Role(
    name="member",
    permissions=tuple(name for name in ALL_PERMISSIONS if name != ORGANIZATION_WRITE),
    is_global=True,
)
BUILT_IN = (ADMIN, MEMBER)


class Roles:
    """Operations on roles."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor) -> list[Role]:
        """List the built-in roles, then the organisation's own by name.

        Raises:
            ForbiddenError: organization.read is missing, or the actor is limited to some applications.
        """
        actor.require_whole(ORGANIZATION_READ)
        records = await self._context.roles.list(actor.organization_id)
        custom = [Role(name=record.name, permissions=record.permissions) for record in records]
        return [*BUILT_IN, *custom]

    async def create(self, actor: Actor, name: str, permissions: Sequence[str]) -> Role:
        """Create a role of the organisation's own.

        Raises:
            ForbiddenError: organization.write is missing, the actor is limited to some applications, or the
                role would be allowed more than its maker.
            ConflictError: a role of that name exists.
            InvalidError: the name or a permission is not allowed.
        """
        context = self._context
        async with context.audited(actor, "role.create", "role", name) as details:
            details["permissions"] = list(permissions)
            actor.require_whole(ORGANIZATION_WRITE)
            _require_valid(name, permissions)
            if _is_built_in(name):
                raise ConflictError(f"{name} is the name of a built-in role. Choose another name.")
            granted = tuple(dict.fromkeys(permissions))
            if not actor.permissions.issuperset(granted):
                missing = ", ".join(sorted(set(granted) - actor.permissions))
                raise ForbiddenError(f"{actor.display} cannot grant what it lacks: {missing}.")
            record = RoleRecord(
                organization_id=actor.organization_id,
                name=name,
                permissions=granted,
                created_at=context.now(),
            )
            await context.roles.create(record)
        return Role(name=name, permissions=granted)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete a role of the organisation's own.

        Raises:
            ForbiddenError: organization.write is missing, or the actor is limited to some applications.
            ConflictError: it is built in.
            NotFoundError: no such role.
        """
        context = self._context
        async with context.audited(actor, "role.delete", "role", name):
            actor.require_whole(ORGANIZATION_WRITE)
            if _is_built_in(name):
                raise ConflictError(f"The role {name} is built in and cannot be deleted.")
            if not await context.roles.delete(actor.organization_id, name):
                raise NotFoundError(f"There is no role {name!r}.")


def _is_built_in(name: str) -> bool:
    return name.casefold() in {role.name for role in BUILT_IN}


def _require_valid(name: str, permissions: Sequence[str]) -> None:
    errors = []
    if not NAME_PATTERN.fullmatch(name):
        errors.append(FieldError(location="body.name", message=f"expected {NAME_RULE}", value=name))
    for index, permission in enumerate(permissions):
        if permission not in ALL_PERMISSIONS:
            message = f"expected one of {', '.join(ALL_PERMISSIONS)}"
            location = f"body.permissions[{index}]"
            errors.append(FieldError(location=location, message=message, value=permission))
    if errors:
        raise InvalidError("The role cannot be created like this.", tuple(errors))
