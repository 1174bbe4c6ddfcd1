"""Searching snapshots: any filter that executors know, answered in the order of creation within milliseconds.

One filter leads, through an index of its own; the others are held against what it finds. How much each finds
is counted first, up to a bound, because databases guess it badly.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Select, and_, exists, func, null, or_, select, true, union_all
from sqlalchemy import false as no
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_classes import created_within
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_schema import workflow_snapshot_attributes, workflow_snapshots
from conductor_lite.store.snapshots import COLUMNS, place, snapshot

#: What finds at most so many may lead although it does not find them in order: all are looked at and sorted.
FEW = 5_000
#: Beyond these, it no longer matters which of several filters finds less.
MANY = 50_000
#: Values of one filter that are followed side by side, each in order.
SIDE_BY_SIDE = 32

_ONE_OF = (
    "workflow_name",
    "status",
    "authenticated_user",
    "application_version",
    "executor_id",
    "queue_name",
    "schedule_name",
    "parent_workflow_id",
    "forked_from",
)
_LAST_CHARACTER = "\U0010ffff"

_Condition: TypeAlias = ColumnElement[bool]
_Bounds: TypeAlias = tuple[int | None, int | None]
_table = workflow_snapshots.c
_facts = workflow_snapshot_attributes.c


class _Filter:
    """One filter, said so that an index can follow it, and so that none is tempted to.

    Args:
        leads: alternatives that do not overlap; each can be followed through an index. None: it never leads.
        held: the same as one condition on a row.
        ordered: whether each alternative is found in the order of creation.
        side_by_side: other alternatives, each found in that order, where the first are not.
        of_facts: whether the alternatives speak of facts instead of workflows.
    """

    def __init__(
        self,
        leads: Sequence[_Condition],
        held: _Condition,
        *,
        ordered: bool,
        side_by_side: Sequence[_Condition] = (),
        of_facts: bool = False,
    ) -> None:
        self.leads = leads
        self.held = held
        self.ordered = ordered
        self.side_by_side = side_by_side or (leads if ordered else ())
        columns = _facts if of_facts else _table
        self.source = columns.source
        self.created = columns.created_at_epoch_ms
        self.id = _facts.snapshot_id if of_facts else _table.id
        self.of_facts = of_facts


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of what matches."""

    number: int
    created: tuple[int | None, int | None]
    after: Place | None
    offset: int
    limit: int
    descending: bool

    def within(self, created: ColumnElement[int], number: ColumnElement[int]) -> list[_Condition]:
        """What keeps rows within the stretch of creation and after the page before."""
        conditions = _between(created, *self.created)
        if self.after is None:
            return conditions
        at, last = self.after.created_at_epoch_ms, self.after.number
        if self.descending:
            return [*conditions, created <= at, or_(created < at, number < last)]
        return [*conditions, created >= at, or_(created > at, number > last)]

    def in_order(self, created: ColumnElement[int], number: ColumnElement[int]) -> list[ColumnElement[Any]]:
        """The order of creation."""
        return [created.desc(), number.desc()] if self.descending else [created, number]


