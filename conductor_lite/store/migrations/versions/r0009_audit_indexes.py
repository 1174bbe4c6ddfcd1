"""The audit log by operation, target and outcome."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    for column in ("operation", "target_id", "status"):
        columns = ["organization_id", column, "emitted_at", "id"]
        op.create_index(f"ix_audit_log_{'_'.join(columns)}", "audit_log", columns)
