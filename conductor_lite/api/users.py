"""Users over HTTP: a thin handler and their rows of the table."""

from conductor_lite.api.fields import timestamp
from conductor_lite.api.login import needs_login
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.organizations import PLAN
from conductor_lite.api.roles import describe_role
from conductor_lite.api.schemas.organizations import (
    RegisterUserInputBody,
    RegisterUserOutputBody,
    UserProfile,
)


async def _get_current(call: Call[Nothing, Nothing, Nothing]) -> UserProfile:
    profile = await call.operations.organization.current_user(call.actor)
    return UserProfile(
        name=profile.member.name,
        # Nobody who does not log in has told us an address.
        email="",
        org_name=profile.organization.name,
        org_id=profile.organization.id,
        subscription_plan=PLAN,
        created_at=timestamp(profile.organization.created_at),
        role=describe_role(profile.member.role),
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/users/me",
        operation_id="getCurrentUser",
        summary="Get current user",
        tag="Users",
        permission=None,
        path_parameters=Nothing,
        query_parameters=Nothing,
        body=Nothing,
        result=UserProfile,
        handler=_get_current,
    ),
    Operation(
        method="POST",
        path="/v2/users",
        operation_id="registerUser",
        summary="Register user",
        tag="Users",
        permission=None,
        requires_login=True,
        path_parameters=Nothing,
        query_parameters=Nothing,
        body=RegisterUserInputBody,
        body_required=True,
        result=RegisterUserOutputBody,
        status=201,
        handler=needs_login,
    ),
)
