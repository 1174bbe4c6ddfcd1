"""The organisation, its members and domain claims over HTTP: thin handlers and their rows of the table."""

from types import NoneType

import msgspec

from conductor_lite.api.fields import OrganizationPath, timestamp
from conductor_lite.api.login import needs_login
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.roles import describe_role
from conductor_lite.api.schemas.organizations import (
    Domain,
    DomainClaim,
    GenerateSecretOutputBody,
    JoinOrgInputBody,
    ListDomainClaimsOutputBody,
    Member,
    Organization,
    OrgMembers,
    RequestDomainClaimInputBody,
    UpdateOrgInputBody,
    Username,
)
from conductor_lite.auth.permissions import ORGANIZATION_READ, ORGANIZATION_WRITE

#: The plan that is named where the published API wants one.
PLAN = "team"
#: Says "no limit" where the published API wants a number of 32 bits.
_NO_LIMIT = 2**31 - 1


class MemberPath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one member."""

    username: Username


class DomainPath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one domain claim."""

    domain: Domain


async def _get(call: Call[OrganizationPath, Nothing, Nothing]) -> Organization:
    record = await call.operations.organization.get(call.actor)
    return Organization(
        id=record.id,
        name=record.name,
        created_at=timestamp(record.created_at),
        subscription_plan=PLAN,
        # Databases, applications and machines of DBOS Cloud: there are none here.
        max_database_instances=0,
        max_apps=0,
        max_vms=0,
        default_rds_instance_class_type="",
        max_team_members=_NO_LIMIT,
        max_conductor_apps=_NO_LIMIT,
        audit_log_retention_days=record.audit_log_retention_days,
    )


async def _update(call: Call[OrganizationPath, Nothing, UpdateOrgInputBody]) -> None:
    body = call.body
    days = body.audit_log_retention_days
    await call.operations.organization.update(
        call.actor,
        name=None if body.new_name is msgspec.UNSET else body.new_name,
        audit_log_retention_days=None if days is msgspec.UNSET else days,
    )


async def _list_members(call: Call[OrganizationPath, Nothing, Nothing]) -> OrgMembers:
    members = await call.operations.organization.members(call.actor)
    record = await call.operations.organization.get(call.actor)
    return OrgMembers(
        org_name=record.name, users={member.name: describe_role(member.role) for member in members}
    )


_ORG = "/v2/orgs/{orgName}"
_CLAIMS = f"{_ORG}/domain-claims"

OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_ORG,
        operation_id="getOrg",
        summary="Get org",
        tag="Orgs",
        permission=ORGANIZATION_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=Organization,
        handler=_get,
    ),
    Operation(
        method="PATCH",
        path=_ORG,
        operation_id="updateOrg",
        summary="Update org",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        audit="organization.update",
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=UpdateOrgInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=_update,
    ),
    Operation(
        method="GET",
        path=f"{_ORG}/members",
        operation_id="listMembers",
        summary="List members",
        tag="Orgs",
        permission=ORGANIZATION_READ,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=OrgMembers,
        handler=_list_members,
    ),
    Operation(
        method="DELETE",
        path=f"{_ORG}/members/{{username}}",
        operation_id="removeMember",
        summary="Remove member",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        requires_login=True,
        path_parameters=MemberPath,
        query_parameters=Nothing,
        body=Nothing,
        result=Member,
        handler=needs_login,
    ),
    Operation(
        method="POST",
        path=f"{_ORG}/join",
        operation_id="joinOrg",
        summary="Join org",
        tag="Orgs",
        permission=None,
        requires_login=True,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=JoinOrgInputBody,
        body_required=True,
        result=NoneType,
        status=204,
        handler=needs_login,
    ),
    Operation(
        method="POST",
        path=f"{_ORG}/secrets",
        operation_id="generateSecret",
        summary="Generate secret",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        requires_login=True,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=GenerateSecretOutputBody,
        status=201,
        handler=needs_login,
    ),
    Operation(
        method="GET",
        path=_CLAIMS,
        operation_id="listDomainClaims",
        summary="List domain claims",
        tag="Orgs",
        permission=ORGANIZATION_READ,
        requires_login=True,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=ListDomainClaimsOutputBody,
        handler=needs_login,
    ),
    Operation(
        method="POST",
        path=_CLAIMS,
        operation_id="requestDomainClaim",
        summary="Claim a domain",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        requires_login=True,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=RequestDomainClaimInputBody,
        body_required=True,
        result=DomainClaim,
        status=201,
        handler=needs_login,
    ),
    Operation(
        method="DELETE",
        path=f"{_CLAIMS}/{{domain}}",
        operation_id="releaseDomainClaim",
        summary="Release a domain claim",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        requires_login=True,
        path_parameters=DomainPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        status=204,
        handler=needs_login,
    ),
)
