"""The tables of metrics, beside the others in `schema`. No queries here.

Points lie on disk series by series, so that a chart reads one stretch for each of its lines. A series' source
is a small number here: an application that is deleted loses its row's name at once, its points go in batches.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from conductor_lite.store.columns import metadata

_Number = BigInteger().with_variant(Integer, "sqlite")

#: Whose metrics are kept, and how far they have come; times are seconds since 1970.
metric_sources = Table(
    "metric_sources",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("application_id", ForeignKey("applications.id", ondelete="SET NULL"), unique=True),
    # Everything that happened before has been asked for, or is past asking.
    Column("collected_until", BigInteger, nullable=False),
    # Windows of those lengths that end by then have been rolled up.
    Column("rolled_until_quarter", BigInteger, nullable=False),
    Column("rolled_until_day", BigInteger, nullable=False),
    # What the last answer was worked out from, ``aggregates`` or ``listings``.
    Column("basis", String, nullable=False),
    sqlite_autoincrement=True,
)

#: One line of a chart each: a family and its labels, empty where it has none.
metric_series = Table(
    "metric_series",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("source", _Number, ForeignKey("metric_sources.number"), nullable=False),
    Column("family", String, nullable=False),
    Column("first_label", String, nullable=False),
    Column("second_label", String, nullable=False),
    UniqueConstraint("source", "family", "first_label", "second_label"),
    sqlite_autoincrement=True,
)

#: What a series was in a window of time. Nothing stands here for none where something else was counted.
metric_points = Table(
    "metric_points",
    metadata,
    Column(
        "series",
        _Number,
        ForeignKey("metric_series.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("resolution_secs", Integer, primary_key=True, autoincrement=False),
    Column("window_start", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)
