"""The state of an application's snapshots as the API shows it."""

import msgspec

from conductor_lite.api.fields import Int64, Timestamp


class SnapshotStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the metadata of workflows is doing that is kept for when no executor is connected."""

    #: How many are on record.
    workflow_count: Int64
    #: When they were last up to date; null when they never were.
    synced_at: Timestamp | None
    #: When everything was last looked through; null when it never was.
    full_pass_at: Timestamp | None
    #: Whether a pass through everything that was asked for is not over yet.
    full_pass_pending: bool
    #: Why they are not up to date; null when they are, or nobody could be asked.
    error: str | None
