"""Snapshots of workflows: writing, removing, pruning, and how far they are. Searching is `snapshot_search`.

Writers share one connection, so everything here writes a few rows at a time.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Row, Select, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.errors import NotFoundError
from conductor_lite.store import snapshot_facets
from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.snapshot_attributes import facts_of
from conductor_lite.store.snapshot_classes import duration_class
from conductor_lite.store.snapshot_marks import marks_of
from conductor_lite.store.snapshot_records import (
    Place,
    SnapshotProgress,
    SnapshotSource,
    WorkflowSnapshot,
)
from conductor_lite.store.snapshot_schema import (
    snapshot_sources,
    workflow_snapshot_attributes,
    workflow_snapshots,
)

#: Rows written or removed in one transaction: it shall never keep another writer waiting for long.
BATCH_SIZE = 50
#: Facets removed in one transaction; they stand in no other index.
FACETS_BATCH_SIZE = 500
#: Ids looked up in one statement.
LOOKUP_SIZE = 1_000

_FIELDS: tuple[str, ...] = WorkflowSnapshot.__struct_fields__
_values = attrgetter(*_FIELDS)
COLUMNS = [workflow_snapshots.c[name] for name in _FIELDS]


class Snapshots:
    """The tables of snapshots.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def source(self, application_id: str) -> SnapshotSource | None:
        """How far an application's snapshots are; None when none were ever taken."""
        query = select(snapshot_sources).where(snapshot_sources.c.application_id == application_id)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else SnapshotSource(**row._asdict())

    async def ensure_source(self, application_id: str) -> SnapshotSource:
        """The same, begun if need be.

        Raises:
            NotFoundError: there is no such application.
        """
        found = await self.source(application_id)
        if found is not None:
            return found
        query = select(snapshot_sources).where(snapshot_sources.c.application_id == application_id)
        async with self._db.write() as connection:
            try:
                await connection.execute(
                    insert(connection, snapshot_sources)
                    .values(application_id=application_id, progress=SnapshotProgress())
                    .on_conflict_do_nothing(index_elements=["application_id"])
                )
            except IntegrityError as error:
                raise NotFoundError("The application was deleted.") from error
            return SnapshotSource(**(await connection.execute(query)).one()._asdict())

    async def request_full_pass(self, application_id: str, now: datetime) -> None:
        """Note that everything is to be looked through; does nothing for an application without snapshots."""
        await self._set(snapshot_sources.c.application_id == application_id, {"full_pass_requested_at": now})

    async def progress(
        self,
        number: int,
        progress: SnapshotProgress,
        *,
        synced_at: datetime | None = None,
        request_served: datetime | None = None,
    ) -> None:
        """Note how far the snapshots are, after the rows that this covers were saved.

        Args:
            number: the source's.
            progress: how far they are.
            synced_at: when a look at what has changed came to its end; None leaves the time before.
            request_served: the request for a full pass that has begun now; a later one stays.
        """
        values: dict[str, object] = {"progress": progress}
        if synced_at is not None:
            values["synced_at"] = synced_at
        async with self._db.write() as connection:
            source = snapshot_sources.c
            await connection.execute(update(snapshot_sources).where(source.number == number).values(**values))
            if request_served is not None:
                await connection.execute(
                    update(snapshot_sources)
                    .where(source.number == number, source.full_pass_requested_at == request_served)
                    .values(full_pass_requested_at=None)
                )

    async def by_ids(self, number: int, workflow_ids: Sequence[str]) -> dict[str, WorkflowSnapshot]:
        """Those of these workflows that are known, by id."""
        found: dict[str, WorkflowSnapshot] = {}
        async with self._db.read() as connection:
            for chunk in _chunks(list(workflow_ids), LOOKUP_SIZE):
                query = select(*COLUMNS).where(
                    workflow_snapshots.c.source == number, workflow_snapshots.c.workflow_id.in_(chunk)
                )
                for row in await connection.execute(query):
                    found[row.workflow_id] = snapshot(row)
        return found

    async def unfinished(
        self, number: int, after: Place | None, limit: int
    ) -> list[tuple[Place, WorkflowSnapshot]]:
        """Workflows that may still go on, in the order of creation, from a place on."""
        return await self._walk(number, after, limit, workflow_snapshots.c.finished.is_(False))

    async def between(
        self, number: int, first: int, end: int | None, after: Place | None, limit: int
    ) -> list[tuple[Place, WorkflowSnapshot]]:
        """Workflows created from ``first`` to before ``end``, in that order, from a place on."""
        created = workflow_snapshots.c.created_at_epoch_ms
        conditions = [created >= first] if end is None else [created >= first, created < end]
        return await self._walk(number, after, limit, *conditions)

    async def save(self, number: int, snapshots: Sequence[WorkflowSnapshot]) -> None:
        """Add workflows, or overwrite what is known of them.

        Raises:
            StoreError: the database refused; batches before that are saved.
        """
        for batch in _chunks(snapshots, BATCH_SIZE):
            # Worked out before anyone has to wait.
            facts = [facts_of(item.attributes) for item in batch]
            facets = [snapshot_facets.facet_of(item) for item in batch]
            rows = [
                {"source": number, "facet": facet["number"], "marks": marks_of(item, own), **_row(item)}
                for item, facet, own in zip(batch, facets, facts, strict=True)
            ]
            async with self._db.write() as connection:
                known = snapshot_facets.known(connection)
                new = [own for own in facets if (number, own["number"]) not in known]
                await snapshot_facets.add(connection, number, new)
                await _upsert(connection, rows)
                await _rewrite_facts(connection, number, rows, facts)
            known.update((number, own["number"]) for own in new)

    async def remove(self, number: int, workflow_ids: Collection[str]) -> None:
        """Forget workflows."""
        for batch in _chunks(list(workflow_ids), BATCH_SIZE):
            async with self._db.write() as connection:
                await connection.execute(
                    delete(workflow_snapshots).where(
                        workflow_snapshots.c.source == number, workflow_snapshots.c.workflow_id.in_(batch)
                    )
                )

    async def oldest_kept(self, number: int, rows: int) -> int | None:
        """When the oldest of the newest ``rows`` was created; None when there are no more than those."""
        created = workflow_snapshots.c.created_at_epoch_ms
        query = (
            select(created)
            .where(workflow_snapshots.c.source == number)
            .order_by(created.desc())
            .offset(max(rows, 1) - 1)
            .limit(2)
        )
        async with self._db.read() as connection:
            found = list((await connection.execute(query)).scalars())
        return found[0] if len(found) == 2 else None

    async def prune(self, number: int, *, finished_before: int, floor: int) -> int:
        """Remove one batch of the oldest: what has ended, and whatever was created before the floor.

        Args:
            number: the source's.
            finished_before: workflows go that had ended by then.
            floor: all go that were created before this.

        Returns:
            How many there were; fewer than ``BATCH_SIZE`` when no others are left.
        """
        table = workflow_snapshots.c
        doomed: list[int] = []
        for condition in (
            table.created_at_epoch_ms < floor,
            and_(
                table.finished.is_(True),
                table.created_at_epoch_ms < finished_before,
                or_(
                    table.completed_at_epoch_ms.is_(None),
                    table.completed_at_epoch_ms < finished_before,
                ),
            ),
        ):
            query = (
                select(table.id)
                .where(table.source == number, condition)
                .order_by(table.created_at_epoch_ms)
                .limit(BATCH_SIZE - len(doomed))
            )
            if len(doomed) < BATCH_SIZE:
                async with self._db.read() as connection:
                    doomed += (await connection.execute(query)).scalars()
        if doomed:
            async with self._db.write() as connection:
                await connection.execute(delete(workflow_snapshots).where(table.id.in_(doomed)))
        return len(doomed)

    async def prune_facets(self, number: int) -> int:
        """Remove one batch of facets that no workflow has any more.

        Args:
            number: the source's.

        Returns:
            How many there were; fewer than ``FACETS_BATCH_SIZE`` when no others are left.
        """
        async with self._db.read() as connection:
            found = await snapshot_facets.unused(connection, number, FACETS_BATCH_SIZE)
        if found:
            async with self._db.write() as connection:
                await snapshot_facets.remove(connection, number, found)
        return len(found)

    async def assign_facets(self) -> int:
        """Give facets and marks to one batch of what an older version saved; gives how many had none."""
        columns = [workflow_snapshots.c.id, *COLUMNS]
        async with self._db.read() as connection:
            found = await snapshot_facets.unassigned(connection, columns, BATCH_SIZE)
        given = []
        for source, row in found:
            item = snapshot(row)
            marks = marks_of(item, facts_of(item.attributes))
            given.append(snapshot_facets.Given(row.id, source, snapshot_facets.facet_of(item), marks))
        if given:
            async with self._db.write() as connection:
                await snapshot_facets.assign(connection, given)
        return len(given)

    async def count(self, application_id: str) -> int:
        """How many workflows of an application are known."""
        query = (
            select(func.count())
            .select_from(workflow_snapshots.join(snapshot_sources))
            .where(snapshot_sources.c.application_id == application_id)
        )
        async with self._db.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def count_created(self, number: int, *, before_epoch_ms: int, finished: bool) -> int:
        """How many workflows were created before a time that have ended, or have not."""
        table = workflow_snapshots.c
        query = select(func.count()).where(
            table.source == number,
            table.created_at_epoch_ms < before_epoch_ms,
            table.finished.is_(finished),
        )
        async with self._db.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def deserted(self) -> list[int]:
        """The numbers of sources whose application was deleted."""
        query = select(snapshot_sources.c.number).where(snapshot_sources.c.application_id.is_(None))
        async with self._db.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def clear(self, number: int) -> bool:
        """Remove one batch of a deserted source, or the source when nothing is left; True when it is gone."""
        table = workflow_snapshots.c
        batch = select(table.id).where(table.source == number).limit(BATCH_SIZE)
        async with self._db.write() as connection:
            removed = await connection.execute(delete(workflow_snapshots).where(table.id.in_(batch)))
            if removed.rowcount:
                return False
            facets = await snapshot_facets.unused(connection, number, FACETS_BATCH_SIZE)
            if facets:
                await snapshot_facets.remove(connection, number, facets)
                return False
            await connection.execute(delete(snapshot_sources).where(snapshot_sources.c.number == number))
        return True

    async def _set(self, condition: Any, values: dict[str, object]) -> None:
        async with self._db.write() as connection:
            await connection.execute(update(snapshot_sources).where(condition).values(**values))

    async def _walk(
        self, number: int, after: Place | None, limit: int, *conditions: Any
    ) -> list[tuple[Place, WorkflowSnapshot]]:
        table = workflow_snapshots.c
        query = select(table.id, *COLUMNS).where(table.source == number, *conditions)
        if after is not None:
            at = after.created_at_epoch_ms
            later = or_(table.created_at_epoch_ms > at, table.id > after.number)
            query = query.where(table.created_at_epoch_ms >= at, later)
        query = query.order_by(table.created_at_epoch_ms, table.id).limit(limit)
        async with self._db.read() as connection:
            return [(place(row), snapshot(row)) for row in await connection.execute(query)]


