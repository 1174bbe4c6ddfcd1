"""How much is under way, from an executor, or as snapshots last had it while none answers."""

from collections.abc import Sequence

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.errors import (
    DeadlineExceededError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
)
from conductor_lite.operations import Operations
from conductor_lite.operations.served import Served
from conductor_lite.operations.snapshots import UnderWay
from conductor_lite.protocol import WorkflowAggregateRecord, WorkflowAggregatesBody

#: Statuses of what is under way.
UNFINISHED = ("ENQUEUED", "DELAYED", "PENDING")


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of workflows that have not ended, and where they came from."""

    groups: Sequence[WorkflowAggregateRecord]
    served: Served
    #: Why they are not fresh although executors are connected; empty mostly.
    trouble: str = ""


async def under_way(actor: Actor, operations: Operations, name: str, body: WorkflowAggregatesBody) -> Groups:
    """Ask for groups of workflows that have not ended.

    Args:
        actor: on whose behalf.
        operations: who are asked.
        name: the application's.
        body: groups by status, queue, version or name, and narrows to queues at most.

    Raises:
        NotFoundError: no such application within reach.
        DispatchError: no executor answered, and there are no snapshots.
    """
    try:
        groups = await operations.workflows.aggregates(actor, name, body)
    except (NoHealthyExecutorError, NoExecutorAnsweredError, DeadlineExceededError) as error:
        try:
            found, served = await operations.snapshots.under_way(actor, name)
        except NotFoundError:
            raise error from None
        only = None if body.queue_name is None else frozenset(body.queue_name)
        return Groups(
            groups=[_group(each) for each in found if only is None or each.queue_name in only],
            served=served,
            trouble="" if isinstance(error, NoHealthyExecutorError) else str(error),
        )
    return Groups(groups=groups, served=Served(source="executor"))


def _group(found: UnderWay) -> WorkflowAggregateRecord:
    return WorkflowAggregateRecord(
        group={
            "status": found.status,
            "queue_name": found.queue_name,
            "application_version": found.application_version,
            "name": found.workflow_name,
        },
        count=found.count,
        min_created_at_epoch_ms=found.min_created_at_epoch_ms,
    )
