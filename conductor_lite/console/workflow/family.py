"""A workflow with its children and theirs, and all their steps: what the timeline and the graph are made of.

Asks operations, level by level and within limits; how anything is drawn is none of its business.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TypeAlias

import msgspec

from conductor_lite.console.formatting import moment
from conductor_lite.console.kept import Kept
from conductor_lite.console.timeline.spans import ENDED, step_kind, workflow_status
from conductor_lite.console.timeline.timeline import MAX_LEVELS, Branch
from conductor_lite.console.workflow.carried import Whose
from conductor_lite.console.workflow.outcomes import outcomes
from conductor_lite.console.workflow.subject import Subject, whose
from conductor_lite.errors import DispatchError, NotFoundError
from conductor_lite.operations.deadline import deadline, remaining_secs
from conductor_lite.protocol import StepRecord, WorkflowFilters, WorkflowRecord
from conductor_lite.wording import count, plural

#: Steps of one workflow, and of all of them.
MAX_STEPS = 5_000
MAX_ALL_STEPS = 20_000
#: Children on all levels together.
MAX_CHILDREN = 500
#: Questions about steps that are under way at a time: executors have work to do.
AT_ONCE = 4
#: Seconds after which the children that have not been fetched are left out; the page waits for longer.
CHILDREN_SECS = 6.0
#: After a workflow has ended, a step that was under way may still be recorded.
_SETTLED_AFTER = timedelta(minutes=1)

#: By application and workflow, as it was when its steps were fetched.
_Key: TypeAlias = tuple[Whose, str | None, int | None, int | None, int | None]
#: The steps of workflows that have ended: whoever looks at a large family again asks for what goes on alone.
_KEPT: Kept[_Key, Sequence[StepRecord]] = Kept(most=30_000, secs=300)


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's steps, and its children as far as they have been fetched; of results there are errors."""

    steps: Sequence[StepRecord]
    #: By workflow id, on all levels.
    children: Mapping[str, Branch]
    #: Sentences that tell what is not there, and why.
    left_out: tuple[str, ...] = ()


async def family(subject: Subject) -> Family:
    """Fetch the steps of a workflow, and its children with theirs.

    Raises:
        NotFoundError: the workflow has just been deleted.
        DispatchError: no executor answered; where some have, what they told is returned.
    """
    return await _Walk(subject).walk()


