"""What an application defines besides workflows: queues, schedules, versions."""

import msgspec

from conductor_lite.api.fields import Int32, Moment, Timestamp

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class Queue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One registered queue. A null limit means that there is none."""

    name: str
    concurrency: Int32 | None
    worker_concurrency: Int32 | None
    rate_limit_max: Int32 | None
    rate_limit_period_secs: float | None
    priority_enabled: bool
    partition_queue: bool
    polling_interval_secs: float | None
    application_name: str | None
    partition_concurrency: Int32 | None
    partition_worker_concurrency: Int32 | None
    partition_rate_limit_max: Int32 | None
    partition_rate_limit_period_secs: float | None


class Schedule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One schedule."""

    schedule_id: str
    schedule_name: str
    workflow_name: str
    workflow_class: str | None
    cron_expression: str
    status: str
    context: str | None
    last_fired_at: Timestamp | None
    automatic_backfill: bool
    cron_timezone: str | None
    application_name: str | None


class BackfillInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The period to make up for."""

    start_time: Moment
    end_time: Moment


class BackfillOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The workflows that were enqueued."""

    workflow_ids: list[str]


class TriggerOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The workflow that was started."""

    workflow_id: str


class ApplicationVersion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One version that the application has registered."""

    version_id: str
    version_name: str
    version_timestamp: Timestamp | None
    created_at: Timestamp | None


class PatchLatestVersionInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The version to make the latest."""

    version_name: str


class ScheduleListQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which schedules, and with what."""

    status: str | Unset = UNSET
    workflow_name: str | Unset = UNSET
    schedule_name_prefix: str | Unset = UNSET
    load_context: bool = False
