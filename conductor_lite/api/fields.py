"""Field types that several resources share, and the path parameters they have in common."""

import functools
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import msgspec

#: A whole number of 64 bits, the largest that the database and generated clients hold. ``decoding`` refuses
#: larger ones everywhere.
Int64: TypeAlias = Annotated[int, msgspec.Meta(extra_json_schema={"format": "int64"})]

#: A whole number of 32 bits: what generated clients make of small numbers.
Int32: TypeAlias = Annotated[
    int, msgspec.Meta(ge=-(2**31), le=2**31 - 1, extra_json_schema={"format": "int32"})
]

#: A count or position from zero.
Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, extra_json_schema={"format": "int64"})]

#: A time that a caller gives: RFC 3339 with its offset from UTC.
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]

#: RFC 3339 in UTC with milliseconds, as ``timestamp`` writes it.
Timestamp: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

ApplicationName: TypeAlias = Annotated[
    str, msgspec.Meta(min_length=3, max_length=256, pattern="^[a-z0-9_-]+$")
]
# No pattern is checked here: a name that cannot exist answers 404, like any other that does not.
OrganizationName: TypeAlias = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 3, "maxLength": 30, "pattern": "^[a-z0-9_]+$"})
]


def timestamp(moment: datetime) -> str:
    """Write an aware time as the API does: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def epoch_timestamp(epoch_ms: int | None) -> str | None:
    """Write milliseconds since 1970 likewise; null for none, and for what is no time that a calendar has."""
    if epoch_ms is None:
        return None
    secs, millis = divmod(epoch_ms, 1000)
    try:
        return f"{_seconds(secs)}.{millis:03d}Z"
    except (OverflowError, ValueError, OSError):
        return None


# Listings hold thousands of times, many of the same second.
@functools.lru_cache(maxsize=4_096)
def _seconds(epoch_secs: int) -> str:
    return datetime.fromtimestamp(epoch_secs, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


class OrganizationPath(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of what belongs to an organisation."""

    org_name: OrganizationName


class ApplicationPath(OrganizationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of what belongs to an application."""

    app_name: ApplicationName


class WorkflowPath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of what belongs to a workflow."""

    workflow_id: str


class SchedulePath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of what belongs to a schedule."""

    schedule_name: str
