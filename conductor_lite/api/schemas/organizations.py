"""Organisations, their members and roles, and users, as the API shows them."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from conductor_lite.api.fields import Int32, Timestamp

# Names that are asked for are checked by the operation, which audits what it refuses.
NewOrganizationName: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 3, "maxLength": 30, "pattern": "^[a-z0-9_]+$"})
]
RoleName: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 3, "maxLength": 30, "pattern": "^[a-zA-Z0-9_]+$"})
]
Username: TypeAlias = NewOrganizationName
Domain: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 4, "maxLength": 253})]
_RetentionDays: TypeAlias = Annotated[
    int, msgspec.Meta(extra_json_schema={"format": "int32", "minimum": 7, "maximum": 3_650})
]
_Plan: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": ["free", "pro", "past_limit", "team"]})
]
Unset: TypeAlias = msgspec.UnsetType
UNSET = msgspec.UNSET


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What all answers have in common."""


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What all bodies have in common."""


class Organization(_Answer, frozen=True, kw_only=True):
    """An organisation. This server sells no plans: the most generous one is named, and limits say "none"."""

    id: str
    name: str
    created_at: Timestamp
    subscription_plan: _Plan
    max_database_instances: Int32
    max_apps: Int32
    max_vms: Int32
    default_rds_instance_class_type: str
    max_team_members: Int32
    max_conductor_apps: Int32
    audit_log_retention_days: Int32


class UpdateOrgInputBody(_Body, frozen=True, kw_only=True):
    """Settings to change; what is left out stays as it is."""

    new_name: NewOrganizationName | Unset = UNSET
    audit_log_retention_days: _RetentionDays | Unset = UNSET


class RoleOutput(_Answer, frozen=True, kw_only=True):
    """A named set of permissions; a global one is built in."""

    name: str
    is_global: bool
    permissions: list[str]


class CreateRoleInputBody(_Body, frozen=True, kw_only=True):
    """A role to make."""

    name: RoleName
    permissions: list[str] | None = None


class CreateRoleOutputBody(_Answer, frozen=True, kw_only=True):
    """The role that was made."""

    name: str
    permissions: list[str]


class OrgMembers(_Answer, frozen=True, kw_only=True):
    """An organisation's members: each one's role by user name."""

    org_name: str
    users: dict[str, RoleOutput]


class Member(_Answer, frozen=True, kw_only=True):
    """One member."""

    id: str
    org_id: str
    email: str
    name: str
    given_name: str
    family_name: str
    company: str


class JoinOrgInputBody(_Body, frozen=True, kw_only=True):
    """The secret that lets a user in."""

    secret: str


class GenerateSecretOutputBody(_Answer, frozen=True, kw_only=True):
    """A secret that lets a user in."""

    secret: str


class DomainClaim(_Answer, frozen=True, kw_only=True):
    """Users with an address at this domain join by themselves."""

    id: str
    domain: str
    status: Literal["pending", "approved", "denied"]
    org_name: str
    requested_by: str
    requested_at: Timestamp
    decided_at: Timestamp | Unset = UNSET
    decided_by: str | Unset = UNSET
    decision_note: str | Unset = UNSET


class ListDomainClaimsOutputBody(_Answer, frozen=True, kw_only=True):
    """All domain claims."""

    claims: list[DomainClaim]


class RequestDomainClaimInputBody(_Body, frozen=True, kw_only=True):
    """The domain to claim."""

    domain: Domain


class RegisterUserInputBody(_Body, frozen=True, kw_only=True):
    """Who registers."""

    name: Username
    given_name: str | Unset = UNSET
    family_name: str | Unset = UNSET
    company: str | Unset = UNSET
    secret: str | Unset = UNSET


class RegisterUserOutputBody(_Answer, frozen=True, kw_only=True):
    """The user who registered."""

    id: str


class UserProfile(_Answer, frozen=True, kw_only=True):
    """Who asks."""

    name: str
    email: str
    org_name: str
    org_id: str
    subscription_plan: _Plan
    created_at: Timestamp
    role: RoleOutput | Unset = UNSET
    is_dbos_admin: bool | Unset = UNSET
