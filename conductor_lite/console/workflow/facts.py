"""What is known of a workflow besides its payloads, in the words and types that pages show. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from conductor_lite.console.beginnings import began_anew
from conductor_lite.console.formatting import clip, moment_of
from conductor_lite.operations.executors import PastRecovery
from conductor_lite.protocol import WorkflowRecord

#: Will not go on by themselves.
ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
#: Have not begun, or are to begin again.
WAITING = frozenset({"ENQUEUED", "DELAYED"})

#: Characters of a text that are kept; whoever writes longer names reads them through the API.
_MOST_CHARS = 2_000
#: Fields that are shown as they came.
_SAME = (
    "workflow_id",
    "status",
    "workflow_name",
    "workflow_class_name",
    "workflow_config_name",
    "authenticated_user",
    "assumed_role",
    "authenticated_roles",
    "queue_name",
    "queue_partition_key",
    "priority",
    "deduplication_id",
    "application_version",
    "executor_id",
    "timeout_ms",
    "forked_from",
    "was_forked_from",
    "parent_workflow_id",
    "schedule_name",
    "application_name",
)


class WorkflowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow without its payloads. Times are None where they are not on record."""

    workflow_id: str
    status: str | None
    workflow_name: str | None
    workflow_class_name: str | None
    workflow_config_name: str | None
    authenticated_user: str | None
    assumed_role: str | None
    #: JSON text, mostly.
    authenticated_roles: str | None
    queue_name: str | None
    queue_partition_key: str | None
    priority: int | None
    deduplication_id: str | None
    application_version: str | None
    executor_id: str | None
    timeout_ms: int | None
    forked_from: str | None
    was_forked_from: bool | None
    parent_workflow_id: str | None
    schedule_name: str | None
    application_name: str | None
    created_at: datetime | None
    updated_at: datetime | None
    delay_until: datetime | None
    dequeued_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None
    #: Whether it was, or may have been, recovered or resumed: earlier work is not told from waiting.
    began_anew: bool

    @property
    def has_ended(self) -> bool:
        """Whether it will not go on by itself; of words that are not known, the time of its end decides."""
        if self.status in WAITING or self.status == "PENDING":
            return False
        return self.status in ENDED or self.completed_at is not None

    @property
    def roles(self) -> str:
        """The authenticated roles as people write them; what is no list of them, as it came."""
        try:
            return ", ".join(msgspec.json.decode(self.authenticated_roles or "[]", type=list[str]))
        except msgspec.DecodeError:
            return self.authenticated_roles or ""

    @property
    def began_at(self) -> datetime | None:
        """When its work began: as it left its queue, or as it was made where it has none."""
        if self.status in WAITING:
            return None
        return self.dequeued_at or (None if self.queue_name else self.created_at)

    @property
    def waited_secs(self) -> float | None:
        """Seconds from its making to its beginning, delay and queue; None when it did not wait."""
        if self.dequeued_at is None or self.created_at is None or self.began_anew:
            return None
        return max(0.0, (self.dequeued_at - self.created_at).total_seconds())

    @property
    def worked_secs(self) -> float | None:
        """Seconds from its beginning to its end; None when one is not on record."""
        if self.began_at is None or self.completed_at is None or self.began_anew:
            return None
        return max(0.0, (self.completed_at - self.began_at).total_seconds())

    @property
    def took_secs(self) -> float | None:
        """Seconds from its making to its end."""
        if self.created_at is None or self.completed_at is None:
            return None
        return max(0.0, (self.completed_at - self.created_at).total_seconds())


def facts(workflow: WorkflowRecord, recoveries: Sequence[PastRecovery] = ()) -> WorkflowFacts:
    """Read a record; what is no time that a calendar has counts as not on record.

    Args:
        workflow: as an executor or a snapshot gave it.
        recoveries: of its application, as `began_anew` takes them.
    """
    return WorkflowFacts(
        **{name: _bounded(getattr(workflow, name)) for name in _SAME},
        created_at=moment_of(workflow.created_at_epoch_ms),
        updated_at=moment_of(workflow.updated_at_epoch_ms),
        delay_until=moment_of(workflow.delay_until_epoch_ms),
        dequeued_at=moment_of(workflow.dequeued_at_epoch_ms),
        completed_at=moment_of(workflow.completed_at_epoch_ms),
        deadline=moment_of(workflow.deadline_epoch_ms),
        began_anew=began_anew(workflow, recoveries),
    )


def _bounded(value: object) -> Any:
    return clip(value, _MOST_CHARS) if isinstance(value, str) else value
