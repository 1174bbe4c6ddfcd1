"""Deletes entries of the audit log that are older than their organization wants to keep."""

import logging
from datetime import timedelta

from conductor_lite.clock import Clock
from conductor_lite.fleet.changes import AUDIT, Changes
from conductor_lite.policies.trusted_time import TrustedTime
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.organizations import Organizations

logger = logging.getLogger("conductor_lite.policies")

#: Entries deleted in one transaction: few enough that nobody who writes has to wait for long.
BATCH_SIZE = 500


class AuditRetention:
    """One round at the start, then one a day.

    Args:
        organizations: say how long to keep entries.
        audit_log: the entries.
        changes: whom to tell when some are gone.
        clock: the time of day.
    """

    name = "audit retention"
    interval_secs = 24 * 3600.0

    def __init__(
        self, organizations: Organizations, audit_log: AuditLog, changes: Changes, clock: Clock
    ) -> None:
        self._organizations = organizations
        self._audit_log = audit_log
        self._changes = changes
        self._time = TrustedTime(clock)

    async def round(self) -> None:
        """Do it once; see ``prune``."""
        await self.prune()

    async def prune(self) -> int:
        """Delete what is past its time, in every organization; returns how many entries that were.

        Raises:
            StoreError: the database refused; what was deleted before that stays deleted.
        """
        deleted = 0
        for organization in await self._organizations.all():
            before = self._time.now() - timedelta(days=organization.audit_log_retention_days)
            while True:
                batch = await self._audit_log.prune(organization.id, before, limit=BATCH_SIZE)
                deleted += batch
                if batch < BATCH_SIZE:
                    break
        if deleted:
            logger.info("Deleted %d entries of the audit log that were past their time.", deleted)
            self._changes.publish(AUDIT)
        return deleted
