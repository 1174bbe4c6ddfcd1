"""Workflows as a tree: below those that are open stand their children, asked for level by level."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from conductor_lite.console.workflows.rows import WorkflowRow, row_of
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.protocol import WorkflowRecord

#: Most children that are fetched for one level of the tree.
MAX_LEVEL = 1_000
#: Most that are shown below one workflow; the rest stands on a page of its own.
MAX_SHOWN = 100
#: Levels below the top that can be opened.
MAX_DEPTH = 12

#: Gives the children of workflows, the oldest first, at most so many.
Children = Callable[[list[str], int], Awaitable[list[WorkflowRecord]]]
#: Gives the recoveries that may have been of some workflows.
Recoveries = Callable[[Sequence[WorkflowRecord]], Awaitable[Sequence[PastRecovery]]]


async def tree_rows(
    top: Sequence[WorkflowRecord],
    opened: frozenset[str],
    children_of: Children,
    recoveries_of: Recoveries,
) -> list[WorkflowRow]:
    """Make rows of workflows and of the open ones' children.

    One question per level that is shown, which also tells who has children at all.

    Args:
        top: the workflows at the top, in their order.
        opened: ids of those whose children are shown.
        children_of: asks for children.
        recoveries_of: asks for recoveries.
    """
    by_parent: dict[str, list[WorkflowRecord]] = {}
    counted: set[str] = set()
    level = list(top)
    for _ in range(MAX_DEPTH):
        ids = [record.workflow_id for record in level]
        if not ids:
            break
        found = await children_of(ids, MAX_LEVEL)
        grouped = _by_parent(found)
        by_parent.update(grouped)
        if len(found) < MAX_LEVEL:
            counted.update(ids)
        level = [child for id_ in ids if id_ in opened for child in grouped.get(id_, ())[:MAX_SHOWN]]
    placed: list[tuple[WorkflowRecord, int]] = []
    for record in top:
        _place(placed, record, 0, opened, by_parent)
    recoveries = await recoveries_of([record for record, _ in placed])
    rows = []
    for record, depth in placed:
        children = len(by_parent.get(record.workflow_id, []))
        rows.append(
            msgspec.structs.replace(
                row_of(record, depth, recoveries=recoveries),
                children=children if record.workflow_id in counted or children else None,
                is_open=_is_open(record, depth, opened, by_parent),
            )
        )
    return rows


def _place(
    placed: list[tuple[WorkflowRecord, int]],
    record: WorkflowRecord,
    depth: int,
    opened: frozenset[str],
    by_parent: dict[str, list[WorkflowRecord]],
) -> None:
    placed.append((record, depth))
    if _is_open(record, depth, opened, by_parent):
        for child in by_parent[record.workflow_id][:MAX_SHOWN]:
            _place(placed, child, depth + 1, opened, by_parent)


def _is_open(
    record: WorkflowRecord, depth: int, opened: frozenset[str], by_parent: dict[str, list[WorkflowRecord]]
) -> bool:
    id_ = record.workflow_id
    return id_ in opened and depth < MAX_DEPTH and bool(by_parent.get(id_))


def _by_parent(records: Sequence[WorkflowRecord]) -> dict[str, list[WorkflowRecord]]:
    grouped: dict[str, list[WorkflowRecord]] = defaultdict(list)
    for record in records:
        if record.parent_workflow_id:
            grouped[record.parent_workflow_id].append(record)
    return dict(grouped)
