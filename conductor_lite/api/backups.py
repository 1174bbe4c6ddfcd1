"""Backups over HTTP: a thin handler and its row of the table."""

from types import NoneType
from typing import Any

from conductor_lite.api.fields import OrganizationPath
from conductor_lite.api.operation import AnyOperation, Attachment, Call, Nothing, Operation
from conductor_lite.auth.permissions import ORGANIZATION_WRITE
from conductor_lite.operations.backups import BACKUP_OPERATION, BACKUP_PERMISSIONS


async def _create(call: Call[OrganizationPath, Nothing, Nothing]) -> Any:
    backup = await call.operations.backups.make(call.actor)
    return Attachment(
        chunks=backup.chunks(), name=backup.name, size_bytes=backup.size_bytes, done=backup.close
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="POST",
        path="/v2/orgs/{orgName}/backups",
        operation_id="createBackup",
        summary="Make a backup of the whole database and get it as a zip",
        tag="Orgs",
        permission=ORGANIZATION_WRITE,
        more_permissions=tuple(name for name in BACKUP_PERMISSIONS if name != ORGANIZATION_WRITE),
        audit=BACKUP_OPERATION,
        path_parameters=OrganizationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=NoneType,
        # The one type of files that generators of clients know.
        file_type="application/octet-stream",
        response_headers={"Content-Disposition": "What the file is to be called."},
        handler=_create,
    ),
)
