"""What a reader prefers: a time zone and a time range, remembered by the browser in cookies of ours."""

import functools
import re
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from conductor_lite.errors import FieldError, InvalidError

ZONE_COOKIE = "conductor_zone"
RANGE_COOKIE = "conductor_range"
#: Query parameter of the pages that show a stretch of time.
RANGE_FIELD = "range"
_YEAR_SECS = 365 * 86_400
#: Where the calendar begins.
_FIRST = datetime.min.replace(tzinfo=UTC)

#: Stretches of time that end now, by their name in addresses: length in seconds, and what people call them.
RANGES: dict[str, tuple[int, str]] = {
    "15m": (900, "15 minutes"),
    "1h": (3_600, "hour"),
    "6h": (6 * 3_600, "6 hours"),
    "24h": (86_400, "24 hours"),
    "7d": (7 * 86_400, "7 days"),
    "30d": (30 * 86_400, "30 days"),
}
DEFAULT_RANGE = "24h"
#: What tables show besides: whatever its age.
ANY_TIME = "all"

_ZONE_PATTERN = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}")


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a reader's wishes."""

    #: IANA name of the time zone, such as ``Europe/Berlin``; empty when it is not known, which means UTC.
    zone_name: str = ""
    #: One of `RANGES`.
    range_name: str = DEFAULT_RANGE
    #: The same for tables of workflows, which can show `ANY_TIME` and do when nothing was chosen.
    table_range_name: str = ANY_TIME

    @property
    def zone(self) -> tzinfo:
        """The time zone that exact times are told in."""
        return zone_of(self.zone_name) or UTC


class TimeRange(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that a page shows."""

    #: One of `RANGES`, ending now; empty for one between two given times.
    name: str
    start: datetime
    end: datetime


def preferences(request: Request) -> Preferences:
    """Read the cookies; nonsense counts as none."""
    zone_name = unquote(request.cookies.get(ZONE_COOKIE, ""))
    range_name = request.cookies.get(RANGE_COOKIE, "")
    return Preferences(
        zone_name=zone_name if zone_of(zone_name) else "",
        range_name=range_name if range_name in RANGES else DEFAULT_RANGE,
        table_range_name=range_name if range_name in RANGES else ANY_TIME,
    )


def remember_range(request: Request, response: Response) -> None:
    """Make the range that was asked for the one that other pages begin with."""
    name = request.query_params.get(RANGE_FIELD, "")
    if (name in RANGES or name == ANY_TIME) and request.cookies.get(RANGE_COOKIE) != name:
        response.set_cookie(RANGE_COOKIE, name, max_age=_YEAR_SECS, path="/", samesite="lax")


def remember_zone(response: Response, zone_name: str) -> None:
    """Tell times in this zone from now on; an empty name leaves it to the browser again.

    Raises:
        InvalidError: there is no such zone.
    """
    if not zone_name:
        response.delete_cookie(ZONE_COOKIE, path="/", samesite="lax")
        return
    if zone_of(zone_name) is None:
        raise InvalidError(
            f"There is no time zone {zone_name[:80]!r}.",
            (FieldError(location="body.zone", message="expected a name such as Europe/Berlin"),),
        )
    response.set_cookie(ZONE_COOKIE, quote(zone_name, safe=""), max_age=_YEAR_SECS, path="/", samesite="lax")


@functools.lru_cache(maxsize=256)
def zone_of(zone_name: str) -> tzinfo | None:
    """The time zone of that name; None when there is none."""
    if zone_name == "UTC":
        return UTC
    if not _ZONE_PATTERN.fullmatch(zone_name):
        return None
    try:
        return ZoneInfo(zone_name)
    except (KeyError, OSError, ValueError):
        # KeyError: there is none of that name. OSError: it is the name of a folder.
        return None


def time_range(request: Request, now: datetime, since: datetime | None = None) -> TimeRange:
    """The stretch of time that the query string asks for: ``?range=24h``, or ``?start=`` and ``?end=``.

    What is not said is the reader's preference. Ends on a whole minute, so that two looks within one agree.

    Args:
        request: for the page.
        now: when the range ends that is told by its length.
        since: there is nothing from before: who asks for no range gets one that is not mostly empty.

    Raises:
        InvalidError: a time is not readable, or the end is not after the start.
    """
    query = request.query_params
    if query.get("start") or query.get("end"):
        return _between(query, now)
    name = query.get(RANGE_FIELD, "")
    if name not in RANGES:
        name = preferences(request).range_name
        if since is not None and RANGE_COOKIE not in request.cookies:
            name = _filled(name, now, since)
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return TimeRange(name=name, start=end - timedelta(seconds=RANGES[name][0]), end=end)


def _filled(name: str, now: datetime, since: datetime) -> str:
    """The range of that name, or the shortest that reaches back far enough."""
    age_secs = (now - since).total_seconds()
    enough = (shorter for shorter, (secs, _) in RANGES.items() if age_secs <= secs <= RANGES[name][0])
    return next(enough, name)


def _between(query: QueryParams, now: datetime) -> TimeRange:
    # Times that were typed into a form come with the zone that they were meant in.
    zone = zone_of(query.get("zone", "")) or UTC
    end = moment(query.get("end", ""), "end", zone) or now
    usual = timedelta(seconds=RANGES[DEFAULT_RANGE][0])
    start = moment(query.get("start", ""), "start", zone) or max(end, _FIRST + usual) - usual
    if end <= start:
        raise InvalidError("The end of the time range is not after its start.")
    return TimeRange(name="", start=start, end=end)


def moment(text: str, field: str, zone: tzinfo = UTC, within: str = "query") -> datetime | None:
    """A time from a form or an address; None when there is none. Without an offset it is one in the zone.

    Args:
        text: as it was given.
        field: what it is called.
        zone: what it is meant in.
        within: what the field is part of, for the error: ``query`` or ``body``.

    Raises:
        InvalidError: it is no time.
    """
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed.replace(tzinfo=zone) if parsed.tzinfo is None else parsed).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(
            f"{text[:80]!r} is no time; write one such as 2026-11-25T03:00Z.",
            (FieldError(location=f"{within}.{field}", message="expected a time in ISO 8601"),),
        ) from None


def local_moment(text: str, zone: tzinfo, field: str) -> datetime | None:
    """A time as a form's ``datetime-local`` field has it, in the reader's zone; see ``moment``."""
    return moment(text, field, zone, "body")
