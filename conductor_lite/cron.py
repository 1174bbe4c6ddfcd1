"""Cron expressions as the SDKs read them, with five fields or six, in time zones. No clock and no I/O."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

#: Names that SDKs take for expressions.
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST = 1_000


class UnknownCronError(ValueError):
    """An expression or a zone that is not understood here, though an SDK may; its text says what is wrong."""


def runs(cron: str, timezone: str | None, after: datetime) -> Iterator[datetime]:
    """The times after ``after`` that a cron expression names, in its own zone; ends when none comes for long.

    Args:
        cron: five fields, or six with seconds first, or a name such as ``@daily``.
        timezone: IANA name; None is UTC.
        after: an aware time.

    Raises:
        UnknownCronError: the expression or the zone is not understood here.
    """
    # Imported here, for few servers have a schedule or a rule that needs it.
    from cronsim import CronSim, CronSimError

    expression, zone = fields(cron), _zone(timezone)
    if len(expression) > _LONGEST:
        raise UnknownCronError("it is too long")
    try:
        return CronSim(expression, after.astimezone(zone))
    except CronSimError as error:
        raise UnknownCronError(str(error).lower()) from None
    except (ValueError, OverflowError):
        raise UnknownCronError("it is no cron expression") from None


def next_run(cron: str, timezone: str | None, after: datetime) -> datetime | None:
    """The first time after ``after`` that a cron expression names, in its own zone.

    Args:
        cron: as for ``runs``.
        timezone: IANA name; None is UTC.
        after: an aware time.

    Returns:
        None when the expression or the zone is not understood here, or never comes.
    """
    try:
        return next(runs(cron, timezone, after), None)
    except (ValueError, OverflowError):
        return None


def fields(cron: str) -> str:
    """The expression's fields, where a name stands for them; otherwise the expression itself."""
    return _NAMED.get(cron.strip().lower(), cron)


def _zone(timezone: str | None) -> tzinfo:
    try:
        return ZoneInfo(timezone) if timezone else UTC
    except (ValueError, OSError, KeyError):
        raise UnknownCronError(f"there is no time zone {timezone!r}") from None