class SnapshotSearch:
    """Reads the tables of snapshots.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self,
        number: int,
        filters: SnapshotFilters,
        *,
        after: Place | None = None,
        offset: int = 0,
        limit: int,
        descending: bool = False,
    ) -> tuple[list[WorkflowSnapshot], Place | None]:
        """Workflows that match, in the order of creation.

        Args:
            number: the source's.
            filters: which.
            after: where the page before ended.
            offset: how many to pass over first.
            limit: most to give.
            descending: newest first.

        Returns:
            The page, and where it ended; None for an empty one.
        """
        window = _Window(
            number=number,
            created=filters.created,
            after=after,
            offset=offset,
            limit=limit,
            descending=descending,
        )
        async with self._db.read() as connection:
            parts = [*_parts(number, filters)]
            for column, classes, bounds in _spans(filters):
                parts.append(await _span(connection, number, column, classes, bounds))
            keys = await _keys(connection, window, parts)
            chosen = keys.limit(limit).offset(offset).subquery()
            query = (
                select(_table.id, *COLUMNS)
                .select_from(chosen.join(workflow_snapshots, chosen.c.id == _table.id))
                .order_by(*window.in_order(chosen.c.created, chosen.c.id))
            )
            rows = list(await connection.execute(query))
        return [snapshot(row) for row in rows], place(rows[-1]) if rows else None


async def _keys(connection: AsyncConnection, window: _Window, parts: list[_Filter]) -> Select[Any]:
    """Time of creation and id of what matches, in order."""
    able = [part for part in parts if part.leads]
    found = await _counts(connection, window, able, FEW)
    if found and (fewest := min(found)) <= FEW:
        return _gathered(window, parts, able[found.index(fewest)])
    ordered = [part for part in able if part.side_by_side]
    if len(ordered) > 1:
        found = await _counts(connection, window, ordered, MANY)
        return _followed(window, parts, ordered[found.index(min(found))])
    if ordered:
        return _followed(window, parts, ordered[0])
    return _followed(window, parts, _Filter([true()], true(), ordered=True))


def _gathered(window: _Window, parts: list[_Filter], lead: _Filter) -> Select[Any]:
    """Everything that the leading filter finds, sorted afterwards."""
    created, number = _bare(lead.created), lead.id
    return (
        select(lead.created.label("created"), lead.id.label("id"))
        .where(lead.source == window.number, or_(*lead.leads), *window.within(created, number))
        .where(*_rest(parts, lead))
        .order_by(*window.in_order(created, number))
    )


def _followed(window: _Window, parts: list[_Filter], lead: _Filter) -> Select[Any]:
    """As much as is needed of what the leading filter finds in order, its alternatives side by side."""
    order = window.in_order(lead.created, lead.id)
    alternatives = [
        select(lead.created.label("created"), lead.id.label("id"))
        .where(lead.source == window.number, alternative, *window.within(lead.created, lead.id))
        .where(*_rest(parts, lead))
        .order_by(*order)
        for alternative in lead.side_by_side
    ]
    if len(alternatives) == 1:
        return alternatives[0]
    enough = window.offset + window.limit
    tops = [alternative.limit(enough).subquery() for alternative in alternatives]
    merged = union_all(*(select(top.c.created, top.c.id) for top in tops)).subquery()
    return select(merged.c.created, merged.c.id).order_by(*window.in_order(merged.c.created, merged.c.id))


def _rest(parts: list[_Filter], lead: _Filter) -> list[_Condition]:
    held = [part.held for part in parts if part is not lead]
    if lead.of_facts and held:
        return [exists().where(_table.id == lead.id, *held)]
    return held


async def _counts(
    connection: AsyncConnection, window: _Window, parts: list[_Filter], bound: int
) -> list[int]:
    """How many each filter finds within the stretch of creation, or more than the bound."""
    if not parts:
        return []
    counts = []
    for part in parts:
        # Only where the index goes on with the time of creation is it of help.
        stretch = _between(part.created, *window.created) if part.ordered else []
        some = (
            select(part.id)
            .where(part.source == window.number, or_(*part.leads), *stretch)
            .limit(bound + 1)
            .subquery()
        )
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return list((await connection.execute(select(*counts))).one())


def _parts(number: int, filters: SnapshotFilters) -> Iterator[_Filter]:
    for name in _ONE_OF:
        values = tuple(dict.fromkeys(getattr(filters, name)))
        if values:
            column = _table[name]
            few = len(values) <= SIDE_BY_SIDE
            leads = [column == value for value in values] if few else [column.in_(values)]
            yield _Filter(leads, _bare(column).in_(values), ordered=few)
    if filters.workflow_id:
        column = _table.workflow_id
        yield _Filter(
            [column.in_(filters.workflow_id)], _bare(column).in_(filters.workflow_id), ordered=False
        )
    if filters.workflow_id_prefix:
        yield _Filter(
            [or_(*(_begins(_table.workflow_id, prefix) for prefix in filters.workflow_id_prefix))],
            or_(*(_begins(_bare(_table.workflow_id), prefix) for prefix in filters.workflow_id_prefix)),
            ordered=False,
        )
    yield from _flags(filters)
    for fact in filters.facts:
        facts = workflow_snapshot_attributes.alias().c
        has_fact = exists().where(
            facts.source == number,
            facts.fact == fact,
            facts.created_at_epoch_ms == _table.created_at_epoch_ms,
            facts.snapshot_id == _table.id,
        )
        yield _Filter([_facts.fact == fact], has_fact, ordered=True, of_facts=True)


def _spans(filters: SnapshotFilters) -> list[tuple[ColumnElement[int], ColumnElement[int], _Bounds]]:
    spans = [
        (_table.completed_at_epoch_ms, _table.completed_class, filters.completed),
        (_table.dequeued_at_epoch_ms, _table.dequeued_class, filters.dequeued),
    ]
    return [span for span in spans if span[2] != (None, None)]


async def _span(
    connection: AsyncConnection,
    number: int,
    column: ColumnElement[int],
    classes: ColumnElement[int],
    bounds: _Bounds,
) -> _Filter:
    """A stretch of time; in the order of creation it is found by how long it took until then."""
    ends = [
        select(end(classes)).where(_table.source == number, classes.is_not(None)).scalar_subquery()
        for end in (func.min, func.max)
    ]
    first, last = (await connection.execute(select(*ends))).one()
    created = _table.created_at_epoch_ms
    alternatives = [
        and_(
            classes == duration,
            *_between(created, *created_within(duration, *bounds)),
            *_between(_bare(column), *bounds),
        )
        for duration in ([] if first is None else range(first, last + 1))
    ]
    return _Filter(
        [and_(*_between(column, *bounds))],
        and_(*_between(_bare(column), *bounds)),
        ordered=False,
        side_by_side=alternatives,
    )


def _flags(filters: SnapshotFilters) -> Iterator[_Filter]:
    for column, value in (
        (_table.was_forked_from, filters.was_forked_from),
        (_table.finished, filters.finished),
    ):
        if value is not None:
            wanted = true() if value else no()
            yield _Filter([column == wanted], _bare(column) == wanted, ordered=True)
    parent, queue = _table.parent_workflow_id, _table.queue_name
    if filters.has_parent is not None:
        lead = parent.is_not(None) if filters.has_parent else parent.is_(None)
        bare = _bare(parent)
        yield _Filter([lead], bare.is_not(None) if filters.has_parent else bare.is_(None), ordered=True)
    if filters.queues_only:
        yield _Filter([queue.is_not(None)], _bare(queue).is_not(None), ordered=False)
    if filters.application_name:
        # Workflows without a name belong to every application.
        name = _bare(_table.application_name)
        ours = or_(name.in_(filters.application_name), name.is_(None))
        yield _Filter([], ours, ordered=False)


def _bare(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column's value without its indexes."""
    bare: ColumnElement[Any] = func.coalesce(column, null(), type_=column.type)
    return bare


def _begins(column: ColumnElement[str], prefix: str) -> _Condition:
    return and_(column >= prefix, column < prefix + _LAST_CHARACTER)


def _between(column: ColumnElement[int], first: int | None, last: int | None) -> list[_Condition]:
    bounds = []
    if first is not None:
        bounds.append(column >= first)
    if last is not None:
        bounds.append(column <= last)
    return bounds
