"""From a workflow's record to its row in the table, and which columns have anything to show. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from conductor_lite.console.beginnings import began_anew, put_back_at
from conductor_lite.console.formatting import clip, moment_of
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.protocol import WorkflowRecord

#: Longest name and id that a row has: fifty rows of a megabyte each would be too much for any reader. What is
#: cut off has no address.
MAX_NAME_CHARS = 2_000
MAX_ID_CHARS = 4_000
#: Attributes that a row shows, and how much of the text that they came as is read.
_MAX_ATTRIBUTES = 50
_MAX_ATTRIBUTES_CHARS = 20_000


class WorkflowRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of the table."""

    workflow_id: str
    status: str
    name: str
    class_name: str | None
    queue_name: str | None
    application_version: str | None
    executor_id: str | None
    user: str | None
    schedule_name: str | None
    #: The application that it belongs to, where several share a database.
    application_name: str | None
    parent_workflow_id: str | None
    forked_from: str | None
    was_forked: bool
    created_at: datetime | None
    dequeued_at: datetime | None
    completed_at: datetime | None
    delay_until: datetime | None
    #: Since when it is on its queue; None when it is not.
    queued_at: datetime | None
    #: How long it was on its queue; None when it never was on one, still is, or nobody knows.
    waited_secs: float | None
    #: How long it ran, from its start to its end; None while it has not ended.
    ran_secs: float | None
    #: Whether it was, or may have been, recovered or resumed: nobody knows when it ran first.
    began_anew: bool
    attributes: dict[str, object]
    #: How deep it stands in the tree, from 0.
    depth: int = 0
    #: Children that it has, as far as they were counted; None when nobody counted.
    children: int | None = None
    #: Whether some of them stand below it.
    is_open: bool = False

    @property
    def began_at(self) -> datetime | None:
        """When it began to run, as far as is known."""
        return self.created_at if self.began_anew else self.dequeued_at or self.created_at


def row_of(
    record: WorkflowRecord,
    depth: int = 0,
    *,
    whole: bool = False,
    recoveries: Sequence[PastRecovery] = (),
) -> WorkflowRow:
    """Make a row.

    Args:
        record: as an executor or a snapshot gave it.
        depth: how deep it stands in the tree.
        whole: whether names and ids are kept however long they are; otherwise they end with an ellipsis.
        recoveries: of its application, as `began_anew` takes them.
    """
    name, id_ = (_same, _same) if whole else (_short_name, _short_id)
    created_at, dequeued_at = moment_of(record.created_at_epoch_ms), moment_of(record.dequeued_at_epoch_ms)
    completed_at, anew = moment_of(record.completed_at_epoch_ms), began_anew(record, recoveries)
    return WorkflowRow(
        workflow_id=id_(record.workflow_id) or "",
        status=name(record.status) or "",
        name=name(record.workflow_name) or "",
        class_name=name(record.workflow_class_name),
        queue_name=name(record.queue_name),
        application_version=name(record.application_version),
        executor_id=name(record.executor_id),
        user=name(record.authenticated_user),
        schedule_name=name(record.schedule_name),
        application_name=name(record.application_name),
        parent_workflow_id=id_(record.parent_workflow_id),
        forked_from=id_(record.forked_from),
        was_forked=bool(record.was_forked_from),
        created_at=created_at,
        dequeued_at=dequeued_at,
        completed_at=completed_at,
        delay_until=moment_of(record.delay_until_epoch_ms) if record.status == "DELAYED" else None,
        queued_at=_queued_at(record, created_at, anew=anew),
        waited_secs=_secs(created_at, dequeued_at) if record.queue_name and not anew else None,
        ran_secs=_secs(created_at if anew else dequeued_at or created_at, completed_at),
        began_anew=anew,
        attributes=_attributes(record.attributes),
        depth=depth,
    )


def bounded(record: WorkflowRecord) -> WorkflowRecord:
    """The record with no text longer than an id may be."""
    texts = ((field, getattr(record, field)) for field in record.__struct_fields__)
    cut = {
        field: clip(text, MAX_ID_CHARS)
        for field, text in texts
        if isinstance(text, str) and len(text) > MAX_ID_CHARS
    }
    return msgspec.structs.replace(record, **cut) if cut else record


def _same(text: str | None) -> str | None:
    return text


def _short_name(text: str | None) -> str | None:
    return None if text is None else clip(text, MAX_NAME_CHARS)


def _short_id(text: str | None) -> str | None:
    return None if text is None else clip(text, MAX_ID_CHARS)


def columns_of(rows: Iterable[WorkflowRow], application_name: str) -> frozenset[str]:
    """The columns in which some row has something to show.

    Args:
        rows: those that are shown.
        application_name: whose table it is; only other names are worth a column.
    """
    found: set[str] = set()
    for row in rows:
        if row.queue_name:
            found.add("queue")
        if row.waited_secs is not None or row.queued_at or row.delay_until:
            found.add("waited")
        if row.application_version:
            found.add("version")
        if row.executor_id:
            found.add("executor")
        if row.user:
            found.add("user")
        if row.attributes:
            found.add("attributes")
        if row.schedule_name:
            found.add("schedule")
        if row.application_name and row.application_name != application_name:
            found.add("application")
    return frozenset(found)


def _queued_at(record: WorkflowRecord, created_at: datetime | None, *, anew: bool) -> datetime | None:
    if record.status != "ENQUEUED":
        return None
    return (put_back_at(record) if anew else None) or created_at


def _secs(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    # Clocks of two machines may differ by more than a short wait.
    return max(0.0, (end - start).total_seconds())


def _attributes(text: str | None) -> dict[str, object]:
    """Read leniently: what is no JSON object is shown as one value without a name."""
    if not text:
        return {}
    if len(text) > _MAX_ATTRIBUTES_CHARS:
        return {"": f"{text[:100]}…"}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"": text[:100]}
    if not isinstance(value, dict):
        return {"": value} if value is not None else {}
    return dict(list(value.items())[:_MAX_ATTRIBUTES])
