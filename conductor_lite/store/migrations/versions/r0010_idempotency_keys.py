"""What was asked for under an idempotency key, and what was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLE = "idempotency_keys"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        _TABLE,
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True
        ),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("request_digest", sa.String, nullable=False),
        sa.Column("new_id", sa.String, nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name=f"pk_{_TABLE}"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=f"fk_{_TABLE}_organization_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "organization_id", "subject", "key", name=f"uq_{_TABLE}_organization_id_subject_key"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_TABLE}_begun_at", _TABLE, ["begun_at"])
