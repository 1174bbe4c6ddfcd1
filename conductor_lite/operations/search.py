"""Search across applications: workflows by id or prefix, and whatever else goes by a name.

Executors are asked side by side and for a moment only. What they cannot tell is looked up in snapshots, and
the answer says which applications could not be asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, TOKEN_READ
from conductor_lite.errors import (
    ConductorError,
    FieldError,
    InvalidError,
    NoHealthyExecutorError,
)
from conductor_lite.operations.context import Context
from conductor_lite.operations.deadline import deadline, remaining_secs
from conductor_lite.operations.snapshot_filters import snapshot_filters
from conductor_lite.protocol import (
    ListQueues,
    ListSchedules,
    ListWorkflows,
    ScheduleFilters,
    WorkflowFilters,
    WorkflowRecord,
)
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.snapshot_records import WorkflowSnapshot

T = TypeVar("T")

#: Longest text that is searched for, in characters.
MAX_TEXT_LENGTH = 1_000
#: Shorter beginnings of ids match too much to be of use to anyone.
MIN_PREFIX_LENGTH = 3
#: Seconds in which executors may answer, for each of the two rounds of questions.
PATIENCE_SECS = 2.5
#: Applications that are asked at the same time, and at most.
CONCURRENT_APPLICATIONS = 16
MAX_ASKED_APPLICATIONS = 200
#: Workflows shown of one application.
WORKFLOWS_PER_APPLICATION = 20
#: Other things shown, of each kind.
MAX_NAMED = 20


class WorkflowMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow whose id is, or begins with, what was searched for."""

    application_name: str
    workflow_id: str
    workflow_name: str | None
    status: str | None
    created_at_epoch_ms: int | None
    #: Whether it was found in a snapshot, so it may be out of date.
    from_snapshot: bool


class NamedMatch(msgspec.Struct, frozen=True, kw_only=True):
    """Something else whose name matches."""

    #: ``application``, ``executor``, ``version``, ``queue``, ``schedule`` or ``api_key``.
    kind: str
    name: str
    #: None for an API key.
    application_name: str | None = None


class Unasked(msgspec.Struct, frozen=True, kw_only=True):
    """An application whose executors did not tell."""

    application_name: str
    #: ``away`` (no executor is connected), ``silent`` (none answered well) or ``left_out`` (too many others).
    reason: str
    #: When the snapshot that was searched instead was up to date; None when there was none.
    snapshot_at: datetime | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found."""

    text: str
    #: Those of exactly this id where there are any, else those whose id begins so, newest first.
    workflows: tuple[WorkflowMatch, ...] = ()
    #: Whether the workflows have exactly the id that was searched for.
    exact: bool = False
    #: Applications with more workflows that match than are shown.
    more_in: tuple[str, ...] = ()
    named: tuple[NamedMatch, ...] = ()
    #: Kinds with more matches than are shown.
    more_of: tuple[str, ...] = ()
    unasked: tuple[Unasked, ...] = ()


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one application has."""

    workflows: list[WorkflowMatch]
    unasked: Unasked | None = None


