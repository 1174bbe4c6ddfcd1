"""Executors that left work behind but are not on record here: what the sweep for them has found.

They started and died while the conductor was away, or run without an API key; nobody can tell from outside.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from conductor_lite.fleet.liveness import ExecutorKey

#: Forgotten executors that are remembered.
MAX_FORGOTTEN = 10_000


class UnknownExecutor(msgspec.Struct, frozen=True, kw_only=True):
    """An executor that is not on record and owns pending workflows."""

    executor_id: str
    application_version: str
    #: Pending workflows at the last look.
    pending_count: int
    #: When it was first seen to own some, by the calendar and by the monotonic clock.
    first_seen_at: datetime
    since: float


class UnknownExecutors:
    """What was found, by application."""

    def __init__(self) -> None:
        self._found: dict[str, dict[ExecutorKey, UnknownExecutor]] = {}
        # Those that were on record once: if they turn up again, a recovery left work behind.
        self._forgotten: dict[tuple[str, ExecutorKey], None] = {}

    def update(
        self, application_id: str, pending: Mapping[ExecutorKey, int], now: datetime, monotonic: float
    ) -> bool:
        """Take over what a look has found; whoever is not in it any more is dropped.

        Args:
            application_id: whose.
            pending: how many workflows each of them owns.
            now: the time of the look, by the calendar.
            monotonic: the same by the monotonic clock.

        Returns:
            Whether anything is different from before.
        """
        before = self._found.get(application_id, {})
        after = {
            key: UnknownExecutor(
                executor_id=key.executor_id,
                application_version=key.application_version,
                pending_count=count,
                first_seen_at=before[key].first_seen_at if key in before else now,
                since=before[key].since if key in before else monotonic,
            )
            for key, count in pending.items()
        }
        self._found[application_id] = after
        return before != after

    def remember_forgotten(self, application_id: str, key: ExecutorKey) -> None:
        """Note that one was on record and had nothing pending; only the latest are kept."""
        self._forgotten[application_id, key] = None
        if len(self._forgotten) > MAX_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]

    def was_forgotten(self, application_id: str, key: ExecutorKey) -> bool:
        """Whether one was on record once."""
        return (application_id, key) in self._forgotten

    def drop(self, application_id: str, key: ExecutorKey) -> None:
        """Stop listing one, for it is on record from now on."""
        self._found.get(application_id, {}).pop(key, None)

    def drop_application(self, application_id: str) -> None:
        """Stop listing an application's."""
        self._found.pop(application_id, None)
        self._forgotten = {known: None for known in self._forgotten if known[0] != application_id}

    def of(self, application_id: str) -> list[UnknownExecutor]:
        """Those of one application, the one seen first at the top."""
        return sorted(self._found.get(application_id, {}).values(), key=lambda found: found.first_seen_at)
