"""What the conductor counts of itself: how long things take, and a report of how it is. No I/O."""

from bisect import bisect_left
from datetime import datetime
from itertools import accumulate

import msgspec

#: Upper bounds of the buckets that durations fall into, in seconds.
BUCKETS_SECS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Durations:
    """How long something took, every time since the start."""

    def __init__(self) -> None:
        # One more than there are bounds, for what took longer than all.
        self._counts = [0] * (len(BUCKETS_SECS) + 1)
        self._total_secs = 0.0

    def note(self, secs: float) -> None:
        """Count one."""
        self._counts[bisect_left(BUCKETS_SECS, secs)] += 1
        self._total_secs += secs

    def picture(self) -> "DurationsView":
        """What has been counted so far."""
        return DurationsView(counts=tuple(accumulate(self._counts)), total_secs=self._total_secs)


class DurationsView(msgspec.Struct, frozen=True, kw_only=True):
    """Durations at one instant."""

    #: How many took at most as long as each of `BUCKETS_SECS`; the last one counts all.
    counts: tuple[int, ...]
    total_secs: float


class PolicyHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How something that the conductor does by itself is doing."""

    name: str
    #: Seconds from the end of one round to the beginning of the next, give or take a little.
    interval_secs: float
    #: When its last round ended; None before the first.
    ended_at: datetime | None = None
    #: When its last good round ended; None before the first.
    succeeded_at: datetime | None = None
    #: How long its last round took.
    duration_secs: float | None = None
    #: How long the round that is under way has taken; None between rounds.
    running_secs: float | None = None
    #: How much later than it should be the next good round is, as of now.
    lag_secs: float = 0.0
    #: Rounds that failed since the last good one.
    failures: int = 0
    #: What went wrong in the last round; None when nothing did.
    error: str | None = None
    #: What people should know besides, such as what it could not do as well as it should.
    notes: tuple[str, ...] = ()


class ConductorReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the conductor is."""

    version: str
    #: Sockets of executors.
    connections: int
    http_requests: DurationsView
    executor_requests: DurationsView
    #: Longest that anything waited for the event loop within the last one to two minutes.
    loop_lag_secs: float
    #: Transactions that wait for their turn to write.
    writes_waiting: int
    database_bytes: int
    write_ahead_log_bytes: int
    policies: tuple[PolicyHealth, ...]
