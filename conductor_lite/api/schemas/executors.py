"""Executors as the API shows them."""

from typing import Any, Literal

import msgspec

from conductor_lite.api.fields import Int64, Timestamp

ExecutorStatus = Literal["HEALTHY", "DISCONNECTED", "DEAD"]


class Executor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One process that runs an application, as the conductor knows it now."""

    executor_id: str
    app_id: str
    app_version: str
    status: ExecutorStatus
    host_id: str | None
    hostname: str | None
    created_at: Timestamp
    updated_at: Timestamp
    language: str | None
    dbos_version: str | None
    executor_metadata: dict[str, Any] | None


class UnknownExecutor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An executor that owns pending workflows and is not on record here."""

    executor_id: str
    app_version: str
    pending_count: Int64
    first_seen_at: Timestamp


class RecoverUnknownExecutorInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Which one to recover; a process of it that lives would have its workflows run twice."""

    executor_id: str
    app_version: str
