"""Metadata of workflows, kept for when their application is away, and how long to keep it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TEXTS = (
    "workflow_name",
    "workflow_class_name",
    "workflow_config_name",
    "authenticated_user",
    "assumed_role",
)


def upgrade() -> None:
    """Add the tables and the settings; every application is looked at unless it is told otherwise."""
    for column in (
        sa.Column("snapshots_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("snapshot_interval_secs", sa.Integer, nullable=False, server_default="15"),
        sa.Column("snapshot_keep_days", sa.Integer, nullable=False, server_default="30"),
        sa.Column("snapshot_keep_rows", sa.BigInteger, nullable=False, server_default="1000000"),
    ):
        op.add_column("applications", column)
    _sources()
    _snapshots()
    _indexes()
    _attributes()


def _sources() -> None:
    op.create_table(
        "snapshot_sources",
        sa.Column("number", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("application_id", sa.String),
        sa.Column("progress", sa.Text, nullable=False),
        sa.Column("synced_at", sa.BigInteger),
        sa.Column("full_pass_requested_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("number", name="pk_snapshot_sources"),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name="fk_snapshot_sources_application_id",
            ondelete="SET NULL",
        ),
        sa.UniqueConstraint("application_id", name="uq_snapshot_sources_application_id"),
        sqlite_autoincrement=True,
    )


def _snapshots() -> None:
    op.create_table(
        "workflow_snapshots",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("source", _NUMBER, nullable=False),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("created_at_epoch_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String),
        sa.Column("finished", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.String) for name in _TEXTS),
        sa.Column("authenticated_roles", sa.Text),
        sa.Column("updated_at_epoch_ms", sa.BigInteger),
        sa.Column("queue_name", sa.String),
        sa.Column("application_version", sa.String),
        sa.Column("executor_id", sa.String),
        sa.Column("timeout_ms", sa.BigInteger),
        sa.Column("deadline_epoch_ms", sa.BigInteger),
        sa.Column("deduplication_id", sa.String),
        sa.Column("priority", sa.BigInteger),
        sa.Column("queue_partition_key", sa.String),
        sa.Column("forked_from", sa.String),
        sa.Column("was_forked_from", sa.Boolean),
        sa.Column("parent_workflow_id", sa.String),
        sa.Column("dequeued_at_epoch_ms", sa.BigInteger),
        sa.Column("delay_until_epoch_ms", sa.BigInteger),
        sa.Column("completed_at_epoch_ms", sa.BigInteger),
        sa.Column("completed_class", sa.Integer),
        sa.Column("dequeued_class", sa.Integer),
        sa.Column("attributes", sa.Text),
        sa.Column("schedule_name", sa.String),
        sa.Column("application_name", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_snapshots"),
        sa.ForeignKeyConstraint(["source"], ["snapshot_sources.number"], name="fk_workflow_snapshots_source"),
        sa.UniqueConstraint("source", "workflow_id", name="uq_workflow_snapshots_source_workflow_id"),
    )


def _indexes() -> None:
    def index(name: str, *columns: str, where: str | None = None) -> None:
        condition = None if where is None else sa.text(where)
        op.create_index(
            f"ix_workflow_snapshots_{name}",
            "workflow_snapshots",
            list(columns),
            sqlite_where=condition,
            postgresql_where=condition,
        )

    created = "created_at_epoch_ms"
    index(created, "source", created)
    index("status", "source", "status", created, "id", "workflow_name", "queue_name", "application_version")
    index(
        "workflow_name",
        "source",
        "workflow_name",
        created,
        "id",
        "status",
        "queue_name",
        "application_version",
    )
    for column in (
        "finished",
        "application_version",
        "executor_id",
        "was_forked_from",
    ):
        index(column, "source", column, created)
    for column in (
        "authenticated_user",
        "queue_name",
        "schedule_name",
        "forked_from",
        "parent_workflow_id",
        "completed_at_epoch_ms",
        "dequeued_at_epoch_ms",
    ):
        index(column, "source", column, created, where=f"{column} IS NOT NULL")
    for kind in ("completed", "dequeued"):
        column = f"{kind}_class"
        index(column, "source", column, created, "id", f"{kind}_at_epoch_ms", where=f"{column} IS NOT NULL")
    index("has_parent", "source", created, where="parent_workflow_id IS NOT NULL")
    index("has_no_parent", "source", created, where="parent_workflow_id IS NULL")


def _attributes() -> None:
    op.create_table(
        "workflow_snapshot_attributes",
        sa.Column("source", _NUMBER, nullable=False),
        sa.Column("fact", sa.BigInteger, nullable=False),
        sa.Column("created_at_epoch_ms", sa.BigInteger, nullable=False),
        sa.Column("snapshot_id", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint(
            "source", "fact", "created_at_epoch_ms", "snapshot_id", name="pk_workflow_snapshot_attributes"
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["workflow_snapshots.id"],
            name="fk_workflow_snapshot_attributes_snapshot_id",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_workflow_snapshot_attributes_snapshot_id", "workflow_snapshot_attributes", ["snapshot_id"]
    )