class Search:
    """The operation behind the search box."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def find(self, actor: Actor, text: str) -> Found:
        """Find what goes by an id or a name, in every application within reach.

        Args:
            actor: on whose behalf; API keys are searched only if he may list them.
            text: a workflow's id or the beginning of one, or a part of a name.

        Raises:
            ForbiddenError: application.read is missing.
            InvalidError: the text is too long.
        """
        actor.require(APPLICATION_READ)
        text = _checked(text)
        if not text:
            return Found(text=text)
        records = await self._context.applications.list(actor.organization_id)
        seen = [record for record in records if actor.sees(record.id)]
        asked = seen[:MAX_ASKED_APPLICATIONS]
        left_out = [Unasked(application_name=app.name, reason="left_out") for app in seen[len(asked) :]]
        by_id = WorkflowFilters(workflow_ids=[text])
        answers = await self._round(
            asked, lambda app: self._workflows(app, by_id, lambda found: found == text)
        )
        exact = any(answer.workflows for answer in answers)
        named = list(self._on_record(seen, text))
        if not exact:
            answers, registered = await self._further(asked, answers, text)
            named += registered
        if TOKEN_READ in actor.permissions:
            named += await self._keys(actor, text)
        shown, more_of = _cut(named, text)
        workflows = [match for answer in answers for match in answer.workflows[:WORKFLOWS_PER_APPLICATION]]
        return Found(
            text=text,
            workflows=tuple(sorted(workflows, key=_newest_first)),
            exact=exact,
            more_in=tuple(
                answer.workflows[0].application_name
                for answer in answers
                if len(answer.workflows) > WORKFLOWS_PER_APPLICATION
            ),
            named=shown,
            more_of=more_of,
            unasked=tuple([answer.unasked for answer in answers if answer.unasked] + left_out),
        )

    async def _round(
        self, applications: Sequence[ApplicationRecord], ask: Callable[[ApplicationRecord], Awaitable[T]]
    ) -> list[T]:
        """Ask about every application, some at a time and all within the same few seconds."""
        turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def in_turn(application: ApplicationRecord) -> T:
            async with turns:
                return await ask(application)

        with deadline(min(PATIENCE_SECS, remaining_secs() or PATIENCE_SECS)):
            return list(await asyncio.gather(*map(in_turn, applications)))

    async def _further(
        self, asked: Sequence[ApplicationRecord], answers: Sequence[_Answer], text: str
    ) -> tuple[list[_Answer], list[NamedMatch]]:
        """What costs an application's database more: asked only where no workflow has exactly this id."""
        mute = {
            answer.unasked.application_name: answer.unasked.reason for answer in answers if answer.unasked
        }
        talking = [application for application in asked if application.name not in mute]
        by_prefix = WorkflowFilters(workflow_id_prefix=text)

        async def begin_so(application: ApplicationRecord) -> _Answer:
            # Who has just not answered is not waited for once more.
            why = mute.get(application.name)
            return await self._workflows(application, by_prefix, _begins_with(text), why)

        async def workflows() -> list[_Answer]:
            return await self._round(asked, begin_so) if len(text) >= MIN_PREFIX_LENGTH else list(answers)

        found, registered = await asyncio.gather(
            workflows(), self._round(talking, lambda app: self._registered(app, text))
        )
        return found, [match for matches in registered for match in matches]

    async def _workflows(
        self,
        application: ApplicationRecord,
        which: WorkflowFilters,
        fits: Callable[[str], bool],
        mute: str | None = None,
    ) -> _Answer:
        """What an executor answers; a snapshot where none does, or ``mute`` says already why none would."""
        # One more than is shown tells that there are more.
        filters = msgspec.structs.replace(
            which, limit=WORKFLOWS_PER_APPLICATION + 1, sort_desc=True, load_input=False, load_output=False
        )
        if mute is not None:
            return await self._from_snapshot(application, filters, mute)
        try:
            reply = await self._context.ask(application, ListWorkflows(body=filters))
        except ConductorError as error:
            reason = "away" if isinstance(error, NoHealthyExecutorError) else "silent"
            return await self._from_snapshot(application, filters, reason)
        # An SDK that does not know a filter answers with whatever there is.
        workflows = [workflow for workflow in reply.workflows if fits(workflow.workflow_id)]
        return _Answer(workflows=[_match(application, workflow) for workflow in workflows])

    async def _from_snapshot(
        self, application: ApplicationRecord, filters: WorkflowFilters, reason: str
    ) -> _Answer:
        source = await self._context.snapshots.source(application.id)
        if source is None:
            return _Answer(workflows=[], unasked=Unasked(application_name=application.name, reason=reason))
        found, _ = await self._context.snapshot_search.page(
            source.number,
            snapshot_filters(filters),
            limit=WORKFLOWS_PER_APPLICATION + 1,
            descending=True,
        )
        return _Answer(
            workflows=[_match(application, snapshot) for snapshot in found],
            unasked=Unasked(application_name=application.name, reason=reason, snapshot_at=source.synced_at),
        )

    def _on_record(self, applications: Sequence[ApplicationRecord], text: str) -> Iterator[NamedMatch]:
        """What the conductor itself knows: applications, executors, versions."""
        wanted = text.casefold()
        for application in applications:
            name = application.name
            if wanted in name.casefold():
                yield NamedMatch(kind="application", name=name, application_name=name)
            versions = set()
            for view in self._context.fleet.executors(application.id):
                versions.add(view.application_version)
                if wanted in view.executor_id.casefold():
                    yield NamedMatch(kind="executor", name=view.executor_id, application_name=name)
            for version in sorted(versions):
                if wanted in version.casefold():
                    yield NamedMatch(kind="version", name=version, application_name=name)

    async def _registered(self, application: ApplicationRecord, text: str) -> list[NamedMatch]:
        """Queues and schedules, as the application has registered them."""
        wanted = text.casefold()
        queues, schedules = await asyncio.gather(self._queues(application), self._schedules(application))
        named = [("queue", name) for name in queues] + [("schedule", name) for name in schedules]
        return [
            NamedMatch(kind=kind, name=name, application_name=application.name)
            for kind, name in sorted(named)
            if wanted in name.casefold()
        ]

    async def _queues(self, application: ApplicationRecord) -> list[str]:
        try:
            return [queue.name for queue in (await self._context.ask(application, ListQueues())).queues]
        except ConductorError:
            # Older SDKs have none to tell; that nobody answers, the search for workflows says already.
            return []

    async def _schedules(self, application: ApplicationRecord) -> list[str]:
        request = ListSchedules(body=ScheduleFilters(load_context=False))
        try:
            reply = await self._context.ask(application, request)
        except ConductorError:
            return []
        return [schedule.schedule_name for schedule in reply.schedules]

    async def _keys(self, actor: Actor, text: str) -> list[NamedMatch]:
        wanted = text.casefold()
        records = await self._context.keys.list(actor.organization_id)
        # The beginning of a key, as a log may show it, finds the key as well.
        return [
            NamedMatch(kind="api_key", name=record.name)
            for record in records
            if wanted in record.name.casefold() or text.startswith(f"dbos_{record.id}")
        ]


