"""What the store hands out of metrics: frozen Structs, without SQL or behaviour."""

import msgspec

from conductor_lite.store.metric_families import Label


class MetricSource(msgspec.Struct, frozen=True, kw_only=True):
    """How far one application's metrics have come; times are seconds since 1970."""

    number: int
    #: None when the application was deleted and its points are about to go.
    application_id: str | None
    #: Everything that happened before has been asked for, or is past asking.
    collected_until: int
    #: Windows of fifteen minutes that end by then have been rolled up.
    rolled_until_quarter: int
    #: The same of days.
    rolled_until_day: int
    #: What the last answer was worked out from, ``aggregates`` or ``listings``.
    basis: str


class SeriesPoints(msgspec.Struct, frozen=True, kw_only=True):
    """One series in steps of equal length: values by where the step begins, in seconds since 1970."""

    label: Label
    values: dict[int, float]
