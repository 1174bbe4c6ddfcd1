"""What of an application is declared in a file, and so put back when that is applied."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there already was made by hand."""
    # Names of settings; null where the application itself is not declared.
    op.add_column("applications", sa.Column("declared_settings", sa.Text))
    for table in ("alerting_rules", "autoscaling_policies", "notification_targets"):
        op.add_column(table, sa.Column("declared", sa.Boolean, nullable=False, server_default=sa.false()))
