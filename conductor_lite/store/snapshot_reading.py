"""Follows paths through the indexes of snapshots: how far they lead, how much they find, and what.

Which path is followed is `snapshot_search`'s to decide.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.dialect import following
from conductor_lite.store.snapshot_paths import (
    BY_FACET,
    EVERYTHING,
    MATCHING,
    Bounds,
    Path,
    Values,
    exists,
)
from conductor_lite.store.snapshot_records import Place


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of what matches."""

    created: Bounds
    after: Place | None
    descending: bool

    def split(self, reach: int) -> tuple["Window", "Window"]:
        """What comes up to a time of creation, itself within, and what comes after it."""
        first, last = self.created
        stretches: tuple[Bounds, Bounds] = ((first, reach), (reach + 1, last))
        if self.descending:
            stretches = ((reach, last), (first, reach - 1))
        until, beyond = (msgspec.structs.replace(self, created=stretch) for stretch in stretches)
        return until, beyond

    def narrowed(self, created: Bounds) -> "Window | None":
        """The part of it between two times of creation, and after the page before; None if there is none."""
        (first, last), after = self.created, self.after
        firsts, lasts = [first, created[0]], [last, created[1]]
        if after is not None:
            # An index follows one bound only.
            (lasts if self.descending else firsts).append(after.created_at_epoch_ms)
        first = max((one for one in firsts if one is not None), default=None)
        last = min((one for one in lasts if one is not None), default=None)
        if first is not None and last is not None and first > last:
            return None
        return msgspec.structs.replace(self, created=(first, last))

    def farther(self, reach: int, begin: int, times: int) -> int:
        """The time so many times as far from the first row as another one."""
        ahead = max(abs(reach - begin), 1) * times
        return begin - ahead if self.descending else begin + ahead


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """How far some paths lead."""

    #: When the first and the last row of all were created, in order; None where there is none.
    begin: int | None
    end: int | None
    #: When that was created which each path finds after a number of rows; None where there are fewer.
    reaches: Sequence[int | None]

    @property
    def furthest(self) -> int:
        """The place in the list of the path that gets furthest."""
        if self.begin is None or None in self.reaches:
            return self.reaches.index(None)
        return max(range(len(self.reaches)), key=self.ahead)

    def ahead(self, number: int) -> int:
        """How far a path leads that does not lead to the end, in milliseconds."""
        return abs((self.reaches[number] or 0) - (self.begin or 0))

    @property
    def times_as_far(self) -> int | None:
        """About how many times as far as the furthest it is to the last row; None if that gets there."""
        if self.begin is None or self.end is None or None in self.reaches:
            return None
        return abs(self.end - self.begin) // max(self.ahead(self.furthest), 1) + 1


class Lead(msgspec.Struct, frozen=True):
    """A path to follow, and what must hold besides for what it finds."""

    path: Path
    #: Conditions on a row.
    held: Sequence[str] = ()
    #: Conditions on what the path has at hand of a row, called ``{row}``, that spare looking it up.
    told: Sequence[str] = ()


