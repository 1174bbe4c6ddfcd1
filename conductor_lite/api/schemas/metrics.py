"""Metrics as the API shows them."""

import msgspec

from conductor_lite.api.fields import Int32, Int64, Moment, Timestamp


class Metric(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How often something happened from ``timeBucket`` on, for ``granularity`` seconds."""

    app_id: str
    metric_type: str
    metric_name: str
    granularity: Int32
    time_bucket: Timestamp
    value: Int64


class RangeQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The stretch of time to count in."""

    start_time: Moment
    end_time: Moment
