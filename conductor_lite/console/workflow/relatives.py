"""The workflows around one: those that it started, and those that were forked from it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from conductor_lite.console.workflow.facts import WorkflowFacts, facts
from conductor_lite.console.workflow.subject import Subject
from conductor_lite.errors import DispatchError
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

#: Of each kind, that are shown; the table of workflows has the rest.
MOST = 20


class Relatives(msgspec.Struct, frozen=True, kw_only=True):
    """Some workflows of one kind, the oldest first."""

    workflows: tuple[WorkflowFacts, ...] = ()
    has_more: bool = False
    #: Why they could not be looked for; empty when they could.
    problem: str = ""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The workflows around one; the two that it comes from it names itself."""

    children: Relatives
    forks: Relatives


async def family(subject: Subject) -> Family:
    """Look for children and forks, in snapshots where no executor is there."""
    children = children_of(subject)
    if subject.workflow.was_forked_from is False:
        return Family(children=await children, forks=Relatives())
    forks = _search(subject, WorkflowFilters(forked_from=subject.workflow.workflow_id))
    found = await asyncio.gather(children, forks)
    return Family(children=found[0], forks=found[1])


async def children_of(subject: Subject) -> Relatives:
    """Look for children alone."""
    return await _search(subject, WorkflowFilters(parent_workflow_id=subject.workflow.workflow_id))


async def _search(subject: Subject, filters: WorkflowFilters) -> Relatives:
    wanted = msgspec.structs.replace(filters, limit=MOST + 1, load_input=False, load_output=False)
    try:
        async with aclosing(await _pages(subject, wanted)) as pages:
            found = [record async for page in pages for record in page]
    except DispatchError as error:
        return Relatives(problem=str(error))
    # Older SDKs do not know these filters and send whatever there is.
    related = [facts(record) for record in found if _agrees(record, filters)]
    return Relatives(workflows=tuple(related[:MOST]), has_more=len(related) > MOST)


async def _pages(subject: Subject, wanted: WorkflowFilters) -> AsyncGenerator[list[WorkflowRecord], None]:
    operations, actor, name = subject.operations, subject.actor, subject.application_name
    if subject.served.source == "executor":
        return operations.workflows.search(actor, name, wanted)
    return (await operations.snapshots.search(actor, name, wanted, "snapshot")).pages


def _agrees(record: WorkflowRecord, filters: WorkflowFilters) -> bool:
    return filters.parent_workflow_id in (None, record.parent_workflow_id) and filters.forked_from in (
        None,
        record.forked_from,
    )
