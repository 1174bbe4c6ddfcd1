"""Where the steps of one workflow go on the time axis, also those whose times nobody wrote down. Pure."""

from collections.abc import Sequence

import msgspec

from conductor_lite.console.timeline.spans import ENDED, StepFacts, workflow_status
from conductor_lite.protocol import WorkflowRecord


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From when to when a step is drawn."""

    start_epoch_ms: int
    #: None: still going on. Never before the start.
    end_epoch_ms: int | None
    #: Whether these times are on record.
    timed: bool
    note: str = ""


def place_steps(
    workflow: WorkflowRecord, steps: Sequence[StepFacts], start_epoch_ms: int, end_epoch_ms: int
) -> list[Place]:
    """Give every step its place; those without times share the gaps between the others evenly.

    Args:
        workflow: whose steps they are.
        steps: in their order.
        start_epoch_ms: when the workflow began.
        end_epoch_ms: when it ended, or now.
    """
    ended = workflow_status(workflow) in ENDED
    known = [_known(workflow, step, start_epoch_ms, ended=ended) for step in steps]
    places: list[Place] = []
    left, index = start_epoch_ms, 0
    while index < len(known):
        place = known[index]
        if place is not None:
            places.append(place)
            left = place.start_epoch_ms if place.end_epoch_ms is None else place.end_epoch_ms
            index += 1
            continue
        until = index
        while until < len(known) and known[until] is None:
            until += 1
        following = known[until] if until < len(known) else None
        right = end_epoch_ms if following is None else following.start_epoch_ms
        places.extend(_share(left, max(left, right), until - index))
        index = until
    return places


def _known(workflow: WorkflowRecord, step: StepFacts, created: int, *, ended: bool) -> Place | None:
    start, end = step.start_epoch_ms, step.end_epoch_ms
    if start is None and end is None:
        return None
    if workflow.forked_from and end is not None and end < created:
        # A fork takes over steps with the times of its origin, which may be long ago.
        note = f"taken over from {workflow.forked_from}"
        return Place(start_epoch_ms=created, end_epoch_ms=created, timed=True, note=note)
    if start is None:
        return Place(start_epoch_ms=end or created, end_epoch_ms=end, timed=False)
    return Place(start_epoch_ms=start, end_epoch_ms=start if ended and end is None else end, timed=True)


def _share(left: int, right: int, count: int) -> list[Place]:
    edges = [left + (right - left) * number // count for number in range(count + 1)]
    return [
        Place(start_epoch_ms=edges[number], end_epoch_ms=edges[number + 1], timed=False)
        for number in range(count)
    ]
