"""The conductor's own policies over HTTP: a thin handler and its row of the table."""

from conductor_lite.api.fields import OrganizationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.policies import PolicyHealth
from conductor_lite.auth.permissions import ORGANIZATION_READ


async def _list(call: Call[OrganizationPath, Nothing, Nothing]) -> list[PolicyHealth]:
    return [
        PolicyHealth(
            name=health.name,
            interval_secs=health.interval_secs,
            last_round_at=None if health.ended_at is None else timestamp(health.ended_at),
            last_success_at=None if health.succeeded_at is None else timestamp(health.succeeded_at),
            last_round_secs=health.duration_secs,
            running_secs=health.running_secs,
            lag_secs=health.lag_secs,
            failures=health.failures,
            error=health.error,
            notes=list(health.notes),
        )
        for health in await call.operations.policies.list(call.actor)
    ]


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/policies",
        operation_id="listPolicies",
        summary="List what the conductor does by itself",
        tag="Policies",
        permission=ORGANIZATION_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[PolicyHealth],
        handler=_list,
    ),
)
