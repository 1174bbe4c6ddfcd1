"""Marks and facets beside what indexes are sorted by, so that they tell what need not be looked up.

Workflows that are there already get their marks later, a few at a time: they may be millions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ORDER = ("created_at_epoch_ms", "id")
#: Those of values that most workflows leave empty.
_RARE = {
    "authenticated_user": _ORDER,
    "forked_from": _ORDER,
    "parent_workflow_id": _ORDER,
    "completed_at_epoch_ms": _ORDER[:1],
    "dequeued_at_epoch_ms": _ORDER[:1],
}


def upgrade() -> None:
    """Add the columns, and the indexes with them."""
    op.add_column("workflow_snapshots", sa.Column("marks", sa.BigInteger))
    for column in ("facet", "marks"):
        op.add_column("workflow_snapshot_attributes", sa.Column(column, sa.BigInteger))
    for name in ("facet", "executor_id", *_RARE):
        op.drop_index(f"ix_workflow_snapshots_{name}", "workflow_snapshots")
    _create("facet", "facet", *_ORDER, "marks")
    _create("executor_id", "executor_id", *_ORDER, "facet", "marks")
    _create("workflow_id", "workflow_id", "created_at_epoch_ms", "facet", "marks")
    for column, order in _RARE.items():
        _create(column, column, *order, "facet", "marks", where=f"{column} IS NOT NULL")
    _create("unmarked", "marks", where="marks IS NULL")


def _create(name: str, *columns: str, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(
        f"ix_workflow_snapshots_{name}",
        "workflow_snapshots",
        ["source", *columns],
        sqlite_where=condition,
        postgresql_where=condition,
    )
