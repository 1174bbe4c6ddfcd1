"""How values read to people: times, durations, identifiers, counts. Pure functions on values, no HTML.

``static/console.js`` words relative times and countdowns the same way; change both together.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_JUST_NOW_SECS = 5
_DATE_AFTER_SECS = 30 * _DAY
#: The end of the year 8999: later times cannot be told in every zone.
_LAST_EPOCH_MS = 221_845_391_999_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last millisecond that a datetime can tell.
_LAST_TOLD_MS = 253_402_300_799_999
ELLIPSIS = "…"


def relative(moment: datetime, now: datetime) -> str:
    """How long ago, or in how long: ``3 min ago``, ``in 8 s``; a date when it is a month or more away."""
    secs = (now - moment).total_seconds()
    if abs(secs) < _JUST_NOW_SECS:
        return "just now"
    if abs(secs) >= _DATE_AFTER_SECS:
        return moment.astimezone(UTC).strftime("%Y-%m-%d")
    return f"{coarse(secs)} ago" if secs > 0 else f"in {coarse(-secs)}"


def coarse(secs: float) -> str:
    """A span in its largest unit, rounded down: ``59 s``, ``3 min``, ``2 h``, ``5 d``."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if secs >= size:
            return f"{int(secs // size)} {unit}"
    return f"{int(secs)} s"


def duration(secs: float) -> str:
    """A measured span with the precision that its size deserves: ``340 ms``, ``1.2 s``, ``3 min 20 s``."""
    if secs < 1:
        return milliseconds(secs * 1000)
    # What is whole was mostly read from a clock that tells no less.
    if secs < 10 and secs != int(secs):
        return f"{secs:.1f} s"
    whole = round(secs)
    if whole < _MINUTE:
        return f"{whole} s"
    for size, unit, small_size, small_unit in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    raise AssertionError("unreachable: every span of a minute or more has a unit")


def milliseconds(value_ms: float) -> str:
    """A short span: ``0.8 ms``, ``12 ms``, ``1.3 s``."""
    if value_ms >= 1000:
        return duration(value_ms / 1000)
    return f"{f'{value_ms:.1f}'.removesuffix('.0')} ms" if value_ms < 10 else f"{value_ms:.0f} ms"


def lapse(secs: float) -> str:
    """A span between two times in an application's database, whose clock may tell whole seconds only."""
    return duration(secs) if secs else "< 1 s"


def exact(moment: datetime, zone: tzinfo = UTC) -> str:
    """The moment itself in a zone, for hovering over a relative time."""
    return in_zone(moment, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment in a zone; in UTC where the zone's calendar does not reach it."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        # The first and last hours of the calendar, as executors may tell them.
        return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """RFC 3339 with milliseconds, for ``<time datetime>``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(epoch_ms: int) -> datetime:
    """The moment that milliseconds since 1970 mean; the nearest that can be told, for nonsense."""
    return datetime.fromtimestamp(min(max(epoch_ms, 0), _LAST_EPOCH_MS) / 1000, UTC)


def moment_of(epoch_ms: int | None) -> datetime | None:
    """A time from an executor; None when there is none, or none that a calendar has."""
    if epoch_ms is None or not 0 < epoch_ms <= _LAST_TOLD_MS:
        return None
    return _EPOCH + timedelta(milliseconds=epoch_ms)


def shorten(text: str, length: int = 15) -> str:
    """Cut a long identifier in the middle, where identifiers differ least."""
    if len(text) <= length:
        return text
    head = (length - 1 + 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (length - 1 - head) :]


def clip(text: str, length: int = 120) -> str:
    """Cut a long text at its end."""
    return text if len(text) <= length else text[: length - 1] + ELLIPSIS


def one_line(text: str, length: int = 120) -> str:
    """The beginning of a text, its lines joined."""
    # Only what may be shown is looked at: a text can be a megabyte.
    return clip(" ".join(text[: 4 * length].split()), length)


def number(value: float) -> str:
    """A number that is whole or nearly so, with thousands set apart: ``12,345``, ``2.5``."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


def size(number_of_bytes: int) -> str:
    """An amount of data: ``512 bytes``, ``3.4 KiB``, ``12 MiB``."""
    if number_of_bytes < 1024:
        return f"{number_of_bytes} bytes"
    value, unit = number_of_bytes / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def plain(value: object) -> str:
    """A JSON value on one line: text as it is, the rest as JSON would write it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) if value else "none"
    if isinstance(value, dict):
        return "{" + gist(value) + "}"
    return str(value)


def gist(facts: Mapping[str, object]) -> str:
    """Named values on one line: ``attempts: 1, recovered_by: …``."""
    return ", ".join(f"{key}: {plain(value)}" for key, value in facts.items())