class Reader:
    """Reads the tables of snapshots for one search, within one reading of the database.

    Args:
        connection: reads.
        values: what conditions speak of.
    """

    def __init__(self, connection: AsyncConnection, values: Values) -> None:
        self._connection = connection
        self._values = values
        #: A query for the numbers of facets, which conditions may speak of.
        self.matching: str | None = None

    async def row(self, scalars: Sequence[str]) -> list[int]:
        """What some queries for one value each find."""
        query = text(self._with_matching("SELECT " + ", ".join(scalars)))
        return list((await self._connection.execute(query, self._values.named)).one())

    async def counts(self, window: Window, paths: Sequence[Path], most: int) -> list[int]:
        """How many rows each path finds, or one more than that is of interest."""
        if not paths:
            return []
        counts = []
        for path in paths:
            found = " UNION ALL ".join(self._selects(window, Lead(path)))
            counts.append(" ".join(["(SELECT count(*) FROM (", found, f"LIMIT {most + 1}) AS found)"]))
        return await self.row(counts)

    async def look_ahead(self, window: Window, paths: Sequence[Path], steps: Sequence[int]) -> Outlook:
        """Look how far some paths lead.

        Args:
            window: where.
            paths: which.
            steps: after how many rows, for each.
        """
        backwards = msgspec.structs.replace(window, descending=not window.descending)
        queries = [
            self._along(way, Lead(EVERYTHING), limit=1, offset=0, within=window)
            for way in (window, backwards)
        ]
        queries += [
            self._along(window, Lead(path), limit=1, offset=step)
            for path, step in zip(paths, steps, strict=True)
        ]
        query = "SELECT " + ", ".join(_created(query) for query in queries)
        found = (await self._connection.execute(text(query), self._values.named)).one()
        return Outlook(begin=found[0], end=found[1], reaches=found[2:])

    async def ids(self, window: Window, lead: Lead, offset: int, limit: int) -> list[int]:
        """The ids of what a path finds and the other filters hold for, in order."""
        query = self._with_matching(self._along(window, lead, limit=limit, offset=offset))
        return [row.id for row in await self._connection.execute(text(query), self._values.named)]

    async def heads(self, window: Window, facets: str) -> list[tuple[int, int]]:
        """Which of some facets have workflows, and when the first one of each was created, in that order."""
        order = "DESC" if window.descending else "ASC"
        first = ["SELECT w.created_at_epoch_ms FROM workflow_snapshots AS w"]
        first += [following(self._connection, BY_FACET), "WHERE w.facet = facets.number AND"]
        part = window.narrowed((None, None))
        first += [" AND ".join(["FALSE"] if part is None else self._within(part, "w", "w.id"))]
        first += [f"ORDER BY w.created_at_epoch_ms {order} LIMIT 1"]
        # Materialized, or it would be looked up each time it is spoken of.
        query = ["WITH facets AS (", facets, "), heads AS MATERIALIZED"]
        query += ["(SELECT facets.number, (", *first, ") AS created FROM facets)"]
        query += ["SELECT number, created FROM heads WHERE created IS NOT NULL ORDER BY created", order]
        heads = await self._connection.execute(text(" ".join(query)), self._values.named)
        return [(number, created) for number, created in heads]

    def _with_matching(self, query: str) -> str:
        if self.matching is None or MATCHING not in query:
            return query
        # Materialized, or each alternative would look for them again.
        return " ".join(["WITH matching AS MATERIALIZED (", self.matching, ")", query])

    def _along(
        self, window: Window, lead: Lead, *, limit: int, offset: int, within: Window | None = None
    ) -> str:
        """When that was created which a path finds, and its id, in order: alternatives are merged as read."""
        order = "created DESC, id DESC" if window.descending else "created, id"
        found = " UNION ALL ".join(self._selects(within or window, lead))
        add = self._values.add
        return f"{found} ORDER BY {order} LIMIT {add(limit)} OFFSET {add(offset)}"

    def _selects(self, window: Window, lead: Lead) -> list[str]:
        """One query for each alternative of a path."""
        path, held = lead.path, lead.held
        if path.index is None:
            row, number = "f", "f.snapshot_id"
            begin = ["SELECT f.created_at_epoch_ms AS created, f.snapshot_id AS id"]
            begin += ["FROM workflow_snapshot_attributes AS f"]
            if held:
                # Facts know little of their workflow.
                held = [exists("workflow_snapshots AS w", ["w.id = f.snapshot_id", *held])]
        else:
            row, number = "w", "w.id"
            begin = ["SELECT w.created_at_epoch_ms AS created, w.id AS id FROM workflow_snapshots AS w"]
            # Databases without statistics take one index for as good as another.
            begin += [following(self._connection, path.index)]
        told = [condition.format(row=row) for condition in lead.told]
        selects = []
        for alternative, created in zip(path.alternatives, path.created, strict=True):
            part = window.narrowed(created)
            if part is not None:
                conditions = [*self._within(part, row, number), alternative, *told, *held]
                selects.append(" ".join([*begin, "WHERE", " AND ".join(conditions)]))
        return selects or ["SELECT 0 AS created, 0 AS id WHERE FALSE"]

    def _within(self, window: Window, table: str, number: str) -> list[str]:
        """What keeps to the source, within the stretch of creation and after the page before."""
        created, add = f"{table}.created_at_epoch_ms", self._values.add
        conditions = [f"{table}.source = :source", *self._values.between(created, *window.created)]
        if window.after is not None:
            at, last = add(window.after.created_at_epoch_ms), add(window.after.number)
            later = "<" if window.descending else ">"
            conditions.append(f"({created} {later} {at} OR {number} {later} {last})")
        return conditions


def _created(query: str) -> str:
    return " ".join(["(SELECT created FROM (", query, ") AS found)"])
