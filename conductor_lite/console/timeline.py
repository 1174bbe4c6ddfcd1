"""A workflow, its steps and its children as spans on a time axis. Pure: records in, spans out."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from conductor_lite.protocol import StepRecord, WorkflowRecord

#: What a span stands for. ``child`` is a child workflow; ``queue`` the time before a workflow began; ``wait``
#: the wait for a message, an event or another workflow; ``internal`` what else the SDK does as a step.
SpanKind = Literal["workflow", "child", "step", "sleep", "queue", "wait", "internal"]
SpanStatus = Literal["running", "waiting", "delayed", "succeeded", "retried", "failed", "cancelled"]

#: Children of children of … that are laid out.
MAX_LEVELS = 6


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow as far as it has been fetched."""

    #: None when the executor does not know it (any more).
    workflow: WorkflowRecord | None
    steps: Sequence[StepRecord] = ()


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bar."""

    #: Its place in the timeline, from 0; parents come before what is in them.
    id: int
    parent: int | None
    label: str
    kind: SpanKind
    status: SpanStatus
    #: Where to draw it; see ``timed``.
    start_epoch_ms: int
    #: None: still going on.
    end_epoch_ms: int | None
    #: Whether these times are on record. Otherwise they only keep the order of the steps.
    timed: bool
    #: 0 for the workflow itself.
    depth: int
    #: The workflow that it is, or that it is a part of.
    workflow_id: str
    #: Number of the step, for parts of workflows and for children that a step has started.
    function_id: int | None
    foldable: bool
    #: A few words more, such as ``2 failures before``; empty mostly.
    note: str = ""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All spans, in the order in which they are listed."""

    spans: tuple[Span, ...]
    start_epoch_ms: int
    #: The latest end, or now when something is going on.
    end_epoch_ms: int
    #: Whether something is still going on.
    live: bool
    #: Whether any step has no times on record.
    untimed: bool
    #: Whether children are left out, for their depth or their number.
    incomplete: bool


def build(
    workflow: WorkflowRecord,
    steps: Sequence[StepRecord],
    children: Mapping[str, Branch],
    now_epoch_ms: int,
) -> Timeline:
    """Lay out a workflow.

    Args:
        workflow: the one at the root.
        steps: its steps.
        children: what has been fetched of its children and theirs, by workflow id.
        now_epoch_ms: where what is still going on ends for now.
    """
    start = workflow.created_at_epoch_ms or now_epoch_ms
    root = Span(
        id=0,
        parent=None,
        label=workflow.workflow_name or workflow.workflow_id,
        kind="workflow",
        status="running",
        start_epoch_ms=start,
        end_epoch_ms=workflow.completed_at_epoch_ms,
        timed=True,
        depth=0,
        workflow_id=workflow.workflow_id,
        function_id=None,
        foldable=bool(steps),
    )
    return Timeline(
        spans=(root,),
        start_epoch_ms=start,
        end_epoch_ms=now_epoch_ms,
        live=True,
        untimed=False,
        incomplete=False,
    )
