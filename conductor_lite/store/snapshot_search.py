"""Searching snapshots: any filter that executors know, answered in the order of creation within milliseconds.

Of several filters one leads, through an index of its own, and the others are held against what it finds.
Which one is found out on the way: all look a number of rows ahead, and whoever gets furthest has the fewest
there and leads that far; then they look again. Databases guess that badly.

Filters that each match much and together little or nothing would lead each other in vain. So where the first
look does not find enough, filters that facets tell of lead together, by the facets that match them all.
"""

from collections.abc import Sequence
from operator import itemgetter

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.database import Database
from conductor_lite.store.dialect import following
from conductor_lite.store.snapshot_facets import SMALLEST_FACET
from conductor_lite.store.snapshot_paths import (
    BY_FACET,
    EVERYTHING,
    Bounds,
    Classes,
    Part,
    Path,
    Values,
    by_facets,
    exists,
    facets_of,
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
#: A page is whole after so many times its rows where matches are frequent; facets are not looked at before.
SOON = 3
#: Facets that are followed side by side.
FACETS_SIDE_BY_SIDE = 64
#: When more facets match, it is not looked up which of them have workflows.
MANY_FACETS = 5_000
#: An application with more facets than this is searched without them.
TOO_MANY_FACETS = 50_000
#: They are counted in one of so many parts.
FACETS_SAMPLE = 16

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


class _Page:
    """What has been found of a page, in order."""

    def __init__(self, offset: int, limit: int) -> None:
        self.ids: list[int] = []
        #: How many are still to be passed over.
        self.offset = offset
        #: How many are still to be found.
        self.limit = limit

    def add(self, more: Sequence[int]) -> None:
        """Take in what comes next."""
        kept = more[self.offset :]
        self.offset = max(0, self.offset - len(more))
        self.limit -= len(kept)
        self.ids += kept


class _Lead(msgspec.Struct, frozen=True):
    """A path to follow, and what must hold besides for what it finds."""

    path: Path
    held: Sequence[str] = ()


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
        page = _Page(offset, limit)
        unordered = [self._lead(part, part.unordered) for part in self._parts if part.unordered is not None]
        lead = await self._few(unordered)
        if lead is not None:
            await self._last(window, lead, page)
            return page.ids
        left: _Window | None = window
        if self._have_facets():
            left = await self._by_filters(window, page, FIRST_STEP if self._others() else SOON * limit)
            if left is not None:
                left = await self._by_facets(left, page)
        step = FIRST_STEP
        while left is not None:
            left = await self._by_filters(left, page, step)
            step *= LONGER
        return page.ids

    async def _few(self, leads: Sequence[_Lead]) -> _Lead | None:
        """The lead that finds the fewest, if these are few."""
        counts = await self._counts([lead.path for lead in leads])
        return leads[counts.index(min(counts))] if counts and min(counts) <= FEW else None

    async def _by_filters(self, window: _Window, page: _Page, step: int) -> _Window | None:
        """Let that filter lead which gets furthest; gives what is left to look through, None at the end."""
        leads = [self._lead(part, part.ordered) for part in self._parts if part.ordered is not None]
        if not leads:
            leads = [self._lead(None, EVERYTHING)]
        if len(leads) == 1 and not self._have_facets():
            # It leads anyway.
            await self._last(window, leads[0], page)
            return None
        reaches = await self._reaches(window, [lead.path for lead in leads], step)
        furthest = window.furthest(reaches)
        lead, reach = leads[furthest], reaches[furthest]
        if reach is None or page.offset > MANY_PASSED:
            await self._last(window, lead, page)
            return None
        stretch, left = window.split(reach)
        page.add(await self._ids(stretch, lead, 0, page.offset + page.limit))
        return left if page.limit else None

    async def _by_facets(self, window: _Window, page: _Page) -> _Window | None:
        """Let the filters that facets tell of lead together; gives what is left to the filters one by one."""
        others = self._others()
        if not await self._facets_help(FACETS_SIDE_BY_SIDE if others else MANY_FACETS):
            return window
        heads = await self._heads(window, facets_of(self._parts))
        if len(heads) <= FACETS_SIDE_BY_SIDE:
            numbers = [number for number, _ in heads]
            held = f"w.facet {self._values.among(numbers)}"
            self._parts = [Part(held, ordered=by_facets(numbers, self._values)), *others]
            return window if heads else None
        # Where other filters must hold as well, it is not known how far to go.
        if others or page.offset > MANY_PASSED:
            return window
        await self._merged(window, page, heads)
        return None

    def _have_facets(self) -> bool:
        """Whether facets tell of more than one filter; by itself none finds anything in vain."""
        return len(self._parts) - len(self._others()) > 1

    def _others(self) -> list[Part]:
        """The filters that facets do not tell of."""
        return [part for part in self._parts if part.in_common is None]

    async def _facets_help(self, most: int) -> bool:
        """Whether all workflows have facets, and about so many of these match at most."""
        index = following(self._connection, BY_FACET)
        without = exists(f"workflow_snapshots AS w {index}", ["w.source = :source", "w.facet IS NULL"])
        # Their numbers are spread evenly: as many again are in each other part.
        part = [f"c.number < {SMALLEST_FACET + (1 << 64) // FACETS_SAMPLE}"]
        every, matching = (
            " ".join(["(SELECT count(*) FROM (", facets, "AND", *part, ") AS some)"])
            for facets in (facets_of([]), facets_of(self._parts))
        )
        is_incomplete, known, found = await self._row([without, every, matching])
        return (
            not is_incomplete and known * FACETS_SAMPLE <= TOO_MANY_FACETS and found * FACETS_SAMPLE <= most
        )

    async def _heads(self, window: _Window, facets: str) -> list[tuple[int, int]]:
        """Which of some facets have workflows, and when the first one of each was created, in that order."""
        order = "DESC" if window.descending else "ASC"
        first = ["SELECT w.created_at_epoch_ms FROM workflow_snapshots AS w"]
        first += [following(self._connection, BY_FACET), "WHERE w.facet = facets.number AND"]
        first += [" AND ".join(self._within(window, "w", "w.id"))]
        first += [f"ORDER BY w.created_at_epoch_ms {order} LIMIT 1"]
        # Materialized, or it would be looked up each time it is spoken of.
        query = ["WITH facets AS (", facets, "), heads AS MATERIALIZED"]
        query += ["(SELECT facets.number, (", *first, ") AS created FROM facets)"]
        query += ["SELECT number, created FROM heads WHERE created IS NOT NULL ORDER BY created", order]
        heads = await self._connection.execute(text(" ".join(query)), self._values.named)
        return [(number, created) for number, created in heads]

    async def _merged(self, window: _Window, page: _Page, heads: list[tuple[int, int]]) -> None:
        """Follow those facets of many that have workflows next, again and again."""
        while page.limit and heads:
            leading = [number for number, _ in heads[:FACETS_SIDE_BY_SIDE]]
            if len(heads) == len(leading):
                await self._last(window, _Lead(by_facets(leading, self._values)), page)
                return
            reach = heads[len(leading)][1]
            if heads[0][1] == reach:
                # More begin at one time than are followed: that time leads to what they have there.
                leading = [number for number, created in heads if created == reach]
                lead = self._lead(None, EVERYTHING)
                stretch = msgspec.structs.replace(window, created=(reach, reach))
                _, window = window.split(reach)
            else:
                # As far as to where the next one begins, these are all.
                lead = _Lead(by_facets(leading, self._values))
                stretch, window = window.split(reach + 1 if window.descending else reach - 1)
            page.add(await self._ids(stretch, lead, 0, page.offset + page.limit))
            if page.limit:
                heads = heads[len(leading) :]
                heads += await self._heads(window, facets_of([], self._values.among(leading)))
                heads.sort(key=itemgetter(1), reverse=window.descending)

    def _lead(self, part: Part | None, path: Path) -> _Lead:
        return _Lead(path, [other.held for other in self._parts if other is not part])

    async def _last(self, window: _Window, lead: _Lead, page: _Page) -> None:
        """Follow a path to the end of a page, or of what there is."""
        page.ids += await self._ids(window, lead, page.offset, page.limit)

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
        ends = [self._along(window, path, limit=1, offset=step) for path in paths]
        return await self._row([" ".join(["(SELECT created FROM (", end, ") AS reached)"]) for end in ends])

    async def _ids(self, window: _Window, lead: _Lead, offset: int, limit: int) -> list[int]:
        """The ids of what a path finds and the other filters hold for, in order."""
        query = self._along(window, lead.path, lead.held, limit=limit, offset=offset)
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
