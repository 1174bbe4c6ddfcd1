"""What applications last told of their queues, schedules and versions, for while nobody can be asked."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLE = "definitions"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        _TABLE,
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("items", sa.LargeBinary, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("application_id", "kind", name=f"pk_{_TABLE}"),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=f"fk_{_TABLE}_application_id", ondelete="CASCADE"
        ),
    )
