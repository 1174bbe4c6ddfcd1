"""Retention as the API shows it."""

from typing import Literal

import msgspec

from conductor_lite.api.fields import Int64, Timestamp


class RetentionRun(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One time that an executor was asked to clear old workflows away."""

    id: str
    started_at: Timestamp
    duration_ms: Int64
    #: ``unanswered``: no answer came in time; it may have been done all the same.
    status: Literal["succeeded", "failed", "unanswered"]
    error: str | None
    executor_id: str
    #: Ended workflows made before this were deleted.
    gc_cutoff: Timestamp | None
    gc_rows_threshold: Int64 | None
    #: Workflows made before this that had not ended were cancelled.
    timeout_cutoff: Timestamp | None


class RetentionQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many, and how many to pass over first."""

    limit: Int64 = 100
    offset: Int64 = 0


class RetentionPreview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run would do now. The first two may mean the same workflows."""

    #: Ended workflows that are too old; null when age does not matter.
    too_old_count: Int64 | None
    #: The oldest beyond the number to keep, those that go on included; null when any number is kept.
    too_many_count: Int64 | None
    #: Workflows that have not ended in time and would be cancelled; null when they may go on.
    timed_out_count: Int64 | None
    total_count: Int64
