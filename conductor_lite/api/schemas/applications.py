"""Applications as the API shows them, and their settings."""

from typing import Annotated, Literal

import msgspec

from conductor_lite.api.fields import Int64

_MAX_EXECUTOR_TIMEOUT_SECS = 86_400
# The operation checks these bounds, and audits what it refuses; here they are only told to readers.
TimeoutSecs = Annotated[
    Int64, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": _MAX_EXECUTOR_TIMEOUT_SECS})
]
Count = Annotated[Int64, msgspec.Meta(extra_json_schema={"minimum": 0})]
IntervalSecs = Annotated[Int64, msgspec.Meta(extra_json_schema={"minimum": 5, "maximum": 3_600})]
KeepDays = Annotated[Int64, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": 3_650})]
KeepRows = Annotated[Int64, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": 100_000_000})]


class Application(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An application with its settings."""

    id: str
    name: str
    org_id: str
    status: Literal["AVAILABLE", "UNAVAILABLE"]
    language: str | None
    gc_time_threshold_ms: Int64 | None
    gc_rows_threshold: Int64 | None
    global_timeout_ms: Int64 | None
    executor_timeout_secs: Int64
    private_mode: bool
    dbos_cloud: bool
    #: Ours from here on.
    recover_unknown_executors: bool
    snapshots_enabled: bool
    snapshot_interval_secs: Int64
    snapshot_keep_days: Int64
    snapshot_keep_rows: Int64
    #: Settings that ``conductor-lite apply`` puts back; null where the application itself is not declared.
    declared_settings: list[str] | None


class PutAppInputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Settings that an application may be registered with."""

    private_mode: bool | msgspec.UnsetType = msgspec.UNSET


class PatchAppInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Settings to change; what is left out stays as it is."""

    executor_timeout_secs: TimeoutSecs | msgspec.UnsetType = msgspec.UNSET
    gc_rows_threshold: Count | msgspec.UnsetType = msgspec.UNSET
    gc_time_threshold_ms: Count | msgspec.UnsetType = msgspec.UNSET
    global_timeout_ms: Count | msgspec.UnsetType = msgspec.UNSET
    private_mode: bool | msgspec.UnsetType = msgspec.UNSET
    recover_unknown_executors: bool | msgspec.UnsetType = msgspec.UNSET
    snapshots_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    snapshot_interval_secs: IntervalSecs | msgspec.UnsetType = msgspec.UNSET
    snapshot_keep_days: KeepDays | msgspec.UnsetType = msgspec.UNSET
    snapshot_keep_rows: KeepRows | msgspec.UnsetType = msgspec.UNSET
