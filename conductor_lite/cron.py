"""Cron expressions as the SDKs read them, with five fields or six, in time zones. No clock and no I/O."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


class UnknownCronError(ValueError):
    """An expression or a zone that is not understood here, though an SDK may; its text says what is wrong."""


def runs(cron: str, timezone: str | None, after: datetime) -> Iterator[datetime]:
    """The times after ``after`` that a cron expression names, in its own zone; ends when none comes for long.

    Args:
        cron: five fields, or six with seconds first.
        timezone: IANA name; None is UTC.
        after: an aware time.

    Raises:
        UnknownCronError: the expression or the zone is not understood here.
    """
    # Imported here, for few servers have a schedule or a rule that needs it.
    from cronsim import CronSim, CronSimError

    zone = _zone(timezone)
    try:
        return CronSim(cron, after.astimezone(zone))
    except CronSimError as error:
        raise UnknownCronError(f"{str(error)[:1].lower()}{str(error)[1:]}") from None
    except (ValueError, OverflowError):
        raise UnknownCronError("not a cron expression") from None


def next_run(cron: str, timezone: str | None, after: datetime) -> datetime | None:
    """The first time after ``after`` that a cron expression names, in its own zone.

    Args:
        cron: five fields, or six with seconds first.
        timezone: IANA name; None is UTC.
        after: an aware time.

    Returns:
        None when the expression or the zone is not understood here, or never comes.
    """
    try:
        return next(runs(cron, timezone, after), None)
    except (ValueError, OverflowError):
        return None


def _zone(timezone: str | None) -> tzinfo:
    try:
        return ZoneInfo(timezone) if timezone else UTC
    except (ValueError, OSError, KeyError):
        raise UnknownCronError(f"no time zone {timezone!r}") from None
