"""Firings of alerting rules, the outbox of their messages, whom to tell, and runs of retention."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables."""
    _notification_targets()
    _alerts()
    _alert_deliveries()
    _retention_runs()


def _application(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["application_id"], ["applications.id"], name=f"fk_{table}_application_id", ondelete="CASCADE"
    )


def _notification_targets() -> None:
    op.create_table(
        "notification_targets",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification_targets"),
        _application("notification_targets"),
        sa.UniqueConstraint("application_id", "name", name="uq_notification_targets_application_id_name"),
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("rule_type", sa.String, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("alert_metadata", sa.Text, nullable=False),
        sa.Column("fired_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        _application("alerts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_application_id_id", "alerts", ["application_id", "id"])
    op.create_index("ix_alerts_rule_id", "alerts", ["rule_id"], sqlite_where=sa.text("resolved_at IS NULL"))


def _alert_deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("alert_id", _NUMBER, nullable=False),
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("receiver_id", sa.String, nullable=False),
        sa.Column("receiver_name", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("delivery_metadata", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_alert_deliveries"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name="fk_alert_deliveries_alert_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_deliveries_alert_id", "alert_deliveries", ["alert_id"])
    op.create_index(
        "ix_alert_deliveries_state_next_attempt_at",
        "alert_deliveries",
        ["state", "next_attempt_at"],
        sqlite_where=sa.text("state = 'pending'"),
    )


def _retention_runs() -> None:
    op.create_table(
        "retention_runs",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("executor_id", sa.String, nullable=False),
        sa.Column("gc_cutoff_epoch_ms", sa.BigInteger),
        sa.Column("gc_rows_threshold", sa.BigInteger),
        sa.Column("timeout_cutoff_epoch_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_retention_runs"),
        _application("retention_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_retention_runs_application_id_id", "retention_runs", ["application_id", "id"])
