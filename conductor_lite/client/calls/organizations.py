"""Calls about the organisation, its members and users, its audit log and its conductor."""

from types import NoneType

from conductor_lite.api.schemas.audit import AuditLogEntry, AuditQuery
from conductor_lite.api.schemas.organizations import (
    DomainClaim,
    GenerateSecretOutputBody,
    JoinOrgInputBody,
    ListDomainClaimsOutputBody,
    Member,
    Organization,
    OrgMembers,
    RegisterUserInputBody,
    RegisterUserOutputBody,
    RequestDomainClaimInputBody,
    UpdateOrgInputBody,
    UserProfile,
)
from conductor_lite.api.schemas.policies import PolicyHealth
from conductor_lite.client.call import Call, Listing


def get_org() -> Call[Organization]:
    """Get org."""
    return Call(
        operation_id="getOrg",
        method="GET",
        path="/v2/orgs/{orgName}",
        result=Organization,
    )


def update_org(body: UpdateOrgInputBody) -> Call[None]:
    """Update org."""
    return Call(
        operation_id="updateOrg",
        method="PATCH",
        path="/v2/orgs/{orgName}",
        body=body,
        result=NoneType,
        repeatable=True,
    )


def list_members() -> Call[OrgMembers]:
    """List members."""
    return Call(
        operation_id="listMembers",
        method="GET",
        path="/v2/orgs/{orgName}/members",
        result=OrgMembers,
    )


def remove_member(username: str) -> Call[Member]:
    """Remove member."""
    return Call(
        operation_id="removeMember",
        method="DELETE",
        path="/v2/orgs/{orgName}/members/{username}",
        names={"username": username},
        result=Member,
    )


def join_org(body: JoinOrgInputBody) -> Call[None]:
    """Join org."""
    return Call(
        operation_id="joinOrg",
        method="POST",
        path="/v2/orgs/{orgName}/join",
        body=body,
        result=NoneType,
    )


def generate_secret() -> Call[GenerateSecretOutputBody]:
    """Generate secret."""
    return Call(
        operation_id="generateSecret",
        method="POST",
        path="/v2/orgs/{orgName}/secrets",
        result=GenerateSecretOutputBody,
    )


def list_domain_claims() -> Call[ListDomainClaimsOutputBody]:
    """List domain claims."""
    return Call(
        operation_id="listDomainClaims",
        method="GET",
        path="/v2/orgs/{orgName}/domain-claims",
        result=ListDomainClaimsOutputBody,
    )


def request_domain_claim(body: RequestDomainClaimInputBody) -> Call[DomainClaim]:
    """Claim a domain."""
    return Call(
        operation_id="requestDomainClaim",
        method="POST",
        path="/v2/orgs/{orgName}/domain-claims",
        body=body,
        result=DomainClaim,
    )


def release_domain_claim(domain: str) -> Call[None]:
    """Release a domain claim."""
    return Call(
        operation_id="releaseDomainClaim",
        method="DELETE",
        path="/v2/orgs/{orgName}/domain-claims/{domain}",
        names={"domain": domain},
        result=NoneType,
    )


def get_current_user() -> Call[UserProfile]:
    """Get current user."""
    return Call(
        operation_id="getCurrentUser",
        method="GET",
        path="/v2/users/me",
        result=UserProfile,
    )


def register_user(body: RegisterUserInputBody) -> Call[RegisterUserOutputBody]:
    """Register user."""
    return Call(
        operation_id="registerUser",
        method="POST",
        path="/v2/users",
        body=body,
        result=RegisterUserOutputBody,
    )


def list_audit_logs(query: AuditQuery | None = None) -> Listing[AuditLogEntry]:
    """List audit logs."""
    given = query or AuditQuery()
    return Listing(
        operation_id="listAuditLogs",
        method="GET",
        path="/v2/orgs/{orgName}/audit-logs",
        query=given,
        result=list[AuditLogEntry],
        identify=lambda item: item.id,
    )


def list_policies() -> Call[list[PolicyHealth]]:
    """List what the conductor does by itself."""
    return Call(
        operation_id="listPolicies",
        method="GET",
        path="/v2/orgs/{orgName}/policies",
        result=list[PolicyHealth],
    )


def create_backup() -> Call[None]:
    """Make a backup of the whole database; ``Client.download`` gets it as a zip."""
    return Call(
        operation_id="createBackup",
        method="POST",
        path="/v2/orgs/{orgName}/backups",
        result=NoneType,
    )
