"""The page of settings: backup, the organisation, how the server is, and what it was started with."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.rendering import Page
from conductor_lite.console.site import Site, explain
from conductor_lite.downloads import Download
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError
from conductor_lite.operations.audit import AuditEntry
from conductor_lite.operations.backups import BACKUP_OPERATION, BACKUP_PERMISSIONS
from conductor_lite.operations.installation import Installation
from conductor_lite.operations.organization import (
    MAX_RETENTION_DAYS,
    MIN_RETENTION_DAYS,
    NAME_RULE,
    OrganizationRecord,
)
from conductor_lite.operations.topics import AUDIT

#: Seconds between two looks at how the server is.
_POLL_SECS = 5.0
#: Less room on the disk than this is pointed out.
_LOW_DISK_BYTES = 1 << 30
#: What a backup is called in the commands that restore it, as long as none was made.
_ANY_FILE = "conductor-backup.zip"


class SettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    installation: Installation
    organization: OrganizationRecord
    #: The audit entry of the latest backup that was made here, or tried; None when there is none.
    last_backup: AuditEntry | None


class SettingsPage:
    """Shows and changes settings, and makes backups."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does = self._site.shows, self._site.does
        return [
            Route("/settings", shows(self.show), methods=["GET"]),
            Route("/settings/organization", does(self.save), methods=["POST"]),
            Route("/settings/backup", does(self.back_up), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page."""
        return await self._page(actor)

    async def save(self, request: Request, actor: Actor, form: Form) -> Response:
        """Change the organisation, and come back."""
        name, days = form.text("name"), form.text("audit_log_retention_days")
        try:
            await self._site.operations.organization.update(
                actor, name=name, audit_log_retention_days=_whole_number(days)
            )
        except (InvalidError, ConflictError, ForbiddenError) as error:
            page = await self._page(actor, {"name": name, "days": days, "problem": explain(error)})
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        return self._site.redirect(
            request, "/settings", Flash(text="Saved the settings of the organisation.")
        )

    async def back_up(self, request: Request, actor: Actor, form: Form) -> Response:
        """Make a backup, and send it."""
        backup = await self._site.operations.backups.make(actor)
        return Download(
            backup.chunks(),
            backup.name,
            "application/zip",
            size_bytes=backup.size_bytes,
            done=backup.close,
        )

    async def _page(self, actor: Actor, filled: dict[str, str] | None = None) -> Page:
        operations = self._site.operations
        installation = await operations.installations.describe(actor)
        organization = await operations.organization.get(actor)
        backups = await operations.audit.list(actor, operation=BACKUP_OPERATION, limit=1)
        unfilled = {
            "name": organization.name,
            "days": str(organization.audit_log_retention_days),
            "problem": "",
        }
        return Page(
            template="settings.html",
            title="Settings",
            section="settings",
            path="/settings",
            topics=(AUDIT,),
            poll_secs=_POLL_SECS,
            styles=("admin.css",),
            data=SettingsView(
                installation=installation,
                organization=organization,
                last_backup=backups[0] if backups else None,
            ),
            extras={
                "form": filled or unfilled,
                "backup_lacks": [name for name in BACKUP_PERMISSIONS if name not in actor.permissions],
                "name_rule": NAME_RULE,
                "retention_days": (MIN_RETENTION_DAYS, MAX_RETENTION_DAYS),
                "low_disk_bytes": _LOW_DISK_BYTES,
                "restore_command": installation.restore_command(_ANY_FILE),
            },
        )


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidError("Write the days that entries are kept as a whole number.")
    return int(text)