def snapshot(row: Row[Any]) -> WorkflowSnapshot:
    """A snapshot from a row that has its columns."""
    return WorkflowSnapshot(**{name: getattr(row, name) for name in _FIELDS})


def place(row: Row[Any]) -> Place:
    """Where a row stands in the order of creation."""
    return Place(created_at_epoch_ms=row.created_at_epoch_ms, number=row.id)


def _row(item: WorkflowSnapshot) -> dict[str, Any]:
    created = item.created_at_epoch_ms
    return {
        "completed_class": duration_class(created, item.completed_at_epoch_ms),
        "dequeued_class": duration_class(created, item.dequeued_at_epoch_ms),
        **dict(zip(_FIELDS, _values(item), strict=True)),
    }


async def _upsert(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    statement = insert(connection, workflow_snapshots)
    overwritten = {
        name: statement.excluded[name] for name in rows[0] if name not in ("source", "workflow_id")
    }
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["source", "workflow_id"], set_=overwritten), rows
    )


async def _rewrite_facts(
    connection: AsyncConnection, number: int, rows: list[dict[str, Any]], facts: Sequence[frozenset[int]]
) -> None:
    """What facts say of their workflow changes with it."""
    table, attributes = workflow_snapshots.c, workflow_snapshot_attributes
    query: Select[Any] = select(table.id, table.workflow_id).where(
        table.source == number, table.workflow_id.in_([row["workflow_id"] for row in rows])
    )
    ids = {workflow_id: row_id for row_id, workflow_id in await connection.execute(query)}
    await connection.execute(delete(attributes).where(attributes.c.snapshot_id.in_(list(ids.values()))))
    # An id may be there twice; what came last counts.
    last = {row["workflow_id"]: (row, own) for row, own in zip(rows, facts, strict=True)}
    new = [
        {
            "source": number,
            "fact": fact,
            "created_at_epoch_ms": row["created_at_epoch_ms"],
            "snapshot_id": ids[workflow_id],
            "facet": row["facet"],
            "marks": row["marks"],
        }
        for workflow_id, (row, own) in last.items()
        for fact in own
    ]
    if new:
        await connection.execute(attributes.insert(), new)


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def unchanged(known: WorkflowSnapshot | None, told: WorkflowSnapshot) -> bool:
    """Whether a workflow need not be written."""
    return known is not None and msgspec.structs.astuple(known) == msgspec.structs.astuple(told)
