"""The ``body`` objects of those requests that carry one: filters of listings, forks, aggregates, retention.

Times in filters are ISO 8601 text. A field left at its default is not sent, unless ``always_sent``.
"""

from typing import Any

import msgspec

from conductor_lite.protocol.base import Integer, OneOrMany, always_sent, no_number, no_text


class QueuedWorkflowFilters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which workflows on queues to list, how many, and in what order."""

    workflow_ids: list[str] | None = msgspec.field(default=None, name="workflow_uuids")
    workflow_name: OneOrMany | None = None
    authenticated_user: OneOrMany | None = None
    #: Created at or after this time.
    start_time: str | None = None
    #: Created at or before this time.
    end_time: str | None = None
    completed_after: str | None = None
    completed_before: str | None = None
    dequeued_after: str | None = None
    dequeued_before: str | None = None
    status: OneOrMany | None = None
    application_version: OneOrMany | None = None
    forked_from: OneOrMany | None = None
    parent_workflow_id: OneOrMany | None = None
    queue_name: OneOrMany | None = None
    limit: Integer | None = None
    offset: Integer | None = None
    #: Newest first.
    sort_desc: bool | None = None
    workflow_id_prefix: OneOrMany | None = None
    #: Executors load inputs when nothing is said, so say false whenever they are not needed.
    load_input: bool | None = None
    #: As ``load_input``, for outputs and errors.
    load_output: bool | None = None
    executor_id: OneOrMany | None = None
    was_forked_from: bool | None = None
    has_parent: bool | None = None
    #: Custom attributes that must all be equal.
    attributes: dict[str, Any] | None = None
    schedule_name: OneOrMany | None = None
    application_name: OneOrMany | None = None


class WorkflowFilters(QueuedWorkflowFilters, frozen=True, kw_only=True):
    """Which workflows to list, how many, and in what order."""

    queues_only: bool | None = None


class ForkBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which workflow to run again, and from which step on."""

    workflow_id: str
    #: The first step to run anew; those before it keep their recorded results.
    start_step: Integer
    #: Null keeps the original's version.
    application_version: str | None = always_sent(no_text)
    #: Null lets the executor make one up.
    new_workflow_id: str | None = always_sent(no_text)
    queue_name: str | None = None
    queue_partition_key: str | None = None


class ForkFromFailureBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which failed workflows to run again; give exactly one of the four ``from_`` fields."""

    workflow_ids: list[str]
    application_version: str | None = None
    queue_name: str | None = None
    queue_partition_key: str | None = None
    from_last_failure: bool | None = None
    from_last_step: bool | None = None
    from_step: Integer | None = None
    from_step_name: str | None = None


class QueueFilters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which queues to list."""

    application_name: OneOrMany | None = None


class ScheduleFilters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which schedules to list."""

    status: OneOrMany | None = None
    workflow_name: OneOrMany | None = None
    schedule_name_prefix: OneOrMany | None = None
    application_name: OneOrMany | None = None
    #: Executors load contexts when nothing is said.
    load_context: bool | None = None


class WorkflowAggregatesBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to group workflows, which figures to work out, and which workflows to look at."""

    group_by_status: bool | None = None
    group_by_name: bool | None = None
    group_by_queue_name: bool | None = None
    group_by_executor_id: bool | None = None
    group_by_application_version: bool | None = None
    group_by_application_name: bool | None = None
    select_count: bool | None = None
    select_min_created_at: bool | None = None
    select_max_queue_wait_ms: bool | None = None
    select_max_total_latency_ms: bool | None = None
    #: Also group by creation time, in buckets of this many milliseconds.
    time_bucket_size_ms: Integer | None = None
    status: list[str] | None = None
    start_time: str | None = None
    end_time: str | None = None
    completed_after: str | None = None
    completed_before: str | None = None
    dequeued_after: str | None = None
    dequeued_before: str | None = None
    workflow_name: list[str] | None = msgspec.field(default=None, name="name")
    application_version: list[str] | None = msgspec.field(default=None, name="app_version")
    executor_id: list[str] | None = None
    queue_name: list[str] | None = None
    workflow_id_prefix: list[str] | None = None
    workflow_ids: list[str] | None = None
    forked_from: list[str] | None = None
    parent_workflow_id: list[str] | None = None
    authenticated_user: list[str] | None = msgspec.field(default=None, name="user")
    schedule_name: list[str] | None = None
    application_name: list[str] | None = None
    was_forked_from: bool | None = None
    has_parent: bool | None = None
    attributes: dict[str, Any] | None = None


class StepAggregatesBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to group steps, which figures to work out, and which steps to look at."""

    group_by_function_name: bool | None = None
    group_by_status: bool | None = None
    select_count: bool | None = None
    select_max_duration_ms: bool | None = None
    #: Also group by completion time, in buckets of this many milliseconds.
    time_bucket_size_ms: Integer | None = None
    status: list[str] | None = None
    function_name: list[str] | None = None
    workflow_id_prefix: list[str] | None = None
    completed_after: str | None = None
    completed_before: str | None = None
    application_name: list[str] | None = None


class RetentionBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to clear away; a null leaves that kind of clearing out. All four are always sent."""

    #: Delete workflows that ended before this time.
    gc_cutoff_epoch_ms: Integer | None = always_sent(no_number)
    #: Keep at most this many workflows that have ended.
    gc_rows_threshold: Integer | None = always_sent(no_number)
    #: Delete at most this many in one transaction.
    gc_batch_size: Integer | None = always_sent(no_number)
    #: Cancel workflows still going that were created before this time.
    timeout_cutoff_epoch_ms: Integer | None = always_sent(no_number)
