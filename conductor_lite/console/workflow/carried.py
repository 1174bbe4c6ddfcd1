"""A workflow's payloads and its steps' results as far as a page carries them: fetched once, kept for a while.

What is on record hardly ever changes without a new time, and a page that is open all night looks again and
again: each look asks for the workflow and its steps alone, and for payloads where they are not known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from typing import TypeAlias

import msgspec

from conductor_lite.console.formatting import clip
from conductor_lite.console.kept import Kept
from conductor_lite.console.payloads.samples import ROW_CHARS, Address, Sample, sample_or_none
from conductor_lite.operations.snapshots import Served
from conductor_lite.protocol import StepRecord, WorkflowRecord

#: Characters that are kept of all pages together, and for how long.
_MOST_CHARS, _KEPT_SECS = 8_000_000, 60
#: Of a step's result, what tells about the step itself: until when it sleeps, how often it was tried.
_TOLD_OUTPUT_CHARS, _TOLD_ERROR_CHARS = 40, 10_000
#: Shorter texts are cut and compared faster than a thread is asked to do it.
_LONG_CHARS = 200_000

#: An application's id, whether it is private, the workflow's id, and `Workflows.remade`.
Whose: TypeAlias = tuple[str, bool, str, int]


class Payloads(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's own payloads; None where there are none, or nobody can tell."""

    input: Sample | None = None
    output: Sample | None = None
    error: Sample | None = None


class CarriedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step with its results."""

    #: With as much of them as `timeline.spans` reads.
    record: StepRecord
    output: Sample | None
    error: Sample | None


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow from wherever it could be had."""

    workflow: WorkflowRecord
    served: Served
    #: What stood in the way of having it fresh; empty mostly.
    trouble: str = ""
    payloads: Payloads = Payloads()


#: How a workflow was when its payloads were fetched.
_State: TypeAlias = tuple[object, ...]
_PAYLOADS: Kept[Whose, tuple[_State, Payloads]] = Kept(_MOST_CHARS, _KEPT_SECS)
#: By whose steps they are, when that workflow was made (ms since 1970), and how many stand before them.
_STEPS: Kept[tuple[Whose, int | None, int], tuple[CarriedStep, ...]] = Kept(_MOST_CHARS, _KEPT_SECS)

Fetch: TypeAlias = Callable[[bool], Awaitable[Fetched]]
FetchSteps: TypeAlias = Callable[[int, bool], Awaitable[Sequence[StepRecord]]]


async def with_payloads(whose: Whose, fetch: Fetch) -> Fetched:
    """A workflow with its payloads.

    Args:
        whose: tells workflows apart.
        fetch: gets it, with payloads if it is told so; what it raises is passed on.
    """
    kept = _PAYLOADS.get(whose)
    if kept is not None:
        found = await fetch(False)
        if found.served.source != "executor":
            return found
        if kept[0] == _state(found.workflow):
            return msgspec.structs.replace(found, payloads=kept[1])
    found = await fetch(True)
    if found.served.source != "executor":
        return found
    texts = (found.workflow.input, found.workflow.output, found.workflow.error)
    if sum(len(text or "") for text in texts) > _LONG_CHARS:
        payloads = await asyncio.to_thread(_payloads, found.workflow)
    else:
        payloads = _payloads(found.workflow)
    weight = _weight(payloads.input, payloads.output, payloads.error)
    _PAYLOADS.put(whose, (_state(found.workflow), payloads), weight)
    return msgspec.structs.replace(found, payloads=payloads)


async def with_results(
    whose: Whose, created_at_epoch_ms: int | None, offset: int, fetch: FetchSteps
) -> tuple[CarriedStep, ...]:
    """Some steps with their results.

    Args:
        whose: tells workflows apart.
        created_at_epoch_ms: tells a workflow from one that was deleted and had the same id.
        offset: steps that stand before them.
        fetch: gets those after so many more, with results if it is told so; what it raises is passed on.
    """
    key = (whose, created_at_epoch_ms, offset)
    kept = _STEPS.get(key) or ()
    known = 0
    if kept:
        bare = await fetch(0, False)
        # Steps come in the order of their numbers: mostly new ones stand at the end.
        known = sum(1 for _ in takewhile(_is_same, zip(kept, bare, strict=False)))
        if known == len(bare):
            return kept[:known]
    numbers = {step.record.function_id for step in kept[:known]}
    # Whoever knows no offset sends the others again.
    fresh = [record for record in await fetch(known, True) if record.function_id not in numbers]
    steps = (*kept[:known], *(_step(record, offset + known + at) for at, record in enumerate(fresh)))
    # Without times nobody can tell whether a step is still the same.
    lasting = tuple(takewhile(_tells_times, steps))
    _STEPS.put(key, lasting, 1_000 + sum(_weight_of(step) for step in lasting))
    return steps


def _state(workflow: WorkflowRecord) -> _State:
    return (
        workflow.status,
        workflow.created_at_epoch_ms,
        workflow.updated_at_epoch_ms,
        workflow.completed_at_epoch_ms,
        workflow.executor_id,
    )


def _payloads(workflow: WorkflowRecord) -> Payloads:
    return Payloads(
        input=sample_or_none(Address(of="input"), workflow.input),
        output=sample_or_none(Address(of="output"), workflow.output),
        error=sample_or_none(Address(of="error"), workflow.error),
    )


def _tells_times(step: CarriedStep) -> bool:
    record = step.record
    return record.started_at_epoch_ms is not None or record.completed_at_epoch_ms is not None


def _is_same(pair: tuple[CarriedStep, StepRecord]) -> bool:
    then, now = pair[0].record, pair[1]
    return (
        then.function_id == now.function_id
        and then.function_name == now.function_name
        and then.child_workflow_id == now.child_workflow_id
        and then.started_at_epoch_ms == now.started_at_epoch_ms
        and then.completed_at_epoch_ms == now.completed_at_epoch_ms
    )


def _step(record: StepRecord, place: int) -> CarriedStep:
    number, output, error = record.function_id, record.output, record.error
    told = msgspec.structs.replace(
        record,
        output=None if output is None else clip(output, _TOLD_OUTPUT_CHARS),
        error=None if error is None else clip(error, _TOLD_ERROR_CHARS),
    )
    return CarriedStep(
        record=told,
        output=_row(Address(of="step-output", step=number, at=place), output),
        error=_row(Address(of="step-error", step=number, at=place), error),
    )


def _row(address: Address, text: str | None) -> Sample | None:
    return sample_or_none(address, text, most=ROW_CHARS, preview=ROW_CHARS)


def _weight_of(step: CarriedStep) -> int:
    record = step.record
    texts = (record.function_name, record.child_workflow_id, record.error)
    return sum(len(text or "") for text in texts) + _weight(step.output, step.error)


def _weight(*samples: Sample | None) -> int:
    return 1_000 + sum(len(sample.text) + 200 for sample in samples if sample is not None)
