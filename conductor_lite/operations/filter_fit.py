"""Whether a workflow that an executor listed was asked for: older SDKs pass over filters unknown to them.

Pure. Reading may show what does not fit, and say so; changing must not touch it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

_EQUAL = (
    "status",
    "workflow_name",
    "application_version",
    "queue_name",
    "executor_id",
    "authenticated_user",
    "parent_workflow_id",
    "forked_from",
    "schedule_name",
    "application_name",
)
_AT_LEAST = {
    "start_time": "created_at_epoch_ms",
    "completed_after": "completed_at_epoch_ms",
    "dequeued_after": "dequeued_at_epoch_ms",
}
_AT_MOST = {
    "end_time": "created_at_epoch_ms",
    "completed_before": "completed_at_epoch_ms",
    "dequeued_before": "dequeued_at_epoch_ms",
}
#: SDKs differ in what they make of the fraction of a millisecond.
_LEEWAY_MS = 1


def unmet_filter(record: WorkflowRecord, filters: WorkflowFilters) -> str | None:
    """The name of a filter that the workflow does not meet; None when it meets all.

    What a record does not tell meets no filter: its SDK most likely does not know the filter either.
    """
    for name in filters.__struct_fields__:
        wanted = getattr(filters, name)
        if wanted is not None and wanted != [] and not _meets(record, name, wanted):
            return name
    return None


def _meets(record: WorkflowRecord, name: str, wanted: Any) -> bool:
    if name in _EQUAL:
        return getattr(record, name) in _several(wanted)
    if name in _AT_LEAST:
        return _compare(getattr(record, _AT_LEAST[name]), wanted, lambda at, bound: at >= bound - _LEEWAY_MS)
    if name in _AT_MOST:
        return _compare(getattr(record, _AT_MOST[name]), wanted, lambda at, bound: at <= bound + _LEEWAY_MS)
    match name:
        case "workflow_ids":
            return record.workflow_id in wanted
        case "workflow_id_prefix":
            return record.workflow_id.startswith(tuple(_several(wanted)))
        case "has_parent":
            return (record.parent_workflow_id is not None) is wanted
        case "was_forked_from":
            return bool(record.was_forked_from) is wanted
        case "queues_only":
            return record.queue_name is not None or not wanted
        case "attributes":
            return _has_attributes(record.attributes, wanted)
    # How many, in what order, with what.
    return True


def _several(wanted: str | Iterable[str]) -> tuple[str, ...]:
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


def _compare(at: int | None, bound: str, holds: Callable[[int, int], bool]) -> bool:
    return at is not None and holds(at, int(datetime.fromisoformat(bound).timestamp() * 1_000))


def _has_attributes(text: str | None, wanted: dict[str, Any]) -> bool:
    if not wanted:
        return True
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    # Objects and lists match where they contain what is wanted, each database in its own way: not judged.
    return isinstance(found, dict) and all(
        key in found and (found[key] == value or isinstance(value, dict | list))
        for key, value in wanted.items()
    )
