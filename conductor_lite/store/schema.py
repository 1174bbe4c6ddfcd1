"""The tables as SQLAlchemy knows them, and the revisions this version understands. No queries here.

Every change needs a migration in ``migrations/versions`` and its revision at the end of `KNOWN_REVISIONS`; a
test proves that both tell the same schema.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

# Imported so that `metadata` knows those tables, whoever asks it.
from conductor_lite.store import alert_schema as alert_schema
from conductor_lite.store import metric_schema as metric_schema
from conductor_lite.store import snapshot_schema as snapshot_schema
from conductor_lite.store.columns import EpochMs as EpochMs
from conductor_lite.store.columns import Json as Json
from conductor_lite.store.columns import metadata as metadata
from conductor_lite.store.records import AutoscalingPolicy

#: Every revision that this version can open or bring forward, oldest first. Kept here, next to the tables, so
#: that opening an up-to-date database need not import Alembic.
KNOWN_REVISIONS: tuple[str, ...] = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
)

#: The revision that the tables below describe.
HEAD_REVISION = KNOWN_REVISIONS[-1]

#: The organization that the first migration makes; a server without login works in it.
LOCAL_ORGANIZATION_ID = "local"

#: Facts about the file itself, such as which version last opened it.
meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created_at", EpochMs, nullable=False),
    Column("audit_log_retention_days", Integer, nullable=False, server_default="90"),
)

#: Custom roles; the built-in ones are the same everywhere and stand in no table.
roles = Table(
    "roles",
    metadata,
    Column("organization_id", ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("permissions", Json(tuple[str, ...]), nullable=False),
    Column("created_at", EpochMs, nullable=False),
)

applications = Table(
    "applications",
    metadata,
    Column("id", String, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("created_at", EpochMs, nullable=False),
    Column("updated_at", EpochMs, nullable=False),
    Column("executor_timeout_secs", Integer, nullable=False),
    Column("private_mode", Boolean, nullable=False),
    Column("gc_time_threshold_ms", BigInteger),
    Column("gc_rows_threshold", BigInteger),
    Column("global_timeout_ms", BigInteger),
    Column("language", String),
    Column("recover_unknown_executors", Boolean, nullable=False, server_default=false()),
    Column("snapshots_enabled", Boolean, nullable=False, server_default=true()),
    Column("snapshot_interval_secs", Integer, nullable=False, server_default="15"),
    Column("snapshot_keep_days", Integer, nullable=False, server_default="30"),
    Column("snapshot_keep_rows", BigInteger, nullable=False, server_default="1000000"),
    Column("declared_settings", Json(tuple[str, ...])),
    UniqueConstraint("organization_id", "name"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("secret_hash", String, nullable=False),
    Column("permissions", Json(tuple[str, ...]), nullable=False),
    Column("all_applications", Boolean, nullable=False),
    Column("created_at", EpochMs, nullable=False),
    UniqueConstraint("organization_id", "name"),
)

#: Which applications a limited key covers. The flag `all_applications` decides, not the lack of rows.
api_key_applications = Table(
    "api_key_applications",
    metadata,
    Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True, index=True),
)

executors = Table(
    "executors",
    metadata,
    Column("application_id", String, primary_key=True),
    Column("executor_id", String, primary_key=True),
    Column("application_version", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("hostname", String),
    Column("language", String),
    Column("dbos_version", String),
    Column("executor_metadata", Json(dict[str, object])),
    Column("created_at", EpochMs, nullable=False),
    Column("updated_at", EpochMs, nullable=False),
    Column("last_seen_at", EpochMs, nullable=False),
    ForeignKeyConstraint(["application_id"], ["applications.id"], ondelete="CASCADE"),
)

#: Executors whose record was dropped, for nothing of theirs was left: work that turns up was left behind.
forgotten_executors = Table(
    "forgotten_executors",
    metadata,
    # In the order in which they were forgotten, whatever the calendar did meanwhile.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), nullable=False),
    Column("executor_id", String, nullable=False),
    Column("application_version", String, nullable=False),
    UniqueConstraint("application_id", "executor_id", "application_version"),
    sqlite_autoincrement=True,
)

alerting_rules = Table(
    "alerting_rules",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), nullable=False, index=True),
    Column(
        "receiving_application_id",
        ForeignKey("applications.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("rule_type", String, nullable=False),
    # Its shape depends on the type of the rule, so whoever reads a row checks it.
    Column("rule_metadata", Json(dict[str, object]), nullable=False),
    Column("min_interval_secs", Integer),
    Column("last_fired_at", EpochMs),
    Column("created_at", EpochMs, nullable=False),
    Column("declared", Boolean, nullable=False, server_default=false()),
)

autoscaling_policies = Table(
    "autoscaling_policies",
    metadata,
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("policy", Json(AutoscalingPolicy), nullable=False),
    Column("updated_at", EpochMs, nullable=False),
    Column("declared", Boolean, nullable=False, server_default=false()),
)

#: What an application last told of its queues, schedules and versions, for while nobody can be asked.
definitions = Table(
    "definitions",
    metadata,
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String, primary_key=True),
    # JSON that is read by whoever wrote it.
    Column("items", LargeBinary, nullable=False),
    Column("told_at", EpochMs, nullable=False),
)

#: What was asked for under an idempotency key lately, so that asking twice does it once.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("organization_id", ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    # Who asked: the same key of somebody else is another key.
    Column("subject", String, nullable=False),
    Column("key", String, nullable=False),
    Column("request_digest", String, nullable=False),
    Column("new_id", String, nullable=False),
    Column("begun_at", EpochMs, nullable=False),
    # Null as long as nobody knows how it ended.
    Column("answer", LargeBinary),
    UniqueConstraint("organization_id", "subject", "key"),
    Index(None, "begun_at"),
    sqlite_autoincrement=True,
)

#: No foreign keys: what was done stays on record after the thing it was done to is gone.
audit_log = Table(
    "audit_log",
    metadata,
    # SQLite numbers only a column declared INTEGER by itself; elsewhere a log outgrows 32 bits.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("organization_id", String, nullable=False),
    Column("emitted_at", EpochMs, nullable=False),
    Column("operation", String, nullable=False),
    Column("status", String, nullable=False),
    Column("subject_type", String, nullable=False),
    Column("subject_id", String, nullable=False),
    Column("subject_display", String, nullable=False),
    Column("target_type", String),
    Column("target_id", String),
    Column("source_ip", String),
    Column("details", Json(dict[str, object]), nullable=False),
    Index(None, "organization_id", "emitted_at", "id"),
    # What is looked for most, in the order in which it is shown: it may be rare in a long log.
    Index(None, "organization_id", "operation", "emitted_at", "id"),
    Index(None, "organization_id", "target_id", "emitted_at", "id"),
    Index(None, "organization_id", "status", "emitted_at", "id"),
    Index(None, "emitted_at"),
    sqlite_autoincrement=True,
)
