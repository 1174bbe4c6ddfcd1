"""The filters of a search as snapshots understand them: they mean what they mean to an executor."""

from datetime import datetime
from typing import Any

from conductor_lite.errors import InvalidError
from conductor_lite.protocol import WorkflowFilters
from conductor_lite.store.snapshot_attributes import facts_asked_for
from conductor_lite.store.snapshot_records import SnapshotFilters

_SAME = (
    "workflow_id_prefix",
    "workflow_name",
    "status",
    "authenticated_user",
    "application_version",
    "executor_id",
    "queue_name",
    "schedule_name",
    "parent_workflow_id",
    "forked_from",
    "application_name",
)
#: What a search for workflows on queues means by default.
_QUEUED = ("DELAYED", "ENQUEUED", "PENDING")
#: Most values of all filters together: databases bound them.
MAX_VALUES = 10_000


def snapshot_filters(filters: WorkflowFilters) -> SnapshotFilters:
    """Translate; limit, offset and order are the caller's.

    Raises:
        InvalidError: snapshots cannot be searched for such attributes, or for so many values at once.
    """
    values: dict[str, Any] = {name: _several(getattr(filters, name)) for name in _SAME}
    values["workflow_id"] = _several(filters.workflow_ids)
    count = sum(map(len, values.values()))
    if count > MAX_VALUES:
        raise InvalidError(
            f"Snapshots can be searched for at most {MAX_VALUES:,} values at once, and these are {count:,}. "
            "Ask for them in several parts."
        )
    if filters.queues_only and not values["status"]:
        values["status"] = _QUEUED
    return SnapshotFilters(
        **values,
        was_forked_from=filters.was_forked_from,
        has_parent=filters.has_parent,
        queues_only=bool(filters.queues_only),
        facts=facts_asked_for(filters.attributes or {}),
        created=(_epoch_ms(filters.start_time), _epoch_ms(filters.end_time)),
        completed=(_epoch_ms(filters.completed_after), _epoch_ms(filters.completed_before)),
        dequeued=(_epoch_ms(filters.dequeued_after), _epoch_ms(filters.dequeued_before)),
    )


def _several(value: str | list[str] | None) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _epoch_ms(text: str | None) -> int | None:
    # What is finer than a millisecond is dropped, as SDKs do.
    return int(datetime.fromisoformat(text).timestamp() * 1_000) if text else None
