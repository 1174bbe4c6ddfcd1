"""Executors that left work behind but are not on record here: what the sweep for them has found.

They started and died while the conductor was away, or run without an API key; nobody can tell from outside.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from conductor_lite.fleet.liveness import ExecutorKey


class UnknownExecutor(msgspec.Struct, frozen=True, kw_only=True):
    """An executor that is not on record and owns pending workflows."""

    executor_id: str
    application_version: str
    #: Pending workflows at the last look.
    pending_count: int
    #: When it was first seen to own some, by the calendar and by the monotonic clock.
    first_seen_at: datetime
    since: float
    #: Whether it was on record once: then a recovery left this behind, and nobody needs to be asked about it.
    was_on_record: bool = False


class UnknownExecutors:
    """What was found, by application."""

    def __init__(self) -> None:
        self._found: dict[str, dict[ExecutorKey, UnknownExecutor]] = {}

    def update(
        self,
        application_id: str,
        pending: Mapping[ExecutorKey, int],
        were_on_record: Collection[ExecutorKey],
        now: datetime,
        monotonic: float,
    ) -> bool:
        """Take over what a look has found; whoever is not in it any more is dropped.

        Args:
            application_id: whose.
            pending: how many workflows each of them owns.
            were_on_record: which of them were on record once.
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
                was_on_record=key in were_on_record,
            )
            for key, count in pending.items()
        }
        self._found[application_id] = after
        return before != after

    def drop(self, application_id: str, key: ExecutorKey) -> None:
        """Stop listing one, for it is on record from now on."""
        self._found.get(application_id, {}).pop(key, None)

    def drop_application(self, application_id: str) -> None:
        """Stop listing an application's."""
        self._found.pop(application_id, None)

    def of(self, application_id: str) -> list[UnknownExecutor]:
        """Those of one application that were never on record, the one seen first at the top."""
        return [found for found in self.all_of(application_id) if not found.was_on_record]

    def all_of(self, application_id: str) -> list[UnknownExecutor]:
        """The same with those that were on record once, whose work is recovered without being asked."""
        return sorted(self._found.get(application_id, {}).values(), key=lambda found: found.first_seen_at)
