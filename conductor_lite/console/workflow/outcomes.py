"""How steps ended: which of them failed, and when those that sleep wake, without loading what steps return.

Steps come without results. Failures are found by counting them, and looked at one by one; what a step has
recorded never changes, so that it is asked for once.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from conductor_lite.console.formatting import clip, moment
from conductor_lite.console.kept import Kept
from conductor_lite.console.timeline.spans import ENDED, step_kind, workflow_status
from conductor_lite.console.workflow.subject import Subject
from conductor_lite.errors import DispatchError, ExecutorReportedError, NotFoundError
from conductor_lite.operations.deadline import deadline, remaining_secs
from conductor_lite.protocol import StepAggregatesBody, StepRecord, WorkflowRecord
from conductor_lite.wording import plural

#: Failures that are told apart by counting; where there are more, results are loaded as far as that goes.
MAX_FAILURES = 5_000
#: Steps that are looked at one by one for each page.
MAX_LOOKS = 48
#: Where counting does not tell: steps whose results are loaded at once, and how often for each page.
WINDOW_STEPS = 100
MAX_WINDOWS = 10
#: Questions under way at a time.
AT_ONCE = 4
#: Seconds that it may take; what is not known by then is not known.
OUTCOMES_SECS = 3.0
_ERROR_CHARS, _OUTPUT_CHARS = 2_000, 40
#: A sleep on record as over so soon has not said by that when it ends.
_INSTANT_MS = 1
_MARGIN_MS = 1_000
_UNKNOWN = "Whether {} failed is not known: the SDK cannot tell without sending all results."
_PRIVATE = (
    "Whether {} failed is not known: the SDK cannot tell without sending results, which private mode forbids."
)

#: A workflow's id, and the place of a step among its steps.
Place: TypeAlias = tuple[str, int]
Workflows: TypeAlias = Mapping[str, tuple[WorkflowRecord, Sequence[StepRecord]]]


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """Steps with their errors, and with the outputs of sleeps."""

    steps: Mapping[str, Sequence[StepRecord]]
    #: Sentences that tell what is not known.
    unknown: tuple[str, ...] = ()


class _Result(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a step's result."""

    output: str | None
    error: str | None


#: By application, `Workflows.remade`, workflow, number of the step, and when it was completed.
_Key: TypeAlias = tuple[str, int, str, int, int | None]
_KNOWN: Kept[_Key, _Result] = Kept(most=50_000, secs=600)


async def outcomes(subject: Subject, workflows: Workflows) -> Outcomes:
    """Add to steps that were fetched without results what tells how they ended.

    Args:
        subject: says who asks, and of which application.
        workflows: by id, each with its steps in order, from the first one on.
    """
    return await _Inquiry(subject, workflows).outcomes()


