"""A workflow's steps: a page of them, all their names, and one of them. Asks operations; knows no HTML."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.console.formatting import clip, moment_of
from conductor_lite.console.payloads.samples import Address, Sample
from conductor_lite.console.tables import Paging, page_number
from conductor_lite.console.timeline.spans import SpanKind, SpanStatus, StepFacts, understand
from conductor_lite.console.workflow.carried import CarriedStep, with_results
from conductor_lite.console.workflow.subject import Subject
from conductor_lite.errors import NotFoundError
from conductor_lite.operations import Operations
from conductor_lite.protocol import StepRecord

STEPS_PER_PAGE = 100
#: Asks for the last page, wherever that is.
LAST = "last"
#: Characters of an id that are kept; longer ones are not linked to.
_ID_CHARS = 2_000
#: Steps that are counted at most to find it.
_MAX_STEPS = 100_000


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step as the table shows it."""

    number: int
    name: str
    kind: SpanKind
    status: SpanStatus
    note: str
    output: Sample | None
    error: Sample | None
    child_workflow_id: str | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def took_secs(self) -> float | None:
        """Seconds that it took; None where that is not on record."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


class StepsPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the table."""

    rows: tuple[StepRow, ...]
    paging: Paging
    #: Steps before this page.
    offset: int


async def steps_page(subject: Subject) -> StepsPage:
    """The page of steps that ``?page=`` asks for; raises what ``Workflows.steps`` raises."""
    workflows, query = subject.operations.workflows, subject.request.query_params
    page = page_number(query)
    if query.get("page") == LAST:
        names = await workflows.steps(*subject.target, limit=_MAX_STEPS, load_output=False)
        page = max(1, -(-len(names) // STEPS_PER_PAGE))
    offset = (page - 1) * STEPS_PER_PAGE

    async def fetch(after: int, results: bool) -> Sequence[StepRecord]:
        place, limit = offset + after, STEPS_PER_PAGE + 1 - after
        found = await workflows.steps(*subject.target, limit=limit, offset=place, load_output=results)
        return _window(found, place, limit)

    found = await with_results(subject.whose, subject.workflow.created_at_epoch_ms, offset, fetch)
    shown, has_next = found[:STEPS_PER_PAGE], len(found) > STEPS_PER_PAGE
    total = offset + len(shown) if not has_next and (shown or page == 1) else None
    records = [step.record for step in shown]
    understood = understand(subject.workflow, records, int(subject.now.timestamp() * 1_000))
    carried = {step.record.function_id: step for step in shown}
    return StepsPage(
        rows=tuple(_row(facts, carried[facts.step.function_id]) for facts in understood),
        paging=Paging(page=page, total=total, has_next=has_next),
        offset=offset,
    )


async def one_step(
    operations: Operations, actor: Actor, application_name: str, workflow_id: str, address: Address
) -> StepRecord:
    """One step with its output.

    Raises:
        NotFoundError: no such application, workflow or step.
        DispatchError: no executor answered.
    """
    target = (actor, application_name, workflow_id)
    number = address.step
    if address.at is not None:
        found = _numbered(await operations.workflows.steps(*target, limit=1, offset=address.at), number)
        if found is not None:
            return found
    # What ran side by side may have got between since it was seen.
    names = await operations.workflows.steps(*target, limit=_MAX_STEPS, load_output=False)
    place = next((place for place, step in enumerate(names) if step.function_id == number), None)
    if place is not None:
        found = _numbered(await operations.workflows.steps(*target, limit=1, offset=place), number)
        if found is not None:
            return found
    raise NotFoundError(f"The workflow {workflow_id!r} has no step {number}.")


def _numbered(steps: Sequence[StepRecord], number: int | None) -> StepRecord | None:
    return next((step for step in steps if step.function_id == number), None)


def _window(steps: list[StepRecord], offset: int, limit: int) -> list[StepRecord]:
    """Those that were asked for; older SDKs know neither limit nor offset and send all steps."""
    # A step's number is never less than its place.
    sent_all = len(steps) > limit or bool(offset and steps and steps[0].function_id < offset)
    return steps[offset : offset + limit] if sent_all else steps


def _row(facts: StepFacts, carried: CarriedStep) -> StepRow:
    step = facts.step
    return StepRow(
        number=step.function_id,
        name=clip(step.function_name, 300),
        kind=facts.kind,
        status=facts.status,
        note=facts.note,
        output=carried.output,
        error=carried.error,
        child_workflow_id=step.child_workflow_id and clip(step.child_workflow_id, _ID_CHARS),
        started_at=moment_of(facts.start_epoch_ms),
        ended_at=moment_of(facts.end_epoch_ms),
    )
