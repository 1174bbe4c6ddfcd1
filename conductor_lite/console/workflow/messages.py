"""The views of what a workflow says and is told: its events, the messages sent to it, its streams."""

from datetime import datetime

import msgspec

from conductor_lite.console.formatting import clip, moment_of
from conductor_lite.console.payloads.display import SHORTCUTS
from conductor_lite.console.payloads.samples import ROW_CHARS, Address, Sample, sample_or_none
from conductor_lite.console.tables import ROWS_PER_PAGE, Paging, cut, page_number
from conductor_lite.console.workflow.subject import Subject, WorkflowView
from conductor_lite.protocol import StreamRecord

_KEY_CHARS = 300
#: Streams that are shown; who has more reads them through the API.
_MAX_STREAMS = 50


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event."""

    key: str
    value: Sample | None


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a workflow's events."""

    rows: tuple[EventRow, ...]
    paging: Paging


class NotificationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message that was sent to a workflow."""

    topic: str | None
    message: Sample | None
    created_at: datetime | None
    consumed: bool


class Notifications(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a workflow's messages."""

    rows: tuple[NotificationRow, ...]
    paging: Paging


class StreamValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a stream."""

    #: Its place in the stream, from 0.
    number: int
    value: Sample | None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, and one page of its values, the latest first."""

    key: str
    values: tuple[StreamValue, ...]
    paging: Paging


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's streams."""

    streams: tuple[Stream, ...]
    total: int


async def _events(subject: Subject) -> Events:
    found = await subject.operations.workflows.events(*subject.target)
    shown, paging = cut(found, page_number(subject.request.query_params))
    rows = tuple(
        EventRow(
            key=clip(event.key, _KEY_CHARS),
            value=_sample(Address(of="event", key=event.key), event.value),
        )
        for event in shown
    )
    return Events(rows=rows, paging=paging)


async def _notifications(subject: Subject) -> Notifications:
    found = await subject.operations.workflows.notifications(*subject.target)
    shown, paging = cut(found, page_number(subject.request.query_params))
    first = (paging.page - 1) * ROWS_PER_PAGE
    rows = tuple(
        NotificationRow(
            topic=None if item.topic is None else clip(item.topic, _KEY_CHARS),
            message=_sample(Address(of="notification", number=first + place), item.message),
            created_at=moment_of(item.created_at_epoch_ms),
            consumed=item.consumed,
        )
        for place, item in enumerate(shown)
    )
    return Notifications(rows=rows, paging=paging)


async def _streams(subject: Subject) -> Streams:
    found = await subject.operations.workflows.streams(*subject.target)
    query = subject.request.query_params
    chosen = query.get("stream")
    streams = tuple(
        _stream(stream, page_number(query) if stream.key == chosen else 1) for stream in found[:_MAX_STREAMS]
    )
    return Streams(streams=streams, total=len(found))


def _stream(stream: StreamRecord, page: int) -> Stream:
    numbered = list(enumerate(stream.values))[::-1]
    shown, paging = cut(numbered, page)
    return Stream(
        key=clip(stream.key, _KEY_CHARS),
        values=tuple(
            StreamValue(
                number=number, value=_sample(Address(of="stream", key=stream.key, number=number), value)
            )
            for number, value in shown
        ),
        paging=paging,
    )


def _sample(address: Address, text: str | None) -> Sample | None:
    return sample_or_none(address, text, most=ROW_CHARS, preview=ROW_CHARS)


EVENTS = WorkflowView(
    key="events",
    label="Events",
    template="workflow_events.html",
    load=_events,
    scripts=("payloads.js",),
    shortcuts=SHORTCUTS,
    is_payload=True,
)
NOTIFICATIONS = WorkflowView(
    key="notifications",
    label="Notifications",
    template="workflow_notifications.html",
    load=_notifications,
    scripts=("payloads.js",),
    shortcuts=SHORTCUTS,
    is_payload=True,
)
STREAMS = WorkflowView(
    key="streams",
    label="Streams",
    template="workflow_streams.html",
    load=_streams,
    scripts=("payloads.js",),
    shortcuts=SHORTCUTS,
    is_payload=True,
)
