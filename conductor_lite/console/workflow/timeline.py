"""The view of a workflow's page that lays it out in time: spans for the script that draws them, and a table.

How records become spans is in ``timeline``, where records come from in ``workflow/family``.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from conductor_lite.console.beginnings import span_of_doubt
from conductor_lite.console.formatting import clip
from conductor_lite.console.rendering import Shortcut
from conductor_lite.console.tables import ROWS_PER_PAGE, Paging, page_number
from conductor_lite.console.timeline.spans import SpanKind, SpanStatus
from conductor_lite.console.timeline.timeline import Timeline, build
from conductor_lite.console.timeline.wire import KINDS, STATUSES, TimelineRow, TimelineWire, rows, to_wire
from conductor_lite.console.workflow.family import Family, family
from conductor_lite.console.workflow.steps import STEPS_PER_PAGE
from conductor_lite.console.workflow.subject import Subject, WorkflowView
from conductor_lite.operations.executors import PastRecovery

#: Spans that come with the page; the script asks for those of longer timelines by itself.
MAX_INLINE = 1_500
#: From so many spans on, children in which nothing is wrong or going on begin folded.
CALM_SPANS = 150
#: Rows for which there is room at first; the others are scrolled to.
MAX_FIRST_ROWS = 24
#: Steps without times share the time that passes; while it does they are moved this seldom.
_STEADY_MS = 10_000
_LABEL_CHARS, _NOTE_CHARS, _ID_CHARS = 300, 600, 2_000
_OF_INTEREST: frozenset[SpanStatus] = frozenset({"running", "waiting", "delayed", "failed", "cancelled"})


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table, and where it leads to."""

    span: TimelineRow
    #: The workflow that took the step, and the page of its steps on which the step is; None for what is none.
    step_of: str | None
    step_page: int | None
    #: Where its bar begins and how long it is, in thousandths of the timeline.
    bar: tuple[float, float]


class TimelineContent(msgspec.Struct, frozen=True, kw_only=True):
    """What the view shows."""

    timeline: TimelineWire
    #: Places of spans that begin folded.
    folded: tuple[int, ...]
    table: tuple[TableRow, ...]
    paging: Paging
    #: Sentences that tell what is not there, and why.
    left_out: tuple[str, ...]

    @property
    def spans(self) -> int:
        """How many there are."""
        return len(self.timeline.depth)

    @property
    def inline(self) -> str:
        """What the script draws, as JSON; empty when there is so much that it asks for it."""
        if self.spans > MAX_INLINE:
            return ""
        return msgspec.json.encode({"timeline": self.timeline, "folded": self.folded}).decode()

    @property
    def version(self) -> str:
        """Tells whether what is drawn is still the same."""
        drawn = msgspec.json.encode((self.timeline, self.folded))
        return hashlib.blake2b(drawn, digest_size=8).hexdigest()

    @property
    def first_rows(self) -> int:
        """Rows for which there is to be room before anything is drawn."""
        shown, deepest = 0, len(self.timeline.depth)
        folded = frozenset(self.folded)
        for place, depth in enumerate(self.timeline.depth):
            if depth > deepest:
                continue
            shown += 1
            deepest = depth if place in folded else len(self.timeline.depth)
        return min(shown, MAX_FIRST_ROWS)

    @property
    def statuses(self) -> list[tuple[SpanStatus, int]]:
        """How many spans have each status, of those statuses that any has."""
        counted = Counter(self.timeline.status)
        return [(name, counted[number]) for number, name in enumerate(STATUSES) if counted[number]]

    @property
    def kinds(self) -> list[SpanKind]:
        """The kinds of spans that there are."""
        present = frozenset(self.timeline.kind)
        return [name for number, name in enumerate(KINDS) if number in present]


async def _load(subject: Subject) -> TimelineContent:
    found = await family(subject)
    recoveries = await _recoveries(subject, found)
    return await asyncio.to_thread(_content, subject, found, recoveries)


def _content(subject: Subject, found: Family, recoveries: Sequence[PastRecovery]) -> TimelineContent:
    timeline = _built(subject, found, recoveries)
    shown, paging = rows(timeline, page_number(subject.request.query_params))
    wire = _steady(timeline)
    return TimelineContent(
        timeline=_clipped(wire),
        folded=_folded(timeline),
        table=_table(timeline, shown, (paging.page - 1) * ROWS_PER_PAGE, max(1, wire.span)),
        paging=paging,
        left_out=found.left_out,
    )


