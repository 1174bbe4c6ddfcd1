"""Executors whose record was dropped, so that they stay known over restarts."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLE = "forgotten_executors"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        _TABLE,
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True
        ),
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("executor_id", sa.String, nullable=False),
        sa.Column("application_version", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("number", name=f"pk_{_TABLE}"),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=f"fk_{_TABLE}_application_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "application_id",
            "executor_id",
            "application_version",
            name=f"uq_{_TABLE}_application_id_executor_id_application_version",
        ),
        sqlite_autoincrement=True,
    )
