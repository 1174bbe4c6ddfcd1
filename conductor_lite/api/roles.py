"""Permissions over HTTP, under the heading that roles will share: a thin handler and its row of the table."""

from conductor_lite.api.fields import OrganizationPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.auth.permissions import TOKEN_READ


async def _list_permissions(call: Call[OrganizationPath, Nothing, Nothing]) -> list[str]:
    return list(await call.operations.keys.permissions(call.actor))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/permissions",
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
)
