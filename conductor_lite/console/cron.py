"""Cron expressions for people: in words, their next runs, and how many runs a period has. Pure."""

from datetime import datetime
from itertools import islice, takewhile

import msgspec

from conductor_lite.cron import UnknownCronError, runs


class CronPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a cron expression means."""

    #: ``At 03:00 every day``; None when it is not understood here.
    words: str | None
    #: Its next runs, in its own zone.
    next_runs: tuple[datetime, ...] = ()
    #: Why it is not understood, or that it never runs; empty when all is well.
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
    reason: str = ""


def preview(cron: str, timezone: str | None, now: datetime, count: int = 5) -> CronPreview:
    """What a cron expression means from now on. Never fails.

    Args:
        cron: five fields, or six with seconds first.
        timezone: IANA name; None is UTC.
        now: an aware time.
        count: how many runs to tell.
    """
    from cronsim.explain import explain

    try:
        found = tuple(islice(runs(cron, timezone, now), count))
    except UnknownCronError as error:
        return CronPreview(words=None, reason=str(error))
    return CronPreview(words=explain(cron), next_runs=found, reason="" if found else "it never comes")


def count_runs(
    cron: str, timezone: str | None, start: datetime, end: datetime, limit: int = 10_000
) -> RunCount:
    """How many runs a backfill of a period would start. Never fails.

    Args:
        cron: five fields, or six with seconds first.
        timezone: IANA name; None is UTC.
        start: an aware time; a run at that very moment does not count.
        end: an aware time; a run at that very moment does not count.
        limit: counting stops there.
    """
    try:
        found = list(islice(takewhile(lambda run: run < end, runs(cron, timezone, start)), limit + 1))
    except UnknownCronError as error:
        return RunCount(count=None, reason=str(error))
    more = len(found) > limit
    return RunCount(
        count=min(len(found), limit),
        more=more,
        first=found[0] if found else None,
        last=found[-1] if found and not more else None,
    )
