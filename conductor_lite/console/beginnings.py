"""When a workflow began, and whether its waiting can be told from its work: for all pages. Pure.

SDKs overwrite the time of dequeuing when a workflow is recovered or resumed, and do not tell that they did.
What gives it away: the queue for recoveries, recoveries that this server knows of, steps from before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from conductor_lite.console.formatting import moment_of
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.protocol import WorkflowRecord

#: Where SDKs put what is to begin anew, among other things.
_INTERNAL_QUEUE = "_dbos_internal_queue"
#: The database's clock tells when a workflow was dequeued, the executor's when its steps began, ours when an
#: executor was recovered. On SQLite times of workflows are whole seconds besides.
CLOCKS_APART = timedelta(seconds=1)


def began_anew(record: WorkflowRecord, recoveries: Sequence[PastRecovery] = ()) -> bool:
    """Whether a workflow was recovered or resumed, as far as its record tells, or may have been.

    Args:
        record: as an executor or a snapshot gave it.
        recoveries: those of its application within `span_of_doubt`. With a queue of its own nothing else
            tells, and while an executor of its version was recovered it may have been that one's.
    """
    left = _taken_or_put_back_at(record)
    if left is None:
        return False
    if record.queue_name == _INTERNAL_QUEUE:
        # What else stands there: runs of schedules, forks, and the SDKs' own workflows.
        return not (
            record.schedule_name or record.forked_from or (record.workflow_name or "").startswith("_dbos")
        )
    created = moment_of(record.created_at_epoch_ms)
    if not record.queue_name or created is None:
        return False
    return any(
        recovery.application_version == record.application_version
        and recovery.dead_at - CLOCKS_APART <= left
        and created <= recovery.answered_at + CLOCKS_APART
        for recovery in recoveries
    )


def span_of_doubt(records: Iterable[WorkflowRecord]) -> tuple[datetime, datetime] | None:
    """The time within which recoveries decide whether these began anew; None where none can."""
    spans = []
    for record in records:
        created, left = moment_of(record.created_at_epoch_ms), _taken_or_put_back_at(record)
        if created is None or left is None or record.queue_name in (None, "", _INTERNAL_QUEUE):
            continue
        # Nobody is declared dead and recovered within so little.
        if left - created > CLOCKS_APART:
            spans.append((created, left))
    return (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else None


def worked_before(dequeued_at: datetime, first_step_at: datetime | None) -> bool:
    """Whether a step began before its workflow was dequeued for the last time, so that it began anew."""
    return first_step_at is not None and first_step_at < dequeued_at - CLOCKS_APART


def put_back_at(record: WorkflowRecord) -> datetime | None:
    """When a workflow that waits was put on its queue anew; None when it was not."""
    created, updated = moment_of(record.created_at_epoch_ms), moment_of(record.updated_at_epoch_ms)
    if record.status != "ENQUEUED" or created is None or updated is None:
        return None
    return updated if updated > created + CLOCKS_APART else None


def _taken_or_put_back_at(record: WorkflowRecord) -> datetime | None:
    if record.dequeued_at_epoch_ms is None:
        return put_back_at(record)
    return moment_of(record.dequeued_at_epoch_ms)
