"""The first view of a workflow's page: its payloads, the workflows around it, and its steps."""

import asyncio

import msgspec

from conductor_lite.console.beginnings import worked_before
from conductor_lite.console.payloads.display import SHORTCUTS
from conductor_lite.console.payloads.samples import Address, Sample, sample_or_none
from conductor_lite.console.workflow.facts import WorkflowFacts, facts
from conductor_lite.console.workflow.relatives import Family, family
from conductor_lite.console.workflow.steps import StepsPage, steps_page
from conductor_lite.console.workflow.subject import Subject, WorkflowView
from conductor_lite.errors import DispatchError


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What the view shows."""

    input: Sample | None
    output: Sample | None
    error: Sample | None
    attributes: Sample | None
    family: Family
    #: None when nobody can tell.
    steps: StepsPage | None
    #: Why nobody can; empty when somebody can.
    steps_problem: str
    #: Whether waiting can be told apart from work: not of what began anew, which its steps may give away.
    tells_waiting: bool


async def _load(subject: Subject) -> Summary:
    (steps, problem), relatives = await asyncio.gather(_steps(subject), family(subject))
    workflow, recoveries = subject.workflow, subject.recoveries
    return Summary(
        input=subject.payloads.input,
        output=subject.payloads.output,
        error=subject.payloads.error,
        attributes=sample_or_none(Address(of="attributes"), workflow.attributes),
        family=relatives,
        steps=steps,
        steps_problem=problem,
        tells_waiting=_tells_waiting(facts(workflow, recoveries), steps),
    )


def _tells_waiting(workflow: WorkflowFacts, steps: StepsPage | None) -> bool:
    dequeued, created = workflow.dequeued_at, workflow.created_at
    if dequeued is None or created is None or workflow.began_anew:
        return False
    if steps is None:
        return True
    # What a fork took over was done before the fork was made.
    starts = [step.started_at for step in steps.rows if step.started_at and step.started_at >= created]
    return steps.offset == 0 and not worked_before(dequeued, min(starts, default=None))


async def _steps(subject: Subject) -> tuple[StepsPage | None, str]:
    if subject.served.source == "snapshot":
        return None, ""
    try:
        return await steps_page(subject), ""
    except DispatchError as error:
        return None, str(error)


SUMMARY = WorkflowView(
    key="",
    label="Summary & steps",
    template="workflow_summary.html",
    load=_load,
    scripts=("payloads.js",),
    shortcuts=SHORTCUTS,
    wants_payloads=True,
    works_offline=True,
)
