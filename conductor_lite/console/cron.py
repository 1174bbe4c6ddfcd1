"""Cron expressions for people: in words, their next runs, and how many runs a period has. Pure."""

from datetime import datetime
from itertools import islice, takewhile

import msgspec

from conductor_lite.cron import UnknownCronError, fields, runs
from conductor_lite.wording import plural


class CronPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a cron expression means."""

    #: ``At 03:00 every day``; None when it is not understood here.
    words: str | None
    #: Its next runs, in its own zone.
    next_runs: tuple[datetime, ...] = ()
    #: Why it is not understood, or that it never comes, to end a sentence with; empty when all is well.
    reason: str = ""


class RunCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs a period has."""

    #: None when the expression is not understood here.
    count: int | None
    #: Whether there are more than ``count``, which nobody counted.
    more: bool = False
    first: datetime | None = None
    #: The last one; None when not all were counted.
    last: datetime | None = None
    #: Why not, to end a sentence with; empty when they could be counted.
    reason: str = ""

    @property
    def words(self) -> str:
        """The number with its noun: ``12 runs``, ``more than 2,000 runs``; empty when nobody knows."""
        if self.count is None:
            return ""
        return f"more than {plural(self.count, 'run')}" if self.more else plural(self.count, "run")


def preview(cron: str, timezone: str | None, now: datetime, count: int = 5) -> CronPreview:
    """What a cron expression means from now on. Never fails.

    Args:
        cron: five fields, or six with seconds first, or a name such as ``@daily``.
        timezone: IANA name; None is UTC.
        now: an aware time.
        count: how many runs to tell.
    """
    try:
        found = tuple(islice(runs(cron, timezone, now), count))
    except UnknownCronError as error:
        return CronPreview(words=None, reason=str(error))
    except OverflowError:
        found = ()
    return CronPreview(
        words=_words(fields(cron)), next_runs=found, reason="" if found else "it does not come again"
    )


def count_runs(
    cron: str, timezone: str | None, start: datetime, end: datetime, limit: int = 2_000
) -> RunCount:
    """How many runs a backfill of a period would start. Never fails.

    Args:
        cron: five fields, or six with seconds first, or a name such as ``@daily``.
        timezone: IANA name; None is UTC.
        start: an aware time; a run at that very moment does not count.
        end: an aware time; a run at that very moment does not count.
        limit: counting stops there; each run takes up to 15 µs.
    """
    try:
        due = takewhile(lambda run: run < end, runs(cron, timezone, start))
        found = list(islice(due, limit + 1))
    except UnknownCronError as error:
        return RunCount(count=None, reason=str(error))
    except OverflowError:
        return RunCount(count=None, reason="the period is too long")
    more = len(found) > limit
    return RunCount(
        count=min(len(found), limit),
        more=more,
        first=found[0] if found else None,
        last=found[-1] if found and not more else None,
    )


def _words(expression: str) -> str:
    """``Every 15 minutes`` rather than ``Every 15th minute of every hour``, where that is what it comes to.

    Only where it is: ``*/7`` starts anew with each hour.
    """
    # Imported here, for few pages show a schedule.
    from cronsim.explain import explain

    *seconds, minute, hour, day, month, weekday = expression.split()
    second, date = "".join(seconds) or "0", (day, month, weekday)
    if (minute, hour) == ("*", "*") and (count := _even_step(second, 60)):
        return _counted(explain(" ".join(("*", "*", "*", *date))), "Every second", f"Every {count} seconds")
    if second == "0" and (count := _even_step(minute, 60)):
        words = explain(" ".join(("*", hour, *date)))
        # “Every 10 minutes past hours 9 and 17” could be 09:10 and 17:10.
        if not words.startswith("Every minute past"):
            return _counted(words, "Every minute", f"Every {count} minutes")
    if (second, minute) == ("0", "0") and (count := _even_step(hour, 24)):
        start = "At the start of every hour"
        return _counted(explain(" ".join(("0", "*", *date))), start, f"Every {count} hours")
    return explain(expression)


def _even_step(field: str, whole: int) -> int | None:
    """The step of a field such as ``*/15``, if it is more than one and goes into the whole without a rest."""
    start, _, step = field.partition("/")
    if start != "*" or not step.isdecimal():
        return None
    return int(step) if 1 < int(step) < whole and whole % int(step) == 0 else None


def _counted(words: str, each: str, counted: str) -> str:
    return counted + words.removeprefix(each)
