"""Calls about API keys, permissions and roles."""

from types import NoneType

from conductor_lite.api.schemas.organizations import CreateRoleInputBody, CreateRoleOutputBody, RoleOutput
from conductor_lite.api.schemas.tokens import CreateTokenInputBody, RenameTokenInputBody, Token, TokenCreated
from conductor_lite.client.call import Call


def list_tokens() -> Call[list[Token]]:
    """List tokens."""
    return Call(
        operation_id="listTokens",
        method="GET",
        path="/v2/orgs/{orgName}/tokens",
        result=list[Token],
    )


def create_token(name: str, body: CreateTokenInputBody | None = None) -> Call[TokenCreated]:
    """Create token."""
    return Call(
        operation_id="createToken",
        method="POST",
        path="/v2/orgs/{orgName}/tokens/{tokenName}",
        names={"tokenName": name},
        body=body,
        result=TokenCreated,
    )


def rename_token(name: str, body: RenameTokenInputBody) -> Call[None]:
    """Rename token."""
    return Call(
        operation_id="renameToken",
        method="PATCH",
        path="/v2/orgs/{orgName}/tokens/{tokenName}",
        names={"tokenName": name},
        body=body,
        result=NoneType,
    )


def delete_token(name: str) -> Call[None]:
    """Delete token."""
    return Call(
        operation_id="deleteToken",
        method="DELETE",
        path="/v2/orgs/{orgName}/tokens/{tokenName}",
        names={"tokenName": name},
        result=NoneType,
    )


def list_permissions() -> Call[list[str]]:
    """List permissions."""
    return Call(
        operation_id="listPermissions",
        method="GET",
        path="/v2/orgs/{orgName}/permissions",
        result=list[str],
    )


def list_roles() -> Call[list[RoleOutput]]:
    """List roles."""
    return Call(
        operation_id="listRoles",
        method="GET",
        path="/v2/orgs/{orgName}/roles",
        result=list[RoleOutput],
    )


def create_role(body: CreateRoleInputBody) -> Call[CreateRoleOutputBody]:
    """Create role."""
    return Call(
        operation_id="createRole",
        method="POST",
        path="/v2/orgs/{orgName}/roles",
        body=body,
        result=CreateRoleOutputBody,
    )


def delete_role(role: str) -> Call[None]:
    """Delete role."""
    return Call(
        operation_id="deleteRole",
        method="DELETE",
        path="/v2/orgs/{orgName}/roles/{roleName}",
        names={"roleName": role},
        result=NoneType,
    )


def grant_role(username: str, role: str) -> Call[None]:
    """Grant role."""
    return Call(
        operation_id="grantRole",
        method="PUT",
        path="/v2/orgs/{orgName}/members/{username}/roles/{roleName}",
        names={"username": username, "roleName": role},
        result=NoneType,
    )
