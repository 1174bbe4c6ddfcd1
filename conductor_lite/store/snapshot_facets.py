"""Facets: what workflows have in common with many others. Reads and writes within the caller's transaction.

Each combination that there is stands in a table once, and every workflow says which is its own. So it is seen
in a small table that filters never match together, however much each of them matches.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.dialect import insert
from conductor_lite.store.snapshot_records import WorkflowSnapshot
from conductor_lite.store.snapshot_schema import (
    snapshot_sources,
    workflow_snapshot_facets,
    workflow_snapshots,
)

#: A row of their table, without the source.
Facet: TypeAlias = dict[str, Any]

#: Facets that a connection remembers at most.
MAX_KNOWN = 50_000

_KNOWN = "known_facets"
_NUMBER_BYTES = 8
#: No number is smaller; all up to the largest are as likely.
SMALLEST_FACET = -(1 << (8 * _NUMBER_BYTES - 1))
_COLUMNS = tuple(
    column.name for column in workflow_snapshot_facets.c if column.name not in ("source", "number")
)
_workflow, _facet = workflow_snapshots.c, workflow_snapshot_facets.c


def facet_of(item: WorkflowSnapshot) -> Facet:
    """The facet of a workflow."""
    return _made(
        item.status,
        item.workflow_name,
        item.queue_name,
        item.application_version,
        item.schedule_name,
        item.application_name,
        item.was_forked_from,
        item.parent_workflow_id is not None,
    )


def _made(*values: str | bool | None) -> Facet:
    """A facet of values in the order of its columns; the same ones always have the same number."""
    digest = blake2b(msgspec.json.encode(values), digest_size=_NUMBER_BYTES).digest()
    number = int.from_bytes(digest, "big", signed=True)
    return {"number": number, **dict(zip(_COLUMNS, values, strict=True))}


def known(connection: AsyncConnection) -> set[tuple[int, int]]:
    """Facets that are there for certain, each as source and number, as this connection remembers them.

    All that writes goes through one connection. Whoever has added some puts them in once that is committed.
    """
    remembered: set[tuple[int, int]] = connection.info.setdefault(_KNOWN, set())
    if len(remembered) > MAX_KNOWN:
        remembered.clear()
    return remembered


async def add(connection: AsyncConnection, source: int, facets: Sequence[Facet]) -> None:
    """Add those that are not there yet."""
    rows = {facet["number"]: {"source": source, **facet} for facet in facets}
    if rows:
        statement = insert(connection, workflow_snapshot_facets).on_conflict_do_nothing()
        await connection.execute(statement, list(rows.values()))


async def unassigned(connection: AsyncConnection, limit: int) -> list[tuple[int, int, Facet]]:
    """Workflows without a facet, each by id and source with the one that it should have."""
    query = (
        select(
            _workflow.id,
            _workflow.source,
            _workflow.status,
            _workflow.workflow_name,
            _workflow.queue_name,
            _workflow.application_version,
            _workflow.schedule_name,
            _workflow.application_name,
            _workflow.was_forked_from,
            _workflow.parent_workflow_id.is_not(None),
        )
        # The index begins with the source.
        .where(_workflow.source.in_(select(snapshot_sources.c.number)), _workflow.facet.is_(None))
        .limit(limit)
    )
    return [(row[0], row[1], _made(*row[2:])) for row in await connection.execute(query)]


async def assign(connection: AsyncConnection, found: Sequence[tuple[int, int, Facet]]) -> None:
    """Give them to those workflows that have none still."""
    for source in {source for _, source, _ in found}:
        await add(connection, source, [facet for _, own, facet in found if own == source])
    statement = (
        update(workflow_snapshots)
        .where(_workflow.id == bindparam("which"), _workflow.facet.is_(None))
        .values(facet=bindparam("number"))
    )
    await connection.execute(
        statement, [{"which": row_id, "number": facet["number"]} for row_id, _, facet in found]
    )


async def unused(connection: AsyncConnection, source: int, limit: int) -> list[int]:
    """The numbers of some facets that no workflow has any more."""
    query = select(_facet.number).where(_facet.source == source, ~_has_workflows()).limit(limit)
    return list((await connection.execute(query)).scalars())


async def remove(connection: AsyncConnection, source: int, numbers: Sequence[int]) -> None:
    """Remove those of these facets that no workflow has."""
    known(connection).clear()
    await connection.execute(
        delete(workflow_snapshot_facets).where(
            _facet.source == source, _facet.number.in_(numbers), ~_has_workflows()
        )
    )


def _has_workflows() -> Any:
    return exists().where(_workflow.source == _facet.source, _workflow.facet == _facet.number)
