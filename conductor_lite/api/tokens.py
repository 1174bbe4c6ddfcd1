"""API keys over HTTP, where they are called tokens: thin handlers and their rows of the table."""

from types import NoneType

from conductor_lite.api.fields import OrganizationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.tokens import (
    CreateTokenInputBody,
    RenameTokenInputBody,
    Token,
    TokenCreated,
)
from conductor_lite.auth.permissions import TOKEN_READ, TOKEN_WRITE
from conductor_lite.errors import FieldError, InvalidError
from conductor_lite.operations.keys import ApiKey


class TokenPath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one API key."""

    token_name: str


def _translate(key: ApiKey) -> Token:
    return Token(
        token_name=key.name,
        created_at=timestamp(key.created_at),
        permissions=list(key.permissions),
        app_ids=list(key.application_ids),
    )


async def _list(call: Call[OrganizationPath, Nothing, Nothing]) -> list[Token]:
    return [_translate(key) for key in await call.operations.keys.list(call.actor)]


async def _create(call: Call[TokenPath, Nothing, CreateTokenInputBody]) -> TokenCreated:
    app_names = call.body.app_names or []
    if len(set(app_names)) != len(app_names):
        error = FieldError(location="body.appNames", message="expected each name once", value=None)
        raise InvalidError("The API key cannot be created like this.", (error,))
    created = await call.operations.keys.create(
        call.actor,
        call.path.token_name,
        permissions=call.body.permissions,
        application_names=call.body.app_names,
    )
    return TokenCreated(token=created.key, token_name=created.api_key.name)


async def _rename(call: Call[TokenPath, Nothing, RenameTokenInputBody]) -> None:
    await call.operations.keys.rename(call.actor, call.path.token_name, call.body.new_name)


async def _delete(call: Call[TokenPath, Nothing, Nothing]) -> None:
    await call.operations.keys.revoke(call.actor, call.path.token_name)


_TOKEN = "/v2/orgs/{orgName}/tokens/{tokenName}"  # noqa: S105 - a path, not a secret

_LIMITED = "A key that is limited to some applications is for keys that are limited to these."

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/tokens",
        operation_id="listTokens",
        summary="List tokens",
        tag="Tokens",
        permission=TOKEN_READ,
        limited_keys=_LIMITED,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Token],
        handler=_list,
    ),
    Operation(
        method="POST",
        path=_TOKEN,
        operation_id="createToken",
        summary="Create token",
        tag="Tokens",
        permission=TOKEN_WRITE,
        limited_keys=_LIMITED,
        audit="token.create",
        path_parameters=TokenPath,
        query_parameters=Nothing,
        body=CreateTokenInputBody,
        result=TokenCreated,
        status=201,
        handler=_create,
    ),
    Operation(
        method="PATCH",
        path=_TOKEN,
        operation_id="renameToken",
        summary="Rename token",
        tag="Tokens",
        permission=TOKEN_WRITE,
        limited_keys=_LIMITED,
        audit="token.rename",
        path_parameters=TokenPath,
        query_parameters=Nothing,
        body=RenameTokenInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_rename,
    ),
    Operation(
        method="DELETE",
        path=_TOKEN,
        operation_id="deleteToken",
        summary="Delete token",
        tag="Tokens",
        permission=TOKEN_WRITE,
        limited_keys=_LIMITED,
        audit="token.revoke",
        path_parameters=TokenPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=_delete,
    ),
)
