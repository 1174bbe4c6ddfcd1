"""What is asked before a workflow is changed: everything that the questions show, and the forms filled in."""

from collections.abc import Iterable

import msgspec

from conductor_lite.console.formatting import clip
from conductor_lite.console.workflow.deeds import FAILED, Kind
from conductor_lite.console.workflow.facts import WorkflowFacts
from conductor_lite.console.workflow.relatives import Relatives, children_of
from conductor_lite.console.workflow.steps import STEPS_PER_PAGE
from conductor_lite.console.workflow.subject import Subject
from conductor_lite.errors import DispatchError
from conductor_lite.operations.executors import VersionView

#: Steps that a list to choose from has at most; who has more says the number.
MAX_CHOICES = 500
_WITH_CHILDREN: frozenset[Kind] = frozenset({"cancel", "export", "delete"})
_WITH_QUEUES: frozenset[Kind] = frozenset({"resume", "fork", "fork-from-failure"})
_WITH_VERSIONS: frozenset[Kind] = frozenset({"fork", "fork-from-failure"})


class StepChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One step to begin at."""

    number: int
    name: str
    failed: bool


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a question shows besides its form."""

    kind: Kind
    workflow: WorkflowFacts
    #: Children as far as they were counted, and whether there are more.
    children: int = 0
    more_children: bool = False
    #: Names of registered queues.
    queues: tuple[str, ...] = ()
    #: Versions that executors are known of.
    versions: tuple[VersionView, ...] = ()
    #: The version that a fork is offered: the one that the workflow has, if somebody runs that.
    version: str = ""
    #: Steps to choose from; empty where there are too many, or none.
    steps: tuple[StepChoice, ...] = ()
    many_steps: bool = False

    @property
    def unserved(self) -> str:
        """The workflow's own version, where no executor that is connected runs it; empty otherwise."""
        version = self.workflow.application_version or ""
        return "" if version in _running(self.versions) else version


async def question(subject: Subject, workflow: WorkflowFacts, kind: Kind) -> Question:
    """Gather what a question shows; what is only a help to fill it in may be missing."""
    children = await children_of(subject) if kind in _WITH_CHILDREN else Relatives()
    steps = await _steps(subject) if kind == "fork" else ()
    return Question(
        kind=kind,
        workflow=workflow,
        children=len(children.workflows),
        more_children=children.has_more,
        queues=await _queues(subject) if kind in _WITH_QUEUES else (),
        versions=subject.application.versions if kind in _WITH_VERSIONS else (),
        version=await _version(subject) if kind in _WITH_VERSIONS else "",
        steps=steps if len(steps) <= MAX_CHOICES else (),
        many_steps=len(steps) > MAX_CHOICES,
    )


async def _steps(subject: Subject) -> tuple[StepChoice, ...]:
    workflows = subject.operations.workflows
    try:
        found = await workflows.steps(*subject.target, limit=MAX_CHOICES + 1, load_output=False)
        if subject.workflow.status in FAILED and len(found) <= STEPS_PER_PAGE:
            # Which of them failed is only told along with the outputs.
            found = await workflows.steps(*subject.target, limit=STEPS_PER_PAGE)
    except DispatchError:
        return ()
    return tuple(
        StepChoice(number=step.function_id, name=clip(step.function_name, 80), failed=step.error is not None)
        for step in found
    )


async def _version(subject: Subject) -> str:
    own, running = subject.workflow.application_version or "", _running(subject.application.versions)
    if own in running or not running:
        return own
    try:
        versions = await subject.operations.versions.list(subject.actor, subject.application_name)
    except DispatchError:
        return min(running)
    return next((item.version_name for item in versions if item.version_name in running), min(running))


def _running(versions: Iterable[VersionView]) -> set[str]:
    return {version.application_version for version in versions if version.healthy}


async def _queues(subject: Subject) -> tuple[str, ...]:
    try:
        queues = await subject.operations.queues.list(subject.actor, subject.application_name)
    except DispatchError:
        # Its SDK may not list queues, and those made in code are on no list: any name can be typed.
        return ()
    return tuple(queue.name for queue in queues if not queue.name.startswith("_"))
