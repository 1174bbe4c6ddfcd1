"""Entries of the audit log as the API shows them."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from conductor_lite.api.fields import Int64, Moment, Timestamp

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

_SubjectType: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": ["user", "api_key", "system"]})
]
_TargetType: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "enum": [
                "application",
                "token",
                "role",
                "user",
                "organization",
                "workflow",
                "schedule",
                "alerting_rule",
                "notification_target",
                "domain_claim",
            ]
        }
    ),
]


class AuditSubject(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who did it; ``system`` is the conductor acting by itself, such as recovering workflows."""

    type: _SubjectType
    id: str
    display: str


class AuditTarget(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What it was done to."""

    type: _TargetType
    id: str


class AuditLogEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that was done or refused. The source is empty for what the conductor did by itself."""

    id: str
    emit_time: Timestamp
    operation: str
    status: Literal["success", "failure"]
    subject: AuditSubject
    source_ip: str
    details: dict[str, Any] | None
    target: AuditTarget | msgspec.UnsetType = msgspec.UNSET


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which entries, and how many."""

    start_time: Moment | Unset = UNSET
    end_time: Moment | Unset = UNSET
    operation: str | Unset = UNSET
    subject: str | Unset = UNSET
    target: str | Unset = UNSET
    limit: Int64 = 100
    offset: Int64 = 0
