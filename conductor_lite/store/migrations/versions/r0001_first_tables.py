"""Organizations, applications, API keys, executors and the audit log; makes the organization ``local``."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the one organization that a server without login works in."""
    _owners()
    _api_keys()
    _executors()
    _audit_log()
    now = datetime.now(UTC)
    op.execute(
        sa.text(
            "INSERT INTO organizations (id, name, created_at) VALUES ('local', 'local', :now)"
        ).bindparams(now=int(now.timestamp() * 1000))
    )


def _owners() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
    )
    op.create_table(
        "applications",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("executor_timeout_secs", sa.Integer, nullable=False),
        sa.Column("private_mode", sa.Boolean, nullable=False),
        sa.Column("gc_time_threshold_ms", sa.BigInteger),
        sa.Column("gc_rows_threshold", sa.BigInteger),
        sa.Column("global_timeout_ms", sa.BigInteger),
        sa.Column("language", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_applications_organization_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("organization_id", "name", name="uq_applications_organization_id_name"),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("secret_hash", sa.String, nullable=False),
        sa.Column("permissions", sa.Text, nullable=False),
        sa.Column("all_applications", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_api_keys_organization_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("organization_id", "name", name="uq_api_keys_organization_id_name"),
    )
    op.create_table(
        "api_key_applications",
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("application_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "application_id", name="pk_api_key_applications"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_api_key_applications_key_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name="fk_api_key_applications_application_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_api_key_applications_application_id", "api_key_applications", ["application_id"])


def _executors() -> None:
    op.create_table(
        "executors",
        sa.Column("application_id", sa.String, nullable=False),
        sa.Column("executor_id", sa.String, nullable=False),
        sa.Column("application_version", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("hostname", sa.String),
        sa.Column("language", sa.String),
        sa.Column("dbos_version", sa.String),
        sa.Column("executor_metadata", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("application_id", "executor_id", "application_version", name="pk_executors"),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name="fk_executors_application_id", ondelete="CASCADE"
        ),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("emitted_at", sa.BigInteger, nullable=False),
        sa.Column("operation", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("subject_type", sa.String, nullable=False),
        sa.Column("subject_id", sa.String, nullable=False),
        sa.Column("subject_display", sa.String, nullable=False),
        sa.Column("target_type", sa.String),
        sa.Column("target_id", sa.String),
        sa.Column("source_ip", sa.String),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_audit_log_organization_id_emitted_at_id", "audit_log", ["organization_id", "emitted_at", "id"]
    )
    op.create_index("ix_audit_log_emitted_at", "audit_log", ["emitted_at"])
