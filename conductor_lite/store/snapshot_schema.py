"""The tables of snapshots, beside the others in `schema`. No queries here.

What is looked up is found in the order of creation by an index of its own; a column that most workflows leave
empty has an index of only those that do not. A workflow's application is a small number here, as it stands
in every index.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from conductor_lite.store.columns import EpochMs, Json, metadata
from conductor_lite.store.snapshot_records import SnapshotProgress

_Number = BigInteger().with_variant(Integer, "sqlite")

#: Whose workflows are kept. The row of an application that is deleted loses its name at once; its workflows
#: go a few at a time, so that nobody who writes has to wait for a million of them.
snapshot_sources = Table(
    "snapshot_sources",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("application_id", ForeignKey("applications.id", ondelete="SET NULL"), unique=True),
    Column("progress", Json(SnapshotProgress), nullable=False),
    Column("synced_at", EpochMs),
    Column("full_pass_requested_at", EpochMs),
    sqlite_autoincrement=True,
)


def _index(*columns: str, where: str | None = None, name: str | None = None) -> Index:
    condition = None if where is None else text(where)
    label = f"ix_workflow_snapshots_{name or '_'.join(columns[1:])}"
    return Index(label, *columns, sqlite_where=condition, postgresql_where=condition)


#: What an index must go on with to be in the order of creation, before columns that are only read there.
_ORDER = ("created_at_epoch_ms", "id")


def _by(column: str) -> Index:
    return _index("source", column, "created_at_epoch_ms", name=column)


def _by_rare(column: str) -> Index:
    return _index("source", column, "created_at_epoch_ms", name=column, where=f"{column} IS NOT NULL")


def _telling(*columns: str, name: str, where: str | None = None) -> Index:
    """One that also tells enough of a workflow to pass it over without looking it up."""
    return _index("source", *columns, "facet", "marks", name=name, where=where)


def _by_class(kind: str) -> Index:
    column = f"{kind}_class"
    return _index(
        "source",
        column,
        *_ORDER,
        f"{kind}_at_epoch_ms",
        name=column,
        where=f"{column} IS NOT NULL",
    )


#: Metadata of workflows as executors told it: never inputs, outputs or errors. Times are theirs, too.
workflow_snapshots = Table(
    "workflow_snapshots",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("source", _Number, ForeignKey("snapshot_sources.number"), nullable=False),
    Column("workflow_id", String, nullable=False),
    Column("created_at_epoch_ms", BigInteger, nullable=False),
    Column("status", String),
    # Whether it will not go on by itself; what a status means is for those who write it to know.
    Column("finished", Boolean, nullable=False),
    Column("workflow_name", String),
    Column("workflow_class_name", String),
    Column("workflow_config_name", String),
    Column("authenticated_user", String),
    Column("assumed_role", String),
    Column("authenticated_roles", Text),
    Column("updated_at_epoch_ms", BigInteger),
    Column("queue_name", String),
    Column("application_version", String),
    Column("executor_id", String),
    Column("timeout_ms", BigInteger),
    Column("deadline_epoch_ms", BigInteger),
    Column("deduplication_id", String),
    Column("priority", BigInteger),
    Column("queue_partition_key", String),
    Column("forked_from", String),
    Column("was_forked_from", Boolean),
    Column("parent_workflow_id", String),
    Column("dequeued_at_epoch_ms", BigInteger),
    Column("delay_until_epoch_ms", BigInteger),
    Column("completed_at_epoch_ms", BigInteger),
    # How long after creation that was, as `duration_class` tells it.
    Column("completed_class", Integer),
    Column("dequeued_class", Integer),
    Column("attributes", Text),
    Column("schedule_name", String),
    Column("application_name", String),
    # Which row of `workflow_snapshot_facets`; none for what an older version saved, until it gets one.
    Column("facet", BigInteger),
    # See `snapshot_marks`; none for what an older version saved, until it gets some.
    Column("marks", BigInteger),
    UniqueConstraint("source", "workflow_id"),
    _index("source", "created_at_epoch_ms"),
    _by("status"),
    _by("finished"),
    _by("workflow_name"),
    _by("application_version"),
    _by("was_forked_from"),
    _by_rare("queue_name"),
    _by_rare("schedule_name"),
    _index("source", "facet", *_ORDER, "marks", name="facet"),
    _telling("executor_id", *_ORDER, name="executor_id"),
    _telling("workflow_id", "created_at_epoch_ms", name="workflow_id"),
    *(
        _telling(column, *order, name=column, where=f"{column} IS NOT NULL")
        for column, order in (
            ("authenticated_user", _ORDER),
            ("forked_from", _ORDER),
            ("parent_workflow_id", _ORDER),
            ("completed_at_epoch_ms", _ORDER[:1]),
            ("dequeued_at_epoch_ms", _ORDER[:1]),
        )
    ),
    _index("source", "marks", name="unmarked", where="marks IS NULL"),
    _by_class("completed"),
    _by_class("dequeued"),
    _index("source", "created_at_epoch_ms", name="has_parent", where="parent_workflow_id IS NOT NULL"),
    _index("source", "created_at_epoch_ms", name="has_no_parent", where="parent_workflow_id IS NULL"),
)

#: What workflows' custom attributes hold, each fact as a number made from it (see `attribute_facts`).
workflow_snapshot_attributes = Table(
    "workflow_snapshot_attributes",
    metadata,
    Column("source", _Number, primary_key=True, autoincrement=False),
    Column("fact", BigInteger, primary_key=True),
    Column("created_at_epoch_ms", BigInteger, primary_key=True),
    Column(
        "snapshot_id",
        _Number,
        ForeignKey("workflow_snapshots.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    # As the workflow has them.
    Column("facet", BigInteger),
    Column("marks", BigInteger),
    sqlite_with_rowid=False,
)

#: What workflows have in common, each combination once (see `snapshot_facets`). It comes with the first
#: workflow that has it, and goes some time after the last.
workflow_snapshot_facets = Table(
    "workflow_snapshot_facets",
    metadata,
    Column("source", _Number, ForeignKey("snapshot_sources.number"), primary_key=True, autoincrement=False),
    # Made from all that follows.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("status", String),
    Column("workflow_name", String),
    Column("queue_name", String),
    Column("application_version", String),
    Column("schedule_name", String),
    Column("application_name", String),
    Column("was_forked_from", Boolean),
    Column("has_parent", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
