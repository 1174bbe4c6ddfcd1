"""Searching snapshots: any filter that executors know, answered in the order of creation within milliseconds.

Of several filters one leads, through an index of its own, and the others are held against what it finds.
Which one is found out on the way: all look a number of rows ahead, and whoever gets furthest has the fewest
there and leads that far; then they look again. Databases guess that badly.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import following
from conductor_lite.store.snapshot_paths import (
    EVERYTHING,
    Bounds,
    Classes,
    Part,
    Path,
    Values,
    exists,
    parts_of,
)
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_schema import workflow_snapshots
from conductor_lite.store.snapshots import COLUMNS, place, snapshot

#: What finds at most so many may lead although it does not find them in order: all are looked at and sorted.
FEW = 5_000
#: Rows that all look ahead at first, and how many times more each time after.
FIRST_STEP = 2_000
LONGER = 4
#: Who passes over more rows than this has the database pass over them, by what leads at first.
MANY_PASSED = 5_000

_table = workflow_snapshots.c


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of what matches."""

    created: Bounds
    after: Place | None
    descending: bool

    def split(self, reach: int) -> tuple["_Window", "_Window"]:
        """What comes up to a time of creation, itself within, and what comes after it."""
        first, last = self.created
        stretches: tuple[Bounds, Bounds] = ((first, reach), (reach + 1, last))
        if self.descending:
            stretches = ((reach, last), (first, reach - 1))
        until, beyond = (msgspec.structs.replace(self, created=stretch) for stretch in stretches)
        return until, beyond

    def furthest(self, reaches: Sequence[int | None]) -> int:
        """The place in a list of whoever gets furthest; None stands for the end."""
        if None in reaches:
            return reaches.index(None)
        best = min if self.descending else max
        return reaches.index(best(reach for reach in reaches if reach is not None))


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
        window = _Window(created=filters.created, after=after, descending=descending)
        async with self._db.read() as connection:
            search = await _begin(connection, number, filters)
            chosen = await search.chosen(window, offset, limit)
            rows = {}
            if chosen:
                query = select(_table.id, *COLUMNS).where(_table.id.in_(chosen))
                rows = {row.id: row for row in await connection.execute(query)}
        found = [rows[row_id] for row_id in chosen]
        return [snapshot(row) for row in found], place(found[-1]) if found else None


async def _begin(connection: AsyncConnection, number: int, filters: SnapshotFilters) -> "_Search":
    values = Values(source=number)
    completed = await _classes(connection, number, "completed", filters.completed)
    dequeued = await _classes(connection, number, "dequeued", filters.dequeued)
    return _Search(connection, parts_of(filters, values, completed, dequeued), values)


async def _classes(connection: AsyncConnection, number: int, kind: str, bounds: Bounds) -> Classes:
    """The classes of durations that there are, where a search asks for a stretch of that kind of time."""
    if bounds == (None, None):
        return None
    column = _table[f"{kind}_class"]
    ends = [
        select(end(column)).where(_table.source == number, column.is_not(None)).scalar_subquery()
        for end in (func.min, func.max)
    ]
    shortest, longest = (await connection.execute(select(*ends))).one()
    return None if shortest is None else (shortest, longest)


