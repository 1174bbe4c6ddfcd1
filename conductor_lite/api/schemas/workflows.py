"""Workflows, and what belongs to one, as the API shows them."""

from typing import Annotated

import msgspec

from conductor_lite.api.fields import Int32, Int64, Natural, Timestamp

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET


class Workflow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One workflow. Payloads are text for people, which each SDK writes its own way."""

    workflow_id: str
    #: As the SDK reports it; newer SDKs may report words that are not known here.
    status: str
    workflow_name: str | None
    workflow_class: str | None
    workflow_config: str | None
    user: str | None
    assumed_role: str | None
    roles: str | None
    input: str | None
    output: str | None
    error: str | None
    created_at: Timestamp | None
    updated_at: Timestamp | None
    queue_name: str | None
    app_version: str | None
    executor_id: str | None
    timeout_ms: Int64 | None
    deadline: Timestamp | None
    deduplication_id: str | None
    priority: Int32 | None
    queue_partition_key: str | None
    forked_from: str | None
    was_forked_from: bool | None
    parent_workflow_id: str | None
    dequeued_at: Timestamp | None
    delay_until: Timestamp | None
    completed_at: Timestamp | None
    attributes: str | None
    schedule_name: str | None
    application_name: str | None


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step of a workflow."""

    step_id: Int32
    step_name: str
    output: str | None
    error: str | None
    child_workflow_id: str | None
    started_at: Timestamp | None
    completed_at: Timestamp | None


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event that a workflow has set."""

    key: str
    value: str | None


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One message that was sent to a workflow."""

    topic: str | None
    message: str | None
    created_at: Timestamp | None
    consumed: bool


class StreamEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One stream of a workflow and what was written to it."""

    key: str
    values: list[str]


class ExportWorkflowOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A workflow in its SDK's own format."""

    serialized_workflow: str


class ImportWorkflowInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An exported workflow."""

    serialized_workflow: Annotated[str, msgspec.Meta(min_length=1)]


class StepPageQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which part of a list."""

    limit: Natural | Unset = UNSET
    offset: Natural | Unset = UNSET


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much to export."""

    export_children: bool = False
