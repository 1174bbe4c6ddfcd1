"""What callers send to change workflows, and what they are told."""

from typing import Annotated

import msgspec

from conductor_lite.api.fields import Int32

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

WorkflowIds = Annotated[list[str], msgspec.Meta(min_length=1)]


class _Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What all of these have in common."""


class CancelWorkflowInputBody(_Body, frozen=True, kw_only=True):
    """How to cancel a workflow."""

    cancel_children: bool = False


class ResumeWorkflowInputBody(_Body, frozen=True, kw_only=True):
    """How to resume a workflow."""

    queue_name: str | Unset = UNSET


class RewindWorkflowInputBody(_Body, frozen=True, kw_only=True):
    """From which step to run a workflow again in place."""

    start_step: Int32 = 0


class ForkWorkflowInputBody(_Body, frozen=True, kw_only=True):
    """How to run a workflow again under a new id."""

    start_step: Int32 = 0
    app_version: str | Unset = UNSET
    new_workflow_id: str | Unset = UNSET
    queue_name: str | Unset = UNSET
    queue_partition_key: str | Unset = UNSET


class ForkWorkflowOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The id of the new workflow."""

    workflow_id: str


class RestartWorkflowOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The id of the new workflow; null where the SDK does not tell it."""

    workflow_id: str | None


class BulkCancelInputBody(_Body, frozen=True, kw_only=True):
    """Which workflows to cancel."""

    workflow_ids: WorkflowIds
    cancel_children: bool = False


class BulkResumeInputBody(_Body, frozen=True, kw_only=True):
    """Which workflows to resume."""

    workflow_ids: WorkflowIds
    queue_name: str | Unset = UNSET


class BulkDeleteInputBody(_Body, frozen=True, kw_only=True):
    """Which workflows to delete."""

    workflow_ids: WorkflowIds
    delete_children: bool = False


class BulkForkFromFailureBody(_Body, frozen=True, kw_only=True):
    """Which workflows to fork, and from where: exactly one of the four ``from`` properties."""

    workflow_ids: WorkflowIds
    app_version: str | Unset = UNSET
    queue_name: str | Unset = UNSET
    queue_partition_key: str | Unset = UNSET
    from_last_failure: bool | Unset = UNSET
    from_last_step: bool | Unset = UNSET
    from_step: Int32 | Unset = UNSET
    from_step_name: str | Unset = UNSET


class BulkForkFromFailureOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The ids of the new workflows, in the order in which the old ones were given."""

    workflow_ids: list[str]


class DeleteQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much to delete."""

    delete_children: bool = False