class _Search:
    """One search, within one reading of the database.

    Args:
        connection: reads.
        parts: the filters.
        values: what their conditions speak of.
    """

    def __init__(self, connection: AsyncConnection, parts: Sequence[Part], values: Values) -> None:
        self._connection = connection
        self._parts = parts
        self._values = values

    async def chosen(self, window: _Window, offset: int, limit: int) -> list[int]:
        """The ids of what matches, in order."""
        unordered = [(part, part.unordered) for part in self._parts if part.unordered is not None]
        counts = await self._counts([path for _, path in unordered])
        if counts and min(counts) <= FEW:
            lead, path = unordered[counts.index(min(counts))]
            return await self._ids(window, path, lead, offset, limit)
        leads = [(part, part.ordered) for part in self._parts if part.ordered is not None]
        if not leads:
            return await self._ids(window, EVERYTHING, None, offset, limit)
        found: list[int] = []
        step = FIRST_STEP
        while True:
            reaches = await self._reaches(window, [path for _, path in leads], step)
            furthest = window.furthest(reaches)
            (lead, path), reach = leads[furthest], reaches[furthest]
            if reach is None or offset > MANY_PASSED:
                return found + await self._ids(window, path, lead, offset, limit)
            stretch, window = window.split(reach)
            more = await self._ids(stretch, path, lead, 0, offset + limit)
            found += more[offset:]
            limit -= len(more[offset:])
            offset = max(0, offset - len(more))
            if not limit:
                return found
            step *= LONGER

    async def _counts(self, paths: Sequence[Path]) -> list[int]:
        """How many rows each path finds at any time, or more than there may be to be few."""
        if not paths:
            return []
        whole = _Window(created=(None, None), after=None, descending=False)
        counts = []
        for path in paths:
            found = " UNION ALL ".join(self._selects(whole, path))
            counts.append(" ".join(["(SELECT count(*) FROM (", found, f"LIMIT {FEW + 1}) AS found)"]))
        return await self._row(counts)

    async def _reaches(self, window: _Window, paths: Sequence[Path], step: int) -> Sequence[int | None]:
        """When that was created which each path finds after so many rows; None where there are fewer."""
        if len(paths) == 1:
            # It leads anyway.
            return [None]
        ends = [self._along(window, path, limit=1, offset=step) for path in paths]
        return await self._row([" ".join(["(SELECT created FROM (", end, ") AS reached)"]) for end in ends])

    async def _ids(
        self, window: _Window, path: Path, lead: Part | None, offset: int, limit: int
    ) -> list[int]:
        """The ids of what a path finds and the other filters hold for, in order."""
        held = [part.held for part in self._parts if part is not lead]
        query = self._along(window, path, held, limit=limit, offset=offset)
        return [row.id for row in await self._connection.execute(text(query), self._values.named)]

    async def _row(self, scalars: Sequence[str]) -> list[int]:
        query = text("SELECT " + ", ".join(scalars))
        return list((await self._connection.execute(query, self._values.named)).one())

    def _along(
        self, window: _Window, path: Path, held: Sequence[str] = (), *, limit: int, offset: int
    ) -> str:
        """When that was created which a path finds, and its id, in order: alternatives are merged as read."""
        order = "created DESC, id DESC" if window.descending else "created, id"
        found = " UNION ALL ".join(self._selects(window, path, held))
        add = self._values.add
        return f"{found} ORDER BY {order} LIMIT {add(limit)} OFFSET {add(offset)}"

    def _selects(self, window: _Window, path: Path, held: Sequence[str] = ()) -> list[str]:
        """One query for each alternative of a path."""
        if path.index is None:
            begin = ["SELECT f.created_at_epoch_ms AS created, f.snapshot_id AS id"]
            begin += ["FROM workflow_snapshot_attributes AS f"]
            if held:
                # Facts know nothing else of their workflow.
                held = [exists("workflow_snapshots AS w", ["w.id = f.snapshot_id", *held])]
            conditions = self._within(window, "f", "f.snapshot_id")
        else:
            begin = ["SELECT w.created_at_epoch_ms AS created, w.id AS id FROM workflow_snapshots AS w"]
            # Databases without statistics take one index for as good as another.
            begin += [following(self._connection, path.index)]
            conditions = self._within(window, "w", "w.id")
        return [
            " ".join([*begin, "WHERE", " AND ".join([*conditions, alternative, *held])])
            for alternative in path.alternatives
        ]

    def _within(self, window: _Window, table: str, number: str) -> list[str]:
        """What keeps to the source, within the stretch of creation and after the page before."""
        created, add = f"{table}.created_at_epoch_ms", self._values.add
        conditions = [f"{table}.source = :source", *self._values.between(created, *window.created)]
        if window.after is not None:
            at, last = add(window.after.created_at_epoch_ms), add(window.after.number)
            later = "<" if window.descending else ">"
            conditions.append(f"{created} {later}= {at}")
            conditions.append(f"({created} {later} {at} OR {number} {later} {last})")
        return conditions