async def _recoveries(subject: Subject, found: Family) -> Sequence[PastRecovery]:
    known = [branch.workflow for branch in found.children.values() if branch.workflow is not None]
    span = span_of_doubt([subject.workflow, *known])
    return await subject.operations.executors.recoveries(subject.actor, subject.application_name, span)


def _built(subject: Subject, found: Family, recoveries: Sequence[PastRecovery]) -> Timeline:
    now_epoch_ms = int(subject.now.timestamp() * 1_000)
    timeline = build(subject.workflow, found.steps, found.children, now_epoch_ms, recoveries)
    if timeline.live and timeline.untimed:
        # Where they stand depends on the time that has passed, and a page whose data changes is fetched anew.
        steady_epoch_ms = now_epoch_ms - now_epoch_ms % _STEADY_MS
        return build(subject.workflow, found.steps, found.children, steady_epoch_ms, recoveries)
    return timeline


def _steady(timeline: Timeline) -> TimelineWire:
    """Its columns, ending with the last time on record, for the present differs at each look."""
    wire = to_wire(timeline)
    if not timeline.live:
        return wire
    ends = (begin + max(took, 0) for begin, took in zip(wire.begin, wire.duration, strict=True))
    return msgspec.structs.replace(wire, span=max(ends))


def _clipped(wire: TimelineWire) -> TimelineWire:
    """Names can be as long as anybody likes; what is shown of them is not."""
    return msgspec.structs.replace(
        wire,
        labels=[clip(label, _LABEL_CHARS) for label in wire.labels],
        workflows=[clip(id_, _ID_CHARS) for id_ in wire.workflows],
        notes={place: clip(note, _NOTE_CHARS) for place, note in wire.notes.items()},
    )


def _folded(timeline: Timeline) -> tuple[int, ...]:
    """Of long timelines the children in which all went well: what is of interest is to be seen at once."""
    spans = timeline.spans
    if len(spans) < CALM_SPANS:
        return ()
    of_interest = [span.status in _OF_INTEREST for span in spans]
    for span in reversed(spans):
        if span.parent is not None and of_interest[span.id]:
            of_interest[span.parent] = True
    return tuple(span.id for span in spans if span.foldable and span.depth and not of_interest[span.id])


def _table(timeline: Timeline, shown: Sequence[TimelineRow], first: int, total: int) -> tuple[TableRow, ...]:
    """Rows with their bars, the first of them that of the span ``first``, on ``total`` milliseconds."""
    places = _places_of_steps(timeline)
    found = []
    for row, span in zip(shown, timeline.spans[first : first + len(shown)], strict=True):
        begin = span.start_epoch_ms - timeline.start_epoch_ms
        end = timeline.start_epoch_ms + total if span.end_epoch_ms is None else span.end_epoch_ms
        place = places.get(span.id)
        parent = None if span.parent is None else timeline.spans[span.parent]
        found.append(
            TableRow(
                span=msgspec.structs.replace(
                    row,
                    label=clip(row.label, _LABEL_CHARS),
                    note=clip(row.note, _NOTE_CHARS),
                    workflow_id=clip(row.workflow_id, _ID_CHARS),
                ),
                step_of=None if place is None or parent is None else clip(parent.workflow_id, _ID_CHARS),
                step_page=None if place is None else place // STEPS_PER_PAGE + 1,
                bar=(begin * 1_000 / total, max(0, end - span.start_epoch_ms) * 1_000 / total),
            )
        )
    return tuple(found)


def _places_of_steps(timeline: Timeline) -> dict[int, int]:
    """For every span that is a step, its place among the steps of the workflow that took it."""
    taken: Counter[int] = Counter()
    places: dict[int, int] = {}
    for span in timeline.spans:
        if span.parent is not None and span.function_id is not None:
            places[span.id] = taken[span.parent]
            taken[span.parent] += 1
    return places


TIMELINE = WorkflowView(
    key="timeline",
    label="Timeline",
    template="workflow_timeline.html",
    load=_load,
    styles=("timeline.css",),
    scripts=(
        "timeline_spans.js",
        "timeline_face.js",
        "timeline_card.js",
        "timeline_input.js",
        "timeline.js",
        "timeline_start.js",
    ),
    shortcuts=(
        Shortcut(("/",), "find a span; Enter: the next"),
        Shortcut(("↑", "↓"), "the row above or below"),
        Shortcut(("←", "→"), "fold, unfold"),
        Shortcut(("Enter",), "open the workflow or the step"),
        Shortcut(("+", "−", "0"), "zoom in, out, show all"),
        Shortcut(("f",), "zoom to the row"),
        Shortcut(("n",), "the next that is wrong or going on"),
    ),
)
