"""The first view of a workflow's page: what is known of it, and its steps."""

import msgspec

from conductor_lite.console.workflow_subject import Subject, WorkflowView
from conductor_lite.protocol import StepRecord

STEPS_PER_PAGE = 100


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What the view shows."""

    steps: tuple[StepRecord, ...]


async def _load(subject: Subject) -> Summary:
    steps = await subject.operations.workflows.steps(
        subject.actor,
        subject.application_name,
        subject.workflow.workflow_id,
        limit=STEPS_PER_PAGE,
        load_output=False,
    )
    return Summary(steps=tuple(steps))


SUMMARY = WorkflowView(
    key="",
    label="Summary & steps",
    template="workflow_summary.html",
    load=_load,
    wants_payloads=True,
)
