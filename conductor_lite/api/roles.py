"""Roles and permissions over HTTP: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api.fields import OrganizationPath
from conductor_lite.api.login import needs_login
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.organizations import (
    CreateRoleInputBody,
    CreateRoleOutputBody,
    RoleName,
    RoleOutput,
    Username,
)
from conductor_lite.auth.permissions import ORGANIZATION_READ, ORGANIZATION_WRITE, TOKEN_READ
from conductor_lite.operations.roles import Role


class RolePath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one role."""

    role_name: RoleName


class GrantPath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one member's role."""

    username: Username
    role_name: RoleName


def describe_role(role: Role) -> RoleOutput:
    """A role as the API shows it."""
    return RoleOutput(name=role.name, is_global=role.is_global, permissions=list(role.permissions))


async def _list_permissions(call: Call[OrganizationPath, Nothing, Nothing]) -> list[str]:
    return list(await call.operations.keys.permissions(call.actor))


async def _list(call: Call[OrganizationPath, Nothing, Nothing]) -> list[RoleOutput]:
    return [describe_role(role) for role in await call.operations.roles.list(call.actor)]


async def _create(call: Call[OrganizationPath, Nothing, CreateRoleInputBody]) -> CreateRoleOutputBody:
    role = await call.operations.roles.create(call.actor, call.body.name, call.body.permissions or ())
    return CreateRoleOutputBody(name=role.name, permissions=list(role.permissions))


async def _delete(call: Call[RolePath, Nothing, Nothing]) -> None:
    await call.operations.roles.delete(call.actor, call.path.role_name)


_ORG = "/v2/orgs/{orgName}"
_ROLES = f"{_ORG}/roles"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=f"{_ORG}/permissions",
        operation_id="listPermissions",
        summary="List permissions",
        tag="Roles",
        permission=TOKEN_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[str],
        handler=_list_permissions,
    ),
    Operation(
        method="GET",
        path=_ROLES,
        operation_id="listRoles",
        summary="List roles",
        tag="Roles",
        permission=ORGANIZATION_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[RoleOutput],
        handler=_list,
    ),
    Operation(
        method="POST",
        path=_ROLES,
        operation_id="createRole",
        summary="Create role",
        tag="Roles",
        permission=ORGANIZATION_WRITE,
        audit="role.create",
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=CreateRoleInputBody,
        body_required=True,
        result=CreateRoleOutputBody,
        status=201,
        handler=_create,
    ),
    Operation(
        method="DELETE",
        path=f"{_ROLES}/{{roleName}}",
        operation_id="deleteRole",
        summary="Delete role",
        tag="Roles",
        permission=ORGANIZATION_WRITE,
        audit="role.delete",
        path_parameters=RolePath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete,
    ),
    Operation(
        method="PUT",
        path=f"{_ORG}/members/{{username}}/roles/{{roleName}}",
        operation_id="grantRole",
        summary="Grant role",
        tag="Roles",
        permission=ORGANIZATION_WRITE,
        requires_login=True,
        path_parameters=GrantPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=needs_login,
    ),
)
