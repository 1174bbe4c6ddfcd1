"""Workflows as a tree: below those that are open stand their children, asked for level by level."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from conductor_lite.console.workflows.rows import WorkflowRow, row_of
from conductor_lite.protocol import WorkflowRecord

#: Most children that are fetched for one level of the tree.
MAX_LEVEL = 1_000
#: Most that are shown below one workflow; the rest stands on a page of its own.
MAX_SHOWN = 100
#: Levels below the top that can be opened.
MAX_DEPTH = 12

#: Gives the children of workflows, the oldest first, at most so many.
Children = Callable[[list[str], int], Awaitable[list[WorkflowRecord]]]


async def tree_rows(
    top: Sequence[WorkflowRecord], opened: frozenset[str], children_of: Children
) -> list[WorkflowRow]:
    """Make rows of workflows and of the open ones' children.

    One question per level that is shown, which also tells who has children at all.

    Args:
        top: the workflows at the top, in their order.
        opened: ids of those whose children are shown.
        children_of: asks for children.
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
    rows: list[WorkflowRow] = []
    for record in top:
        _add(rows, record, 0, opened, by_parent, counted)
    return rows


def _add(
    rows: list[WorkflowRow],
    record: WorkflowRecord,
    depth: int,
    opened: frozenset[str],
    by_parent: dict[str, list[WorkflowRecord]],
    counted: set[str],
) -> None:
    id_ = record.workflow_id
    children = by_parent.get(id_, [])
    is_open = id_ in opened and depth < MAX_DEPTH and bool(children)
    known = len(children) if id_ in counted or children else None
    row = row_of(record, depth)
    rows.append(msgspec.structs.replace(row, children=known, is_open=is_open))
    if is_open:
        for child in children[:MAX_SHOWN]:
            _add(rows, child, depth + 1, opened, by_parent, counted)


def _by_parent(records: Sequence[WorkflowRecord]) -> dict[str, list[WorkflowRecord]]:
    grouped: dict[str, list[WorkflowRecord]] = defaultdict(list)
    for record in records:
        if record.parent_workflow_id:
            grouped[record.parent_workflow_id].append(record)
    return dict(grouped)
