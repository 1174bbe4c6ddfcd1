"""What callers ask of many workflows or steps: filters, and figures over groups."""

from typing import Any, Literal

import msgspec

from conductor_lite.api.fields import Int64, Moment, Natural, Timestamp

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class WorkflowFilterBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Which workflows: all filters that are given must match, each by any of its values."""

    workflow_ids: list[str] | None = None
    workflow_id_prefix: list[str] | None = None
    workflow_name: list[str] | None = None
    status: list[str] | None = None
    user: list[str] | None = None
    app_version: list[str] | None = None
    executor_id: list[str] | None = None
    queue_name: list[str] | None = None
    schedule_name: list[str] | None = None
    forked_from: list[str] | None = None
    parent_workflow_id: list[str] | None = None
    was_forked_from: bool | Unset = UNSET
    has_parent: bool | Unset = UNSET
    attributes: dict[str, Any] | Unset = UNSET
    start_time: Moment | Unset = UNSET
    end_time: Moment | Unset = UNSET
    completed_after: Moment | Unset = UNSET
    completed_before: Moment | Unset = UNSET
    dequeued_after: Moment | Unset = UNSET
    dequeued_before: Moment | Unset = UNSET


class WorkflowSearchBody(WorkflowFilterBody, frozen=True, kw_only=True):
    """Which workflows, how many, in what order, and with what."""

    queues_only: bool | Unset = UNSET
    limit: Natural | Unset = UNSET
    offset: Natural | Unset = UNSET
    sort_desc: bool | Unset = UNSET
    load_input: bool | Unset = UNSET
    load_output: bool | Unset = UNSET


class WorkflowAggregatesBody(WorkflowFilterBody, frozen=True, kw_only=True):
    """How to group workflows, and which figures to work out."""

    group_by_status: bool | Unset = UNSET
    group_by_workflow_name: bool | Unset = UNSET
    group_by_queue_name: bool | Unset = UNSET
    group_by_executor_id: bool | Unset = UNSET
    group_by_app_version: bool | Unset = UNSET
    group_by_application_name: bool | Unset = UNSET
    select_count: bool | Unset = UNSET
    select_min_created_at: bool | Unset = UNSET
    select_max_queue_wait_ms: bool | Unset = UNSET
    select_max_total_latency_ms: bool | Unset = UNSET
    time_bucket_size_ms: Int64 | Unset = UNSET


class WorkflowAggregate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of one group of workflows; those not asked for are left out."""

    group: dict[str, str | None]
    count: Int64 | Unset = UNSET
    min_created_at: Timestamp | Unset = UNSET
    max_queue_wait_ms: Int64 | Unset = UNSET
    max_total_latency_ms: Int64 | Unset = UNSET


class StepAggregatesBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """How to group steps, which figures to work out, and which steps to look at."""

    group_by_function_name: bool | Unset = UNSET
    group_by_status: bool | Unset = UNSET
    select_count: bool | Unset = UNSET
    select_max_duration_ms: bool | Unset = UNSET
    time_bucket_size_ms: Int64 | Unset = UNSET
    status: list[str] | Unset = UNSET
    step_name: list[str] | Unset = UNSET
    workflow_id_prefix: list[str] | Unset = UNSET
    completed_after: Moment | Unset = UNSET
    completed_before: Moment | Unset = UNSET


class StepAggregate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of one group of steps; those not asked for are left out."""

    group: dict[str, str | None]
    count: Int64 | Unset = UNSET
    max_duration_ms: Int64 | Unset = UNSET


class SourceQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where workflows are read: from an executor, from snapshots, or from these when no executor is there."""

    source: Literal["auto", "executor", "snapshot"] = "auto"


class WorkflowListQuery(SourceQuery, frozen=True, kw_only=True, rename="camel"):
    """Which workflows, how many, and in what order."""

    status: str | Unset = UNSET
    workflow_name: str | Unset = UNSET
    limit: Natural | Unset = UNSET
    offset: Natural | Unset = UNSET
    sort_desc: bool = False
    load_input: bool = False
    load_output: bool = False