class _Inquiry:
    """One look at the steps of some workflows."""

    def __init__(self, subject: Subject, workflows: Workflows) -> None:
        self._subject = subject
        record = subject.application.record
        self._whose = record.id, subject.operations.workflows.remade(record)
        self._workflows = workflows
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._unknown: dict[str, None] = {}
        # Failed, with whatever.
        self._failed: set[Place] = set()
        # Whose results are asked for, now or at another look.
        self._asked: set[Place] = set()
        # Whose SDK sends all steps, however few are asked for.
        self._sent_whole: set[str] = set()

    async def outcomes(self) -> Outcomes:
        """Ask as far as there is time."""
        try:
            with deadline(min(OUTCOMES_SECS, remaining_secs() or OUTCOMES_SECS)):
                await self._ask()
        except DispatchError as error:
            self._unknown.setdefault(f"Which steps failed could not be asked: {error}")
        return Outcomes(
            steps={id_: self._told(id_, steps) for id_, (_, steps) in self._workflows.items()},
            unknown=tuple(self._unknown),
        )

    async def _ask(self) -> None:
        places = [(id_, at) for id_, (_, steps) in self._workflows.items() for at in range(len(steps))]
        open_ = [place for place in places if not self._tells_itself(place)]
        timed = [place for place in open_ if self._step(place).completed_at_epoch_ms is not None]
        failed = await self._failures(timed) if timed else set()
        if failed is None:
            await self._load_windows(open_)
            return
        self._failed = failed
        # Who waits now is of more interest than who failed, and that more than how long others slept.
        sleeps = sorted((p for p in timed if self._sleeps(p)), key=lambda p: not self._is_last(p))
        last = sum(map(self._is_last, sleeps))
        await self._look_at([*sleeps[:last], *sorted(failed), *sleeps[last:]])
        if len(timed) < len(open_):
            await self._load_windows([p for p in open_ if self._step(p).completed_at_epoch_ms is None])

    # --- Counting failures ---

    async def _failures(self, places: Sequence[Place]) -> set[Place] | None:
        """Which of them failed; one of that name that ended in the same millisecond may be among them.

        None: it cannot be told by counting.
        """
        ends = [end for place in places if (end := self._step(place).completed_at_epoch_ms) is not None]
        body = StepAggregatesBody(
            group_by_function_name=True,
            group_by_status=True,
            select_count=True,
            status=["ERROR"],
            workflow_id_prefix=_prefixes(id_ for id_, _ in places),
            # Only the index on this time keeps the question cheap.
            completed_after=moment(min(ends) - _MARGIN_MS).isoformat(),
            completed_before=moment(max(ends) + _MARGIN_MS).isoformat(),
        )
        try:
            counted = await self._count(body)
            if not counted:
                return set()
            if sum(counted.values()) > MAX_FAILURES:
                return None
            counted = await self._count(msgspec.structs.replace(body, time_bucket_size_ms=1))
        except ExecutorReportedError:
            return None
        if any(status != "ERROR" or bucket is None for _, status, bucket in counted):
            # It knows the question, but not all of it.
            return None
        moments = {(name, bucket) for name, _, bucket in counted}
        return {
            place
            for place in places
            if ((step := self._step(place)).function_name, str(step.completed_at_epoch_ms)) in moments
        }

    async def _count(self, body: StepAggregatesBody) -> dict[tuple[str | None, str | None, str | None], int]:
        subject = self._subject
        ask = subject.operations.workflows.step_aggregates
        rows = await ask(subject.actor, subject.application_name, body)
        return {
            (row.group.get("function_name"), row.group.get("status"), row.group.get("time_bucket")): row.count
            or 0
            for row in rows
        }

    # --- Looking at results ---

    async def _look_at(self, places: Sequence[Place]) -> None:
        if self._subject.private_mode:
            return
        self._asked.update(places)
        fresh = [place for place in places if self._known(place) is None]
        await asyncio.gather(*(self._load(id_, at, 1) for id_, at in fresh[:MAX_LOOKS]))

    async def _load_windows(self, places: Sequence[Place]) -> None:
        if self._subject.private_mode:
            self._unknown.setdefault(_PRIVATE.format(plural(len(places), "step")))
            return
        self._asked.update(places)
        wanted = {(id_, at // WINDOW_STEPS) for id_, at in places if self._known((id_, at)) is None}
        # What ended a workflow stands at its end.
        order = sorted(wanted, key=lambda window: (not self._ended_badly(window[0]), -window[1], window[0]))
        windows = [(id_, page * WINDOW_STEPS, WINDOW_STEPS) for id_, page in order[:MAX_WINDOWS]]
        # The first one alone: it may bring all that the others are to bring.
        for some in (windows[:1], windows[1:]):
            await asyncio.gather(*(self._load(*window) for window in some))
        if left := sum(self._known(place) is None for place in places):
            self._unknown.setdefault(_UNKNOWN.format(plural(left, "step")))

    async def _load(self, id_: str, offset: int, limit: int) -> None:
        subject = self._subject
        async with self._turns:
            if id_ in self._sent_whole:
                return
            try:
                found = await subject.operations.workflows.steps(
                    subject.actor, subject.application_name, id_, limit=limit, offset=offset
                )
            except NotFoundError:
                return
        if len(found) > limit:
            self._sent_whole.add(id_)
        for step in found:
            is_sleep = step_kind(step.function_name) == "sleep"
            result = _Result(
                clip(step.output, _OUTPUT_CHARS) if is_sleep and step.output else None,
                None if step.error is None else clip(step.error, _ERROR_CHARS),
            )
            _KNOWN.put(self._key(id_, step), result)

    # --- What is known ---

    def _step(self, place: Place) -> StepRecord:
        return self._workflows[place[0]][1][place[1]]

    def _key(self, id_: str, step: StepRecord) -> _Key:
        return (*self._whose, id_, step.function_id, step.completed_at_epoch_ms)

    def _known(self, place: Place) -> _Result | None:
        return _KNOWN.get(self._key(place[0], self._step(place)))

    def _tells_itself(self, place: Place) -> bool:
        """Whether it started a child, whose own status tells how it went."""
        step = self._step(place)
        return bool(step.child_workflow_id) and step_kind(step.function_name) == "step"

    def _is_last(self, place: Place) -> bool:
        return place[1] == len(self._workflows[place[0]][1]) - 1

    def _ended_badly(self, id_: str) -> bool:
        return workflow_status(self._workflows[id_][0]) in ENDED - {"succeeded"}

    def _sleeps(self, place: Place) -> bool:
        """Whether only its output tells until when it sleeps."""
        step = self._step(place)
        if step_kind(step.function_name) != "sleep" or step.started_at_epoch_ms is None:
            return False
        return (step.completed_at_epoch_ms or 0) <= step.started_at_epoch_ms + _INSTANT_MS

    def _told(self, id_: str, steps: Sequence[StepRecord]) -> Sequence[StepRecord]:
        told = list(steps)
        for at, step in enumerate(steps):
            place = (id_, at)
            known = self._known(place) if place in self._asked else None
            if known is not None:
                told[at] = msgspec.structs.replace(step, output=known.output, error=known.error)
            elif place in self._failed:
                told[at] = msgspec.structs.replace(step, error="")
        return told


def _prefixes(ids: Iterable[str]) -> list[str]:
    """As few beginnings as stand for all of them; a child mostly has its parent's id in front."""
    found: list[str] = []
    for id_ in sorted(set(ids)):
        if not (found and id_.startswith(found[-1])):
            found.append(id_)
    return found
