"""Alerting rules, autoscaling policies, custom roles, and how long an organization keeps its audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the column; what exists keeps the 90 days that it was promised."""
    op.add_column(
        "organizations",
        sa.Column("audit_log_retention_days", sa.Integer, nullable=False, server_default="90"),
    )
    _roles()
    _alerting_rules()
    _autoscaling_policies()


def _roles() -> None:
    op.create_table(
        "roles",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("permissions", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "name", name="pk_roles"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_roles_organization_id", ondelete="CASCADE"
        ),
    )


def _alerting_rules() -> None:
    op.create_table(
        "alerting_rules",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("receiving_application_id", sa.String, nullable=False),
        sa.Column("rule_type", sa.String, nullable=False),
        sa.Column("rule_metadata", sa.Text, nullable=False),
        sa.Column("min_interval_secs", sa.Integer),
        sa.Column("last_fired_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerting_rules"),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name="fk_alerting_rules_application_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["receiving_application_id"],
            ["applications.id"],
            name="fk_alerting_rules_receiving_application_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_alerting_rules_application_id", "alerting_rules", ["application_id"])
    op.create_index(
        "ix_alerting_rules_receiving_application_id", "alerting_rules", ["receiving_application_id"]
    )


def _autoscaling_policies() -> None:
    op.create_table(
        "autoscaling_policies",
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("application_id", name="pk_autoscaling_policies"),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name="fk_autoscaling_policies_application_id",
            ondelete="CASCADE",
        ),
    )
