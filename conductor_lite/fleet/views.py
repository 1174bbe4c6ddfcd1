"""What the fleet tells others about itself: frozen pictures of one instant. No behaviour lives here."""

from datetime import datetime

import msgspec

HEALTHY = "HEALTHY"
DISCONNECTED = "DISCONNECTED"
DEAD = "DEAD"


class RecoveryView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the recovery of one dead executor is."""

    #: ``checking`` (asking whether work is pending), ``recovering``, ``retrying`` (waits before the next
    #: attempt), ``waiting`` (no healthy executor at all) or ``stranded`` (none that runs its version).
    stage: str
    #: Recovery messages sent for it so far.
    attempts: int = 0
    #: What went wrong last, if anything did.
    error: str | None = None
    #: When it was declared dead.
    dead_since: datetime


class ExecutorView(msgspec.Struct, frozen=True, kw_only=True):
    """One executor as the conductor knows it now."""

    application_id: str
    executor_id: str
    application_version: str
    #: HEALTHY (connected), DISCONNECTED (within its timeout) or DEAD.
    status: str
    hostname: str | None = None
    language: str | None = None
    dbos_version: str | None = None
    executor_metadata: dict[str, object] | None = None
    #: Network address of its socket.
    remote_address: str | None = None
    #: When it was first seen.
    created_at: datetime
    #: When its status last changed.
    updated_at: datetime
    #: When its present socket was accepted; None when it has none.
    connected_at: datetime | None = None
    #: When it last said anything.
    last_seen_at: datetime
    #: Milliseconds its last answered probe took.
    round_trip_ms: float | None = None
    #: Requests under way at it.
    in_flight: int = 0
    #: False when it is connected but leaves requests unanswered.
    responsive: bool = True
    #: When it will be declared dead unless it returns; only while DISCONNECTED.
    dead_at: datetime | None = None
    #: Only while DEAD.
    recovery: RecoveryView | None = None


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One application version among an application's executors."""

    application_version: str
    healthy: int = 0
    unresponsive: int = 0
    disconnected: int = 0
    dead: int = 0
    #: Since when work of this version waits for an executor that runs it; None when none waits.
    stranded_since: datetime | None = None
