"""What the store keeps of workflows for when their application is away: Structs, no SQL, no behaviour.

Times are milliseconds since 1970 by the application's own clocks, unless they are datetimes, which are ours.
"""

from datetime import datetime
from typing import TypeAlias

import msgspec

#: A stretch of creation times, both ends within.
Span: TypeAlias = tuple[int, int]


class WorkflowSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Metadata of one workflow, field by field as an executor told it; never its payloads."""

    workflow_id: str
    created_at_epoch_ms: int
    status: str | None = None
    #: Whether it will not go on by itself.
    finished: bool = False
    workflow_name: str | None = None
    workflow_class_name: str | None = None
    workflow_config_name: str | None = None
    authenticated_user: str | None = None
    assumed_role: str | None = None
    authenticated_roles: str | None = None
    updated_at_epoch_ms: int | None = None
    queue_name: str | None = None
    application_version: str | None = None
    executor_id: str | None = None
    timeout_ms: int | None = None
    deadline_epoch_ms: int | None = None
    deduplication_id: str | None = None
    priority: int | None = None
    queue_partition_key: str | None = None
    forked_from: str | None = None
    was_forked_from: bool | None = None
    parent_workflow_id: str | None = None
    dequeued_at_epoch_ms: int | None = None
    delay_until_epoch_ms: int | None = None
    completed_at_epoch_ms: int | None = None
    #: JSON text.
    attributes: str | None = None
    schedule_name: str | None = None
    application_name: str | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a snapshot stands in the order of creation; after it the next page begins."""

    created_at_epoch_ms: int
    number: int


class SnapshotProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the snapshots of one application are. Written together with what was found on the way."""

    #: Everything created until then is known, and perhaps more at that very time.
    created_until: int | None = None
    #: Likewise for what has ended, and for what has left its queue.
    completed_until: int | None = None
    dequeued_until: int | None = None
    #: Stretches to look through again, for something turned up in them that should have been known.
    gaps: tuple[Span, ...] = ()
    #: Where the pass through everything goes on; None before the next one begins.
    pass_from: int | None = None
    #: Whether someone asked for the pass that is under way, so that it shall not dawdle.
    pass_asked_for: bool = False
    #: When a pass last reached its end.
    pass_ended_at: datetime | None = None
    #: What was created before is not kept, for there is too much that is newer.
    floor: int = 0
    #: Why the last look at what has changed did not come to its end; None when it did.
    error: str | None = None


class SnapshotSource(msgspec.Struct, frozen=True, kw_only=True):
    """An application whose workflows are kept."""

    #: Stands for it in the tables of snapshots.
    number: int
    application_id: str
    progress: SnapshotProgress
    #: When a look at what has changed last came to its end; None before the first.
    synced_at: datetime | None = None
    #: When someone asked for a pass through everything that has not begun yet.
    full_pass_requested_at: datetime | None = None


class SnapshotFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which snapshots: all filters that are given must match, each by any of its values."""

    workflow_id: tuple[str, ...] = ()
    workflow_id_prefix: tuple[str, ...] = ()
    workflow_name: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    authenticated_user: tuple[str, ...] = ()
    application_version: tuple[str, ...] = ()
    executor_id: tuple[str, ...] = ()
    queue_name: tuple[str, ...] = ()
    schedule_name: tuple[str, ...] = ()
    parent_workflow_id: tuple[str, ...] = ()
    forked_from: tuple[str, ...] = ()
    application_name: tuple[str, ...] = ()
    was_forked_from: bool | None = None
    has_parent: bool | None = None
    #: Only those with a queue.
    queues_only: bool = False
    #: Facts that the custom attributes must all hold (see ``attribute_facts``).
    facts: tuple[int, ...] = ()
    #: Both ends within.
    created: tuple[int | None, int | None] = (None, None)
    completed: tuple[int | None, int | None] = (None, None)
    dequeued: tuple[int | None, int | None] = (None, None)
