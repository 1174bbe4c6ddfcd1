"""Which workflows a bulk action is about to hit: found, counted and fixed in time before anybody says yes."""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.console.workflows.counts import count_by_status
from conductor_lite.console.workflows.filters import STATUSES, WorkflowQuery, moment_text, up_to
from conductor_lite.console.workflows.rows import WorkflowRow, row_of
from conductor_lite.errors import DeadlineExceededError
from conductor_lite.operations import Operations
from conductor_lite.operations.bulk import BulkAction, narrowed, require_fit
from conductor_lite.operations.deadline import deadline
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

#: Where counting one by one ends.
MAX_COUNTED = 10_000
#: Workflows that are named before they are hit.
MAX_NAMED = 5
#: Seconds that finding and counting may take.
PATIENCE_SECS = 10.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What would be hit."""

    action: BulkAction
    #: Which workflows, in words.
    words: str
    #: How many; at least so many where ``more`` is set.
    total: int
    more: bool
    #: How many of each status; empty where nobody told.
    by_status: dict[str, int]
    #: Of those chosen by hand: how many the action does nothing to.
    passed_over: int
    #: Some of them, the newest.
    examples: tuple[WorkflowRow, ...]
    #: Nothing that was created later is meant, in milliseconds since 1970.
    until_epoch_ms: int


async def matching(
    operations: Operations, actor: Actor, application_name: str, action: BulkAction, query: WorkflowQuery
) -> Target:
    """What the action would hit of all that match.

    Raises:
        ForbiddenError, NotFoundError, DispatchError: as ``Workflows.search``.
        InvalidError: the application's SDK does not know all the filters.
    """
    filters = narrowed(action, query.asked)
    with deadline(PATIENCE_SECS):
        newest = await _newest(operations, actor, application_name, filters) if filters else []
        if filters is None or not newest:
            return _target(action, query.words, [])
        require_fit(newest, filters)
        until = newest[0].created_at_epoch_ms or 0
        filters = up_to(filters, until)
        by_status = await count_by_status(operations, actor, application_name, filters)
        if by_status is None:
            total, more = await _count(operations, actor, application_name, filters)
            return _target(action, query.words, newest, total=total, more=more)
    statuses = filters.status or list(by_status)
    counts = {status: count for status, count in by_status.items() if status in statuses and count}
    return _target(action, query.words, newest, by_status=counts, total=sum(counts.values()))


async def selected(
    operations: Operations, actor: Actor, application_name: str, action: BulkAction, ids: Sequence[str]
) -> Target:
    """What the action would hit of those chosen by hand. Raises as ``matching`` does."""
    wanted = WorkflowFilters(
        workflow_ids=list(ids), limit=len(ids), sort_desc=True, load_input=False, load_output=False
    )
    with deadline(PATIENCE_SECS):
        records = await _all(operations, actor, application_name, wanted)
    require_fit(records, wanted)
    filters = narrowed(action, WorkflowFilters(), chosen=True)
    statuses = filters.status if filters else None
    hit = [record for record in records if statuses is None or record.status in statuses]
    words = "the workflow that was chosen" if len(ids) == 1 else f"{len(ids):,} workflows that were chosen"
    counts = dict(Counter(record.status or "" for record in hit))
    found = _target(action, words, hit, by_status=counts, total=len(hit))
    return msgspec.structs.replace(found, passed_over=len(ids) - len(hit))


def filters_of(
    action: BulkAction, until_epoch_ms: int, *, query: WorkflowQuery | None = None, ids: Sequence[str] = ()
) -> WorkflowFilters | None:
    """The filters of a job on what was shown; None when there can be nothing."""
    if query is None:
        chosen = narrowed(action, WorkflowFilters(workflow_ids=list(ids)), chosen=True)
        return chosen and msgspec.structs.replace(chosen, end_time=moment_text(until_epoch_ms))
    filters = narrowed(action, query.asked)
    return filters and up_to(filters, until_epoch_ms)


def _target(
    action: BulkAction,
    words: str,
    records: Sequence[WorkflowRecord],
    *,
    total: int = 0,
    more: bool = False,
    by_status: dict[str, int] | None = None,
) -> Target:
    return Target(
        action=action,
        words=words,
        total=total,
        more=more,
        by_status=_in_order(by_status or {}),
        passed_over=0,
        examples=tuple(row_of(record) for record in records[:MAX_NAMED]),
        until_epoch_ms=max((record.created_at_epoch_ms or 0 for record in records), default=0),
    )


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    return {status: counts[status] for status in (*STATUSES, *sorted(counts)) if status in counts}


async def _newest(
    operations: Operations, actor: Actor, application_name: str, filters: WorkflowFilters
) -> list[WorkflowRecord]:
    wanted = msgspec.structs.replace(
        filters, limit=MAX_NAMED, sort_desc=True, load_input=False, load_output=False
    )
    return await _all(operations, actor, application_name, wanted)


async def _count(
    operations: Operations, actor: Actor, application_name: str, filters: WorkflowFilters
) -> tuple[int, bool]:
    """How many there are, and whether there are more: for SDKs too old to count, one by one."""
    wanted = msgspec.structs.replace(
        filters, limit=MAX_COUNTED + 1, sort_desc=True, load_input=False, load_output=False
    )
    count = 0
    pages = operations.workflows.search(actor, application_name, wanted)
    try:
        async with aclosing(pages):
            async for page in pages:
                count += len(page)
    except DeadlineExceededError:
        return count, True
    return min(count, MAX_COUNTED), count > MAX_COUNTED


async def _all(
    operations: Operations, actor: Actor, application_name: str, filters: WorkflowFilters
) -> list[WorkflowRecord]:
    pages = operations.workflows.search(actor, application_name, filters)
    async with aclosing(pages):
        return [record async for page in pages for record in page]
