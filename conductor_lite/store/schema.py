"""The tables as SQLAlchemy knows them, and the revisions this version understands. No queries here.

Every change needs a migration in ``migrations/versions`` and its revision at the end of `KNOWN_REVISIONS`; a
test proves that both tell the same schema.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator

from conductor_lite.errors import StoreError
from conductor_lite.store.records import AutoscalingPolicy

#: Every revision that this version can open or bring forward, oldest first. Kept here, next to the tables, so
#: that opening an up-to-date database need not import Alembic.
KNOWN_REVISIONS: tuple[str, ...] = ("0001", "0002", "0003")

#: The revision that the tables below describe.
HEAD_REVISION = KNOWN_REVISIONS[-1]

#: The organization that the first migration makes; a server without login works in it.
LOCAL_ORGANIZATION_ID = "local"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class EpochMs(TypeDecorator[datetime]):
    """An aware datetime, stored as whole milliseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuse naive datetimes: they would be stored as some other instant without anyone noticing."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store takes aware datetimes only")
        return (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give back an aware UTC datetime."""
        return None if value is None else _EPOCH + value * _MILLISECOND


class Json(TypeDecorator[Any]):
    """A JSON document stored as text, checked against a type when it is read.

    Args:
        shape: the type that every document has, as ``msgspec`` understands types.
    """

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """Encode; raises TypeError for what JSON cannot hold."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        """Decode and check; raises `StoreError` for a document of another shape."""
        if value is None:
            return None
        try:
            return msgspec.json.decode(value, type=self.shape)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"The database holds a value that conductor-lite did not write ({error}). "
                "Undo the change made by hand, or restore a backup."
            ) from error


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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
)

autoscaling_policies = Table(
    "autoscaling_policies",
    metadata,
    Column("application_id", ForeignKey("applications.id", ondelete="CASCADE"), primary_key=True),
    Column("policy", Json(AutoscalingPolicy), nullable=False),
    Column("updated_at", EpochMs, nullable=False),
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
    Index(None, "emitted_at"),
    sqlite_autoincrement=True,
)
