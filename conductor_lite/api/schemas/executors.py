"""Executors as the API shows them."""

from typing import Any, Literal

import msgspec

from conductor_lite.api.fields import Timestamp

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
