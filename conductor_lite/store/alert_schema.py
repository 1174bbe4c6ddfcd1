"""The tables of alerts, of whom they are delivered to, and of retention runs. No queries here."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from conductor_lite.store.columns import EpochMs, Json, metadata

# SQLite numbers only a column declared INTEGER by itself; elsewhere a history outgrows 32 bits.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

#: People to tell: addresses in Apprise's form, which hold passwords and tokens.
notification_targets = Table(
    "notification_targets",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", EpochMs, nullable=False),
    Column("declared", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("application_id", "name"),
)

#: Every firing of a rule. No foreign key to the rule: what fired stays on record after the rule is gone.
alerts = Table(
    "alerts",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
    Column("rule_id", String, nullable=False),
    Column("rule_type", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("alert_metadata", Json(dict[str, str]), nullable=False),
    Column("fired_at", EpochMs, nullable=False),
    Column("resolved_at", EpochMs),
    Index(None, "application_id", "id"),
    Index(None, "rule_id", sqlite_where=text("resolved_at IS NULL")),
    sqlite_autoincrement=True,
)

#: The outbox: one row per message and receiver, written together with the firing that it tells of.
alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("alert_id", ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("rule_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("channel", String, nullable=False),
    # An application's or a notification target's; neither is followed, so that history outlives both.
    Column("receiver_id", String, nullable=False),
    Column("receiver_name", String, nullable=False),
    Column("name", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("delivery_metadata", Json(dict[str, str]), nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", EpochMs, nullable=False),
    Column("next_attempt_at", EpochMs, nullable=False),
    Column("ended_at", EpochMs),
    Column("error", Text),
    Index(None, "state", "next_attempt_at", sqlite_where=text("state = 'pending'")),
    sqlite_autoincrement=True,
)

#: Every time that an application was asked to clear old workflows away.
retention_runs = Table(
    "retention_runs",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
    Column("started_at", EpochMs, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("executor_id", String, nullable=False),
    Column("gc_cutoff_epoch_ms", BigInteger),
    Column("gc_rows_threshold", BigInteger),
    Column("timeout_cutoff_epoch_ms", BigInteger),
    Index(None, "application_id", "id"),
    sqlite_autoincrement=True,
)