class _Walk:
    """One pass through the levels."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._children: dict[str, Branch] = {}
        self._left_out: dict[str, None] = {}
        # Steps that are there, of all workflows.
        self._gathered = 0
        # What was asked for rather than kept, by workflow id.
        self._fresh: dict[str, tuple[WorkflowRecord, Sequence[StepRecord]]] = {}

    async def walk(self) -> Family:
        """All levels, as far as the limits allow."""
        root = self._subject.workflow
        steps = await self._steps(root)
        try:
            with deadline(min(CHILDREN_SECS, remaining_secs() or CHILDREN_SECS)):
                await self._descend(root.workflow_id, steps)
        except DispatchError as error:
            self._leave_out(f"Some children could not be fetched: {error}")
        told = await self._told()
        for id_ in told.keys() & self._children.keys():
            self._children[id_] = Branch(workflow=self._children[id_].workflow, steps=told[id_])
        steps = told.get(root.workflow_id, steps)
        return Family(steps=steps, children=self._children, left_out=tuple(self._left_out))

    async def _told(self) -> dict[str, Sequence[StepRecord]]:
        """What was asked for, with how it ended; what will not change any more is kept."""
        fresh = dict(self._fresh)
        told = await outcomes(self._subject, fresh)
        for sentence in told.unknown:
            self._leave_out(sentence)
        for id_, (record, _) in fresh.items():
            if not told.unknown and self._is_settled(record):
                _KEPT.put(self._key(record), told.steps[id_], weight=1 + len(told.steps[id_]))
        return {id_: steps[:MAX_STEPS] for id_, steps in told.steps.items()}

    async def _descend(self, root_id: str, steps: Sequence[StepRecord]) -> None:
        seen = {root_id}
        wanted = _child_ids(steps, seen)
        for _ in range(MAX_LEVELS):
            room = MAX_CHILDREN - len(self._children)
            if len(wanted) > room:
                self._leave_out(f"Only {count(MAX_CHILDREN)} children are shown.")
                wanted = wanted[:room]
            if not wanted:
                return
            branches = await self._level(wanted)
            if self._gathered >= MAX_ALL_STEPS:
                self._leave_out(f"Only about {count(MAX_ALL_STEPS)} steps are shown in all.")
                return
            wanted = _child_ids((step for branch in branches for step in branch.steps), seen)
        if wanted:
            self._leave_out(f"Children are shown down to {plural(MAX_LEVELS, 'level')}.")

    async def _level(self, ids: list[str]) -> list[Branch]:
        """The workflows of one level with their steps, in the order of their ids."""
        known = await self._workflows(ids)
        # Until their steps are there, they are there without them.
        self._children |= {id_: Branch(workflow=known.get(id_)) for id_ in ids}
        await asyncio.gather(*(self._add_steps(record) for record in known.values()))
        return [self._children[id_] for id_ in ids]

    async def _workflows(self, ids: list[str]) -> dict[str, WorkflowRecord]:
        """One question for all of them, for what a fork took over was started by another than its parent."""
        subject = self._subject
        filters = WorkflowFilters(workflow_ids=ids, limit=len(ids), load_input=False, load_output=False)
        pages = subject.operations.workflows.search(subject.actor, subject.application_name, filters)
        async with aclosing(pages):
            found = {record.workflow_id: record async for page in pages for record in page}
        return {id_: found[id_] for id_ in ids if id_ in found}

    async def _add_steps(self, workflow: WorkflowRecord) -> None:
        async with self._turns:
            if self._gathered >= MAX_ALL_STEPS:
                return
            try:
                branch = Branch(workflow=workflow, steps=await self._steps(workflow))
            except NotFoundError:
                branch = Branch(workflow=None)
            except DispatchError as error:
                self._leave_out(f"The steps of some children could not be fetched: {error}")
                return
        self._children[workflow.workflow_id] = branch

    async def _steps(self, workflow: WorkflowRecord) -> Sequence[StepRecord]:
        kept = _KEPT.get(self._key(workflow))
        steps = await self._ask_for_steps(workflow) if kept is None else kept
        if len(steps) > MAX_STEPS:
            self._leave_out(f"Of each workflow only the first {count(MAX_STEPS)} steps are shown.")
            steps = steps[:MAX_STEPS]
        self._gathered += len(steps)
        return steps

    async def _ask_for_steps(self, workflow: WorkflowRecord) -> Sequence[StepRecord]:
        subject = self._subject
        target = (subject.actor, subject.application_name, workflow.workflow_id)
        steps = await subject.operations.workflows.steps(*target, limit=MAX_STEPS + 1, load_output=False)
        # One more than are shown tells that there are more.
        steps = steps[: MAX_STEPS + 1]
        self._fresh[workflow.workflow_id] = (workflow, steps)
        return steps

    def _key(self, workflow: WorkflowRecord) -> _Key:
        mine = whose(self._subject.operations, self._subject.application, workflow.workflow_id)
        times = (workflow.created_at_epoch_ms, workflow.updated_at_epoch_ms, workflow.completed_at_epoch_ms)
        return mine, workflow.status, *times

    def _is_settled(self, workflow: WorkflowRecord) -> bool:
        ended_at = workflow.completed_at_epoch_ms or workflow.updated_at_epoch_ms
        if ended_at is None or workflow_status(workflow) not in ENDED:
            return False
        return moment(ended_at) + _SETTLED_AFTER < self._subject.now

    def _leave_out(self, sentence: str) -> None:
        self._left_out.setdefault(sentence)


def _child_ids(steps: Iterable[StepRecord], seen: set[str]) -> list[str]:
    """Ids of the workflows that steps started, each once; whoever only waits for one has not started it."""
    found = []
    for step in steps:
        id_ = step.child_workflow_id
        if id_ and id_ not in seen and step_kind(step.function_name) != "wait":
            seen.add(id_)
            found.append(id_)
    return found
