"""The audit log over HTTP: a thin handler and its row of the table."""

from typing import Literal

import msgspec

from conductor_lite.api.fields import OrganizationPath, timestamp
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.audit import AuditLogEntry, AuditQuery, AuditSubject, AuditTarget
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.turns import each

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

#: What the published API calls an API key that something was done to.
_TARGET_TYPES = {"api_key": "token"}


def _translate(entry: AuditEntry) -> AuditLogEntry:
    target: AuditTarget | Unset = UNSET
    if entry.target_type is not None and entry.target_id is not None:
        target = AuditTarget(type=_TARGET_TYPES.get(entry.target_type, entry.target_type), id=entry.target_id)
    status: Literal["success", "failure"] = "success" if entry.status == "success" else "failure"
    return AuditLogEntry(
        id=str(entry.id),
        emit_time=timestamp(entry.emitted_at),
        operation=entry.operation,
        status=status,
        subject=AuditSubject(type=entry.subject_type, id=entry.subject_id, display=entry.subject_display),
        target=target,
        source_ip=entry.source_ip or "",
        details=entry.details or None,
    )


async def _list(call: Call[OrganizationPath, AuditQuery, Nothing]) -> list[AuditLogEntry]:
    query = call.query
    entries = await call.operations.audit.list(
        call.actor,
        start=None if query.start_time is UNSET else query.start_time,
        end=None if query.end_time is UNSET else query.end_time,
        operation=None if query.operation is UNSET else query.operation,
        subject=None if query.subject is UNSET else query.subject,
        target=None if query.target is UNSET else query.target,
        limit=query.limit,
        offset=query.offset,
    )
    return await each(entries, _translate)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path="/v2/orgs/{orgName}/audit-logs",
        operation_id="listAuditLogs",
        summary="List audit logs",
        tag="Audit",
        permission=ORGANIZATION_READ,
        limited_keys=(
            "A key that is limited to some applications sees the entries about these, and its own."
        ),
        path_parameters=OrganizationPath,
        query_parameters=AuditQuery,
        body=Nothing,
        result=list[AuditLogEntry],
        handler=_list,
    ),
)
