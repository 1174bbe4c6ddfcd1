"""Whether work of executors that were never on record is recovered without being asked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no application recovers unknown executors by itself until it is told to."""
    op.add_column(
        "applications",
        sa.Column("recover_unknown_executors", sa.Boolean, nullable=False, server_default=sa.false()),
    )
