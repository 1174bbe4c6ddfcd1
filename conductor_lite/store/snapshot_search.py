"""Searching snapshots: any filter that executors know, answered in the order of creation within milliseconds.

Of several filters one leads, through an index of its own, and the others are held against what it finds.
Which one is found out on the way: all look a number of rows ahead, and whoever gets furthest has the fewest
there and leads that far; then they look again. Databases guess that badly.

Filters that each match much and together little or nothing would lead each other in vain. So where the first
look does not find enough, filters that facets tell of lead together, by the facets that match them all.
Beside other filters, indexes tell facets and marks of what they find, so most of it need not be looked up;
and what an index finds without any order is read at once where that is much less.
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
    MATCHING,
    UNMARKED,
    Bounds,
    Classes,
    Part,
    Path,
    Values,
    by_facets,
    exists,
    facets_of,
    of_facets,
    parts_of,
)
from conductor_lite.store.snapshot_reading import Lead, Outlook, Reader, Window
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_schema import workflow_snapshots
from conductor_lite.store.snapshots import COLUMNS, place, snapshot

#: What finds at most so many may lead although it does not find them in order: all are looked at and sorted.
FEW = 5_000
#: Rows that all look ahead at first, and how many times more each time after.
FIRST_STEP = 2_000
LONGER = 4
#: It takes about so many times longer to look a row up than to pass over it by what an index tells of it.
DEAR = 8
#: And where marks tell of facts, for which they have few bits: some must be looked up in vain.
VAGUE = 3
#: And to go to another facet.
PER_FACET = 12
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
        window = Window(created=filters.created, after=after, descending=descending)
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
    index = following(connection, UNMARKED)
    unmarked = exists(f"workflow_snapshots AS w {index}", ["w.source = :source", "w.marks IS NULL"])
    is_incomplete = (await connection.execute(text(f"SELECT {unmarked}"), values.named)).scalar_one()
    parts = parts_of(filters, values, completed, dequeued)
    return _Search(Reader(connection, values), parts, values, is_complete=not is_incomplete)


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


class _Search:
    """One search.

    Args:
        reader: follows paths.
        parts: the filters.
        values: what their conditions speak of.
        is_complete: whether all workflows have facets and marks.
    """

    def __init__(self, reader: Reader, parts: Sequence[Part], values: Values, *, is_complete: bool) -> None:
        self._reader = reader
        self._parts = parts
        self._values = values
        self._is_complete = is_complete
        #: About how many facets match, where conditions may speak of them; 0 where not.
        self._matching = 0

    async def chosen(self, window: Window, offset: int, limit: int) -> list[int]:
        """The ids of what matches, in order."""
        page = _Page(offset, limit)
        lead = await self._few()
        if lead is not None:
            await self._last(window, lead, page)
            return page.ids
        left: Window | None = window
        if not self._leads_anyway():
            if page.offset <= MANY_PASSED:
                left = await self._by_filters(window, page, 1)
            found = offset + limit - page.offset - page.limit
            if left is not None:
                left = await self._by_facets(left, page)
            if left is not None:
                left = await self._at_once(left, page, found)
        # Facets that match are found anew in each step.
        farther = LONGER**3 if self._matching else LONGER
        while left is not None:
            if len(self._ordered()) == 1:
                # It leads anyway.
                await self._last(left, self._ordered()[0], page)
                break
            left = await self._by_filters(left, page, farther)
            farther *= LONGER
        return page.ids

    def _ordered(self) -> list[Lead]:
        leads = [self._lead(part, part.ordered) for part in self._parts if part.ordered is not None]
        return leads or [self._lead(None, EVERYTHING)]

    def _unordered(self) -> list[Lead]:
        return [self._lead(part, part.unordered) for part in self._parts if part.unordered is not None]

    def _leads_anyway(self) -> bool:
        """Whether there is one filter at most, and it leads in the order of creation."""
        return not self._parts or (len(self._parts) == 1 and self._parts[0].ordered is not None)

    async def _few(self) -> Lead | None:
        """The unordered lead that finds the fewest, if these are few."""
        leads = self._unordered()
        whole = Window(created=(None, None), after=None, descending=False)
        counts = await self._reader.counts(whole, [lead.path for lead in leads], FEW)
        return leads[counts.index(min(counts))] if counts and min(counts) <= FEW else None

    async def _by_filters(self, window: Window, page: _Page, farther: int) -> Window | None:
        """Let that filter lead which gets furthest; gives what is left to look through, None at the end.

        Args:
            window: where to look.
            page: takes what is found.
            farther: so many times as far as it gets with a little effort.
        """
        leads = self._ordered()
        outlook = await self._look_ahead(window, leads, page)
        lead, reach = leads[outlook.furthest], outlook.reaches[outlook.furthest]
        if (
            reach is None
            or outlook.times_as_far is None
            or outlook.times_as_far < farther
            or page.offset > MANY_PASSED
        ):
            await self._last(window, lead, page)
            return None
        stretch, left = window.split(window.farther(reach, outlook.begin or 0, farther))
        page.add(await self._reader.ids(stretch, lead, 0, page.offset + page.limit))
        return left if page.limit else None

    async def _look_ahead(self, window: Window, leads: Sequence[Lead], page: _Page) -> Outlook:
        """See how far leads get with the same little effort."""
        if self._others():
            steps = [max(FIRST_STEP // self._effort(lead.path), 1) for lead in leads]
        else:
            steps = [SOON * page.limit] * len(leads)
        return await self._reader.look_ahead(window, [lead.path for lead in leads], steps)

    def _effort(self, path: Path) -> int:
        """How much longer it takes to pass over a row that a path finds, for it must be looked up."""
        if not self._is_complete:
            return 1
        if not path.tells:
            return DEAR
        asks_for_facts = any(part.ordered is not None and part.ordered.index is None for part in self._parts)
        return VAGUE if asks_for_facts and path.index is not None else 1

    async def _by_facets(self, window: Window, page: _Page) -> Window | None:
        """Let the filters that facets tell of lead together; gives what is left to the filters one by one."""
        others = self._others()
        if len(others) == len(self._parts) or not self._is_complete:
            return window
        known, found = await self._count_facets()
        if known > TOO_MANY_FACETS:
            return window
        if found <= (FACETS_SIDE_BY_SIDE if others else MANY_FACETS):
            heads = await self._reader.heads(window, facets_of(self._parts))
            if len(heads) <= FACETS_SIDE_BY_SIDE:
                self._parts = [of_facets([number for number, _ in heads], self._values), *others]
                return window if heads else None
            # Where other filters must hold as well, it is not known how far to go.
            if not others and page.offset <= MANY_PASSED:
                await self._merged(window, page, heads)
                return None
        self._reader.matching, self._matching = facets_of(self._parts), found or 1
        return window

    async def _at_once(self, window: Window, page: _Page, found: int) -> Window | None:
        """Read what some path finds without order and sort it, where that is the least; else gives all back.

        Args:
            window: where to look.
            page: takes what is found.
            found: how many there were with a little effort.
        """
        # The least effort yet, as rows passed over, and what would need a part of it in any case.
        leads = [(lead, 0) for lead in self._unordered()]
        if self._matching:
            leads.append((self._lead_by_matching(), self._matching * PER_FACET))
        outlook = await self._look_ahead(window, self._ordered(), page) if leads else None
        if outlook is None or outlook.times_as_far is None:
            return window
        least, best = FIRST_STEP * outlook.times_as_far, None
        if found:
            least = min(least, FIRST_STEP * (page.offset + page.limit) // found)
        for lead, beforehand in leads:
            effort = self._effort(lead.path)
            # Counting is some effort, too.
            most = (least // 4 - beforehand) // effort
            if most > 0:
                (count,) = await self._reader.counts(window, [lead.path], most)
                if count <= most:
                    least, best = count * effort + beforehand, lead
        if best is None:
            return window
        await self._last(window, best, page)
        return None

    def _others(self) -> list[Part]:
        """The filters that facets do not tell of."""
        return [part for part in self._parts if part.in_common is None]

    async def _count_facets(self) -> tuple[int, int]:
        """How many facets there are, and how many match, both roughly."""
        # Their numbers are spread evenly: as many again are in each other part.
        part = [f"c.number < {SMALLEST_FACET + (1 << 64) // FACETS_SAMPLE}"]
        known, found = await self._reader.row(
            [
                " ".join(["(SELECT count(*) FROM (", facets, "AND", *part, ") AS some)"])
                for facets in (facets_of([]), facets_of(self._parts))
            ]
        )
        return known * FACETS_SAMPLE, found * FACETS_SAMPLE

    async def _merged(self, window: Window, page: _Page, heads: list[tuple[int, int]]) -> None:
        """Follow those facets of many that have workflows next, again and again."""
        while page.limit and heads:
            leading = [number for number, _ in heads[:FACETS_SIDE_BY_SIDE]]
            if len(heads) == len(leading):
                await self._last(window, Lead(by_facets(leading, self._values)), page)
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
                lead = Lead(by_facets(leading, self._values))
                stretch, window = window.split(reach + 1 if window.descending else reach - 1)
            page.add(await self._reader.ids(stretch, lead, 0, page.offset + page.limit))
            if page.limit:
                heads = heads[len(leading) :]
                heads += await self._reader.heads(window, facets_of([], self._values.among(leading)))
                heads.sort(key=itemgetter(1), reverse=window.descending)

    def _lead(self, part: Part | None, path: Path) -> Lead:
        """A path to follow for one filter, or for none, with all others held against what it finds."""
        others = [other for other in self._parts if other is not part]
        if not (path.tells and self._is_complete):
            return Lead(path, [other.held for other in others])
        told = []
        if self._matching:
            told.append(f"{{row}}.facet IN {MATCHING}")
            others = [other for other in others if other.in_common is None]
        told += [other.told for other in others if other.told is not None]
        return Lead(path, [other.held for other in others if not other.is_told_for_sure], told)

    def _lead_by_matching(self) -> Lead:
        others = self._others()
        told = [other.told for other in others if other.told is not None]
        path = Path([f"w.facet IN {MATCHING}"], BY_FACET)
        return Lead(path, [other.held for other in others], told)

    async def _last(self, window: Window, lead: Lead, page: _Page) -> None:
        """Follow a path to the end of a page, or of what there is."""
        page.ids += await self._reader.ids(window, lead, page.offset, page.limit)
