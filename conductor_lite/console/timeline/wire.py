"""A timeline as it leaves the server: columns for the script that draws it, rows for the table. Pure."""

from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from conductor_lite.console.tables import Paging, cut
from conductor_lite.console.timeline.spans import SpanKind, SpanStatus
from conductor_lite.console.timeline.timeline import Span, Timeline

KINDS: tuple[SpanKind, ...] = get_args(SpanKind)
STATUSES: tuple[SpanStatus, ...] = get_args(SpanStatus)
#: Stands for no parent, no step number, and no end so far.
NONE = -1

_KIND_WORDS: dict[SpanKind, str] = {
    "workflow": "workflow",
    "child": "child workflow",
    "step": "step",
    "sleep": "sleep",
    "delay": "delay",
    "queue": "queue wait",
    "wait": "wait",
    "internal": "SDK step",
}


class TimelineWire(msgspec.Struct, frozen=True, kw_only=True):
    """Spans by column: the entries of one span stand at the same place in each, in the order of the list."""

    #: Drawing begins there.
    start: int
    #: Milliseconds from the start to the end, or to ``now`` while something goes on.
    span: int
    live: bool
    untimed: bool
    incomplete: bool
    #: What the numbers in ``kind``, ``status``, ``label`` and ``workflow`` mean.
    kinds: Sequence[str]
    statuses: Sequence[str]
    labels: Sequence[str]
    workflows: Sequence[str]
    #: Place of the span that it is in; -1 for the root. Always an earlier one.
    parent: Sequence[int]
    depth: Sequence[int]
    kind: Sequence[int]
    status: Sequence[int]
    label: Sequence[int]
    workflow: Sequence[int]
    #: Number of the step; -1 for none.
    step: Sequence[int]
    #: Milliseconds after ``start`` of the timeline.
    begin: Sequence[int]
    #: Milliseconds; -1 while it goes on.
    duration: Sequence[int]
    #: Places of spans whose times are not on record.
    guessed: Sequence[int]
    #: When sleeps, delays and waits that go on are to end, in milliseconds since 1970, by place.
    until: dict[int, int]
    #: How often the SDK retried steps before it gave up, by place.
    retries: dict[int, int]
    #: Words about single spans, by place.
    notes: dict[int, str]


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the plain table."""

    label: str
    #: In words.
    kind: str
    status: SpanStatus
    depth: int
    #: None: not on record.
    start_epoch_ms: int | None
    #: None: not on record, or not over.
    duration_ms: int | None
    running: bool
    #: When it is to end, if that is known and it has not.
    until_epoch_ms: int | None
    workflow_id: str
    function_id: int | None
    note: str


def to_wire(timeline: Timeline) -> TimelineWire:
    """The timeline for the script that draws it."""
    spans, start = timeline.spans, timeline.start_epoch_ms
    labels, label = _numbered(span.label for span in spans)
    workflows, workflow = _numbered(span.workflow_id for span in spans)
    kinds = {kind: number for number, kind in enumerate(KINDS)}
    statuses = {status: number for number, status in enumerate(STATUSES)}
    return TimelineWire(
        start=start,
        span=timeline.end_epoch_ms - start,
        live=timeline.live,
        untimed=timeline.untimed,
        incomplete=timeline.incomplete,
        kinds=KINDS,
        statuses=STATUSES,
        labels=labels,
        workflows=workflows,
        parent=[NONE if span.parent is None else span.parent for span in spans],
        depth=[span.depth for span in spans],
        kind=[kinds[span.kind] for span in spans],
        status=[statuses[span.status] for span in spans],
        label=label,
        workflow=workflow,
        step=[NONE if span.function_id is None else span.function_id for span in spans],
        begin=[span.start_epoch_ms - start for span in spans],
        duration=[
            NONE if span.end_epoch_ms is None else span.end_epoch_ms - span.start_epoch_ms for span in spans
        ],
        guessed=[span.id for span in spans if not span.timed],
        until={span.id: span.until_epoch_ms for span in spans if span.until_epoch_ms is not None},
        retries={span.id: span.retries for span in spans if span.retries is not None},
        notes={span.id: span.note for span in spans if span.note},
    )


def rows(timeline: Timeline, page: int) -> tuple[tuple[TimelineRow, ...], Paging]:
    """One page of the plain table; past its end, the last one."""
    spans, paging = cut(timeline.spans, page)
    return tuple(_row(span) for span in spans), paging


def _row(span: Span) -> TimelineRow:
    ended = span.end_epoch_ms
    return TimelineRow(
        label=span.label,
        kind=_KIND_WORDS[span.kind],
        status=span.status,
        depth=span.depth,
        start_epoch_ms=span.start_epoch_ms if span.timed else None,
        duration_ms=ended - span.start_epoch_ms if span.timed and ended is not None else None,
        running=ended is None,
        until_epoch_ms=span.until_epoch_ms,
        workflow_id=span.workflow_id,
        function_id=span.function_id,
        note=span.note,
    )


def _numbered(values: Iterable[str]) -> tuple[list[str], list[int]]:
    """Each text once, and for every value the place of its text."""
    places: dict[str, int] = {}
    numbers = [places.setdefault(value, len(places)) for value in values]
    return list(places), numbers
