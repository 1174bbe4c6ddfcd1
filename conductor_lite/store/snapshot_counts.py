"""What snapshots come to: how much is under way, and which names there are."""

import msgspec
from sqlalchemy import func, select

from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_schema import workflow_snapshot_facets, workflow_snapshots

#: Groups that are told apart; those with most workflows come first.
MAX_GROUPS = 5_000
#: Names of each kind.
MAX_WORDS = 500


class UnderWay(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Workflows that have not ended and have all of this in common."""

    status: str | None
    queue_name: str | None
    application_version: str | None
    workflow_name: str | None
    count: int
    #: When the first of them was created.
    min_created_at_epoch_ms: int


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What workflows can be narrowed by, sorted."""

    names: tuple[str, ...]
    queues: tuple[str, ...]
    versions: tuple[str, ...]


class SnapshotCounts:
    """Sums over the tables of snapshots.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def under_way(self, number: int) -> tuple[UnderWay, ...]:
        """How much of a source has not ended. Takes as long as there are such workflows."""
        table = workflow_snapshots.c
        same = (table.status, table.queue_name, table.application_version, table.workflow_name)
        counted = func.count().label("count")
        query = (
            select(*same, counted, func.min(table.created_at_epoch_ms).label("min_created_at_epoch_ms"))
            .where(table.source == number, table.finished.is_(False))
            .group_by(*same)
            .order_by(counted.desc())
            .limit(MAX_GROUPS)
        )
        async with self._db.read() as connection:
            return tuple(UnderWay(**row._asdict()) for row in await connection.execute(query))

    async def words(self, number: int) -> Words:
        """Which names, queues and versions its workflows have."""
        facets = workflow_snapshot_facets.c
        found = []
        async with self._db.read() as connection:
            for column in (facets.workflow_name, facets.queue_name, facets.application_version):
                query = (
                    select(column)
                    .where(facets.source == number, column.is_not(None), column != "")
                    .distinct()
                    .order_by(column)
                    .limit(MAX_WORDS)
                )
                found.append(tuple((await connection.execute(query)).scalars()))
        names, queues, versions = found
        return Words(names=names, queues=queues, versions=versions)
