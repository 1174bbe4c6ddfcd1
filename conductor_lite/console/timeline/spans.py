"""What workflow and step records say about the work they stand for: its kind, status and times. Pure.

Timeline and graph read records through this module; where anything is drawn is none of its business.
"""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from conductor_lite.protocol import StepRecord, WorkflowRecord

#: What a span stands for. ``child`` is a child workflow; ``delay`` and ``queue`` the time before a workflow
#: began; ``wait`` the wait for a message, an event, a stream or another workflow; ``internal`` what else the
#: SDK records as a step.
SpanKind = Literal["workflow", "child", "step", "sleep", "delay", "queue", "wait", "internal"]
#: ``repeated`` is a step that failed, and that its workflow ran again as another one. Retries by the SDK
#: are part of one step, and told by ``StepFacts.retries``.
SpanStatus = Literal["running", "waiting", "delayed", "succeeded", "repeated", "failed", "cancelled"]

_WORKFLOW_STATUS: dict[str, SpanStatus] = {
    "PENDING": "running",
    "ENQUEUED": "waiting",
    "DELAYED": "delayed",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
ENDED: frozenset[SpanStatus] = frozenset({"succeeded", "failed", "cancelled"})

# So begin the names of what the SDKs for Python, TypeScript, Go and Java record as steps by themselves.
_INTERNAL = "DBOS."
_SLEEP = "DBOS.sleep"
_GET_RESULT = "DBOS.getResult"
_WAITS = frozenset(
    {
        "DBOS.recv",
        "DBOS.getEvent",
        _GET_RESULT,
        "DBOS.waitFirst",
        "DBOS.waitAll",
        "DBOS.asyncio_wait",
        "DBOS.select",
        "DBOS.readStream",
        "DBOS.readStreamOffset",
    }
)
#: Each of these takes two numbers: its own, and the next one for its timeout, which is recorded as a sleep.
_WITH_TIMEOUT = frozenset({"DBOS.recv", "DBOS.getEvent"})

_SECOND_MS = 1_000
_DAY_MS = 86_400_000
#: Smaller numbers are seconds: as milliseconds they would lie before 1973.
_LEAST_MS = 100_000_000_000
#: What SDKs write after "Step <its name>" once they have given up; of retries that helped they write nothing.
_GAVE_UP = re.compile(r" has exceeded its maximum of (\d{1,6}) retries")
#: Characters of an error that are looked through.
_ERROR_CHARS = 10_000


class StepFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step, understood."""

    step: StepRecord
    kind: SpanKind
    status: SpanStatus
    #: None: not on record, or not believable.
    start_epoch_ms: int | None
    #: None: not on record, or it has not ended.
    end_epoch_ms: int | None
    #: The workflow that this step started; waiting for another one is not starting it.
    child_id: str | None
    #: When it is to end, if that is known and it has not.
    until_epoch_ms: int | None = None
    #: Whether it only notes how long the step before it may wait.
    is_timeout: bool = False
    #: How often the SDK retried it before it gave up, in its own count; None where it tells nothing.
    retries: int | None = None
    note: str = ""


def moment(epoch_ms: int | None, now_epoch_ms: int) -> int | None:
    """A time on record, or None when it cannot be one; a clock may run ahead of ours by up to a day."""
    return epoch_ms if epoch_ms is not None and 0 < epoch_ms < now_epoch_ms + _DAY_MS else None


def workflow_status(workflow: WorkflowRecord) -> SpanStatus:
    """What a workflow's status means here; of words that are not known, whether it has ended."""
    known = _WORKFLOW_STATUS.get(workflow.status or "")
    return known or ("succeeded" if workflow.completed_at_epoch_ms else "running")


def step_kind(name: str) -> SpanKind:
    """What kind of step has this name."""
    if not name.startswith(_INTERNAL):
        return "step"
    if name == _SLEEP:
        return "sleep"
    return "wait" if name in _WAITS else "internal"


def ended_at(workflow: WorkflowRecord, start: int | None, now_epoch_ms: int) -> int | None:
    """When a workflow ended, not before ``start``; None while it goes on, and when nobody knows."""
    if workflow_status(workflow) not in ENDED:
        return None
    end = moment(workflow.completed_at_epoch_ms, now_epoch_ms) or moment(
        workflow.updated_at_epoch_ms, now_epoch_ms
    )
    return None if end is None else max(end, start or 0)


def understand(workflow: WorkflowRecord, steps: Sequence[StepRecord], now_epoch_ms: int) -> list[StepFacts]:
    """Read the steps of one workflow, in the order of their numbers.

    Args:
        workflow: whose they are.
        steps: in any order.
        now_epoch_ms: tells what has ended from what has not.
    """
    ordered = sorted(steps, key=lambda step: step.function_id)
    repeated = _repeated(ordered)
    found = []
    before: StepRecord | None = None
    for index, step in enumerate(ordered):
        if step.function_name == _SLEEP:
            last = index == len(ordered) - 1
            found.append(_sleep(workflow, step, before, last=last, now_epoch_ms=now_epoch_ms))
        else:
            found.append(_facts(workflow, step, now_epoch_ms, again=index in repeated))
        before = step
    return found


def _facts(workflow: WorkflowRecord, step: StepRecord, now_epoch_ms: int, *, again: bool) -> StepFacts:
    start = moment(step.started_at_epoch_ms, now_epoch_ms)
    end = moment(step.completed_at_epoch_ms, now_epoch_ms)
    if start is not None and end is not None:
        end = max(start, end)
    status: SpanStatus = "succeeded"
    if step.error is not None:
        status = "repeated" if again else "failed"
    elif start is not None and end is None:
        status = workflow_status(workflow)
        end = ended_at(workflow, start, now_epoch_ms)
    kind, retries = step_kind(step.function_name), _retries(step)
    return StepFacts(
        step=step,
        kind="child" if step.child_workflow_id and kind == "step" else kind,
        status="waiting" if kind == "wait" and status == "running" else status,
        start_epoch_ms=start,
        end_epoch_ms=end,
        child_id=None if kind == "wait" else step.child_workflow_id or None,
        retries=retries,
        note=_note(step, retries, again=again),
    )


def _sleep(
    workflow: WorkflowRecord, step: StepRecord, before: StepRecord | None, *, last: bool, now_epoch_ms: int
) -> StepFacts:
    """A sleep is recorded when it begins, with the time to wake as its output; so are timeouts of waits."""
    facts = _facts(workflow, step, now_epoch_ms, again=False)
    wake = _wake_epoch_ms(step)
    if step.error is not None or wake is None:
        return facts
    follows = before is not None and before.function_id == step.function_id - 1
    if follows and before is not None and before.function_name in _WITH_TIMEOUT:
        note = f"timeout of {before.function_name}"
        return msgspec.structs.replace(facts, kind="internal", is_timeout=True, note=note)
    status = workflow_status(workflow)
    over = ended_at(workflow, facts.start_epoch_ms, now_epoch_ms)
    if last and not follows and _limits_a_wait(step, before, wake):
        return msgspec.structs.replace(
            facts,
            kind="wait",
            status=status if status in ENDED else "waiting",
            end_epoch_ms=over,
            until_epoch_ms=wake if over is None else None,
            note="waits for a message or an event" if over is None else "waited for a message or an event",
        )
    if over is not None and over < wake and not _may_be_after(workflow, wake, now_epoch_ms):
        return msgspec.structs.replace(facts, status=status, end_epoch_ms=over)
    if wake > now_epoch_ms:
        return msgspec.structs.replace(facts, status="waiting", end_epoch_ms=None, until_epoch_ms=wake)
    return msgspec.structs.replace(facts, end_epoch_ms=max(wake, facts.start_epoch_ms or 0))


def _may_be_after(workflow: WorkflowRecord, epoch_ms: int, now_epoch_ms: int) -> bool:
    """Whether a workflow may have ended after this time although its end on record is before it.

    On SQLite the times of workflows are whole seconds, those of steps are not.
    """
    end = ended_at(workflow, None, now_epoch_ms)
    return end is not None and end % _SECOND_MS == 0 and epoch_ms < end + _SECOND_MS


def _limits_a_wait(step: StepRecord, before: StepRecord | None, wake_epoch_ms: int) -> bool:
    """Whether a sleep whose number leaves a gap is the timeout of a wait, recorded only when that is over."""
    first = 1 if before is None else before.function_id + 1
    # A real sleep is on record as ending when it is to wake, but older SDKs wrote both in the same way.
    instant = step.completed_at_epoch_ms is not None and step.completed_at_epoch_ms < wake_epoch_ms - 1
    return instant and step.function_id > first


def _wake_epoch_ms(step: StepRecord) -> int | None:
    """When a sleep ends: in seconds from Python, in milliseconds from the others."""
    try:
        value = float(step.output or "")
    except ValueError:
        # Outputs may not have been asked for; newer SDKs write the time also as the step's end.
        completed = step.completed_at_epoch_ms
        return completed if completed is not None and completed > 0 else None
    if not 0 < value < 1e16:
        return None
    return int(value if value >= _LEAST_MS else value * 1000)


def _repeated(ordered: Sequence[StepRecord]) -> set[int]:
    """Places of failed steps that the workflow ran again, whatever the SDK did in between."""
    found: set[int] = set()
    following: StepRecord | None = None
    for index in range(len(ordered) - 1, -1, -1):
        step = ordered[index]
        if step.function_name.startswith(_INTERNAL):
            continue
        if step.error is not None and following is not None and _again(step, following):
            found.add(index)
        following = step
    return found


def _again(step: StepRecord, following: StepRecord) -> bool:
    if step.function_name != following.function_name:
        return False
    start, end = following.started_at_epoch_ms, step.completed_at_epoch_ms
    # Those that ran side by side are not tries of one another.
    return start is None or end is None or start >= end


def _retries(step: StepRecord) -> int | None:
    """How often the SDK retried a step, from the error with which it gave up; others may quote one."""
    error = (step.error or "")[:_ERROR_CHARS]
    begin = f"Step {step.function_name}"
    place = error.find(f"{begin} has exceeded")
    told = _GAVE_UP.match(error, place + len(begin)) if place >= 0 else None
    return int(told[1]) if told else None


def _note(step: StepRecord, retries: int | None, *, again: bool) -> str:
    if step.error is None:
        return ""
    notes = [f"retried up to its maximum of {retries}"] if retries is not None else []
    if again:
        notes.append("the workflow ran it again")
    return ", ".join(notes)
