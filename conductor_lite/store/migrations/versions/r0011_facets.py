"""What workflows have in common, each combination once, so that filters that never match together are known.

Workflows that are there already get theirs later, a few at a time: they may be millions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table, and which of its rows is a workflow's."""
    op.create_table(
        "workflow_snapshot_facets",
        sa.Column("source", _NUMBER, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String),
        sa.Column("workflow_name", sa.String),
        sa.Column("queue_name", sa.String),
        sa.Column("application_version", sa.String),
        sa.Column("schedule_name", sa.String),
        sa.Column("application_name", sa.String),
        sa.Column("was_forked_from", sa.Boolean),
        sa.Column("has_parent", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("source", "number", name="pk_workflow_snapshot_facets"),
        sa.ForeignKeyConstraint(
            ["source"], ["snapshot_sources.number"], name="fk_workflow_snapshot_facets_source"
        ),
        sqlite_with_rowid=False,
    )
    op.add_column("workflow_snapshots", sa.Column("facet", sa.BigInteger))
    # These two held what facets tell now.
    for column in ("status", "workflow_name"):
        op.drop_index(f"ix_workflow_snapshots_{column}", "workflow_snapshots")
    for column in ("status", "workflow_name", "facet"):
        columns = ["source", column, "created_at_epoch_ms"]
        op.create_index(f"ix_workflow_snapshots_{column}", "workflow_snapshots", columns)
