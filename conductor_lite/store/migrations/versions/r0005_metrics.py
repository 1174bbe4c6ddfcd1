"""Metrics of applications, minute by minute and rolled up."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables; they fill from the next full minute on."""
    op.create_table(
        "metric_sources",
        sa.Column("number", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("application_id", sa.String),
        sa.Column("collected_until", sa.BigInteger, nullable=False),
        sa.Column("rolled_until_quarter", sa.BigInteger, nullable=False),
        sa.Column("rolled_until_day", sa.BigInteger, nullable=False),
        sa.Column("basis", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_metric_sources"),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name="fk_metric_sources_application_id",
            ondelete="SET NULL",
        ),
        sa.UniqueConstraint("application_id", name="uq_metric_sources_application_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "metric_series",
        sa.Column("id", _NUMBER, nullable=False, autoincrement=True),
        sa.Column("source", _NUMBER, nullable=False),
        sa.Column("family", sa.String, nullable=False),
        sa.Column("first_label", sa.String, nullable=False),
        sa.Column("second_label", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metric_series"),
        sa.ForeignKeyConstraint(["source"], ["metric_sources.number"], name="fk_metric_series_source"),
        sa.UniqueConstraint(
            "source",
            "family",
            "first_label",
            "second_label",
            name="uq_metric_series_source_family_first_label_second_label",
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "metric_points",
        sa.Column("series", _NUMBER, nullable=False),
        sa.Column("resolution_secs", sa.Integer, nullable=False),
        sa.Column("window_start", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("series", "resolution_secs", "window_start", name="pk_metric_points"),
        sa.ForeignKeyConstraint(
            ["series"], ["metric_series.id"], name="fk_metric_points_series", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
