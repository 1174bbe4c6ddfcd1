"""Facets: what workflows have in common with many others. Reads and writes within the caller's transaction.

Each combination that there is stands in a table once, and every workflow says which is its own. So it is seen
in a small table that filters never match together, however much each of them matches.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Column, Row, bindparam, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.dialect import insert
from conductor_lite.store.snapshot_records import WorkflowSnapshot
from conductor_lite.store.snapshot_schema import (
    snapshot_sources,
    workflow_snapshot_attributes,
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
_workflow, _facet, _facts = workflow_snapshots.c, workflow_snapshot_facets.c, workflow_snapshot_attributes


def facet_of(item: WorkflowSnapshot) -> Facet:
    """The facet of a workflow; the same values always have the same number."""
    values = (
        item.status,
        item.workflow_name,
        item.queue_name,
        item.application_version,
        item.schedule_name,
        item.application_name,
        item.was_forked_from,
        item.parent_workflow_id is not None,
    )
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


class Given(NamedTuple):
    """What an older version's workflow is given."""

    row_id: int
    source: int
    facet: Facet
    marks: int


async def unassigned(
    connection: AsyncConnection, columns: Sequence[Column[Any]], limit: int
) -> list[tuple[int, Row[Any]]]:
    """Some columns of workflows without a facet or marks, each with its source."""
    # The index begins with the source.
    query = (
        select(_workflow.source.label("source"), *columns)
        .where(_workflow.source.in_(select(snapshot_sources.c.number)), _workflow.marks.is_(None))
        .limit(limit)
    )
    return [(row.source, row) for row in await connection.execute(query)]


async def assign(connection: AsyncConnection, given: Sequence[Given]) -> None:
    """Give them to those workflows that have none still, and to their facts."""
    for source in {one.source for one in given}:
        await add(connection, source, [one.facet for one in given if one.source == source])
    parameters = [{"which": one.row_id, "number": one.facet["number"], "told": one.marks} for one in given]
    for table, which in ((workflow_snapshots, _workflow.id), (_facts, _facts.c.snapshot_id)):
        statement = update(table).where(which == bindparam("which"), table.c.marks.is_(None))
        await connection.execute(
            statement.values(facet=bindparam("number"), marks=bindparam("told")), parameters
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