def _checked(text: str) -> str:
    text = text.strip()
    if len(text) > MAX_TEXT_LENGTH:
        field = FieldError(location="query.q", message=f"expected at most {MAX_TEXT_LENGTH} characters")
        raise InvalidError("Nothing has so long a name.", (field,))
    return text


def _match(application: ApplicationRecord, found: WorkflowRecord | WorkflowSnapshot) -> WorkflowMatch:
    return WorkflowMatch(
        application_name=application.name,
        workflow_id=found.workflow_id,
        workflow_name=found.workflow_name,
        status=found.status,
        created_at_epoch_ms=found.created_at_epoch_ms,
        from_snapshot=isinstance(found, WorkflowSnapshot),
    )


def _begins_with(text: str) -> Callable[[str], bool]:
    return lambda workflow_id: workflow_id.startswith(text)


def _newest_first(match: WorkflowMatch) -> tuple[int, str, str]:
    return -(match.created_at_epoch_ms or 0), match.application_name, match.workflow_id


def _cut(named: Iterable[NamedMatch], text: str) -> tuple[tuple[NamedMatch, ...], tuple[str, ...]]:
    """At most so many of each kind, those of exactly that name first; and the kinds that have more."""
    by_kind: dict[str, list[NamedMatch]] = {}
    for match in named:
        by_kind.setdefault(match.kind, []).append(match)
    shown: list[NamedMatch] = []
    for matches in by_kind.values():
        # Sorting keeps the order of equals.
        shown += sorted(matches, key=lambda match: match.name != text)[:MAX_NAMED]
    return tuple(shown), tuple(kind for kind, matches in by_kind.items() if len(matches) > MAX_NAMED)
