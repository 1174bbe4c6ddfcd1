"""Cron expressions in words, their next runs, and how many a backfill would start."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_lite.console.cron import CronPreview, RunCount, count_runs, preview

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "words", "first"),
    [
        ("* * * * *", None, "Every minute", "2026-03-28T12:01:00+00:00"),
        ("0 0 3 * * *", None, "At 03:00 every day", "2026-03-29T03:00:00+00:00"),
        ("*/10 * * * * *", None, "Every 10 seconds", "2026-03-28T12:00:10+00:00"),
        ("*/7 * * * *", None, "Every seventh minute of every hour", "2026-03-28T12:07:00+00:00"),
        (
            "*/10 9-17 * * 1",
            None,
            "Every 10 minutes from 09:00 through 17:59 on Monday",
            "2026-03-30T09:00:00+00:00",
        ),
        ("0 0 */6 * * *", None, "Every 6 hours", "2026-03-28T18:00:00+00:00"),
        (
            "*/10 9,17 * * *",
            None,
            "Every 10th minute past hours 9 and 17",
            "2026-03-28T17:00:00+00:00",
        ),
        (
            "0 9 * * MON-FRI",
            "America/New_York",
            "At 09:00 on Monday through Friday",
            "2026-03-30T09:00:00-04:00",
        ),
        ("@daily", "Europe/Berlin", "At 00:00 every day", "2026-03-29T00:00:00+01:00"),
        (" @Hourly ", None, "At the start of every hour", "2026-03-28T13:00:00+00:00"),
        ("0 0 29 2 *", None, "At 00:00 on February 29", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_expression_is_told_in_words_with_its_next_runs(
    cron: str, zone: str | None, words: str, first: str
) -> None:
    found = preview(cron, zone, NOW, count=3)
    assert (found.words, found.reason) == (words, "")
    assert found.next_runs[0].isoformat() == first
    assert len(found.next_runs) == 3
    assert list(found.next_runs) == sorted(found.next_runs)


@pytest.mark.parametrize(
    ("cron", "zone", "reason"),
    [
        ("@every 5m", None, "wrong number of fields"),
        ("", None, "wrong number of fields"),
        ("0 0 1 1 * 2026 *", None, "wrong number of fields"),
        ("0 25 * * *", None, "bad hour"),
        ("0 0 30 2 *", None, "bad day-of-month"),
        ("*/0 * * * *", None, "bad minute"),
        ("0 0 * * *", "Not/AZone", "there is no time zone 'Not/AZone'"),
        ("0 0 * * *", "../../etc/passwd", "there is no time zone '../../etc/passwd'"),
        ("1," * 5_000 + "1 * * * *", None, "it is too long"),
        ("\x00 * * * *", None, "bad minute"),
        ("١ * * * *", None, "bad minute"),
    ],
)
def test_what_is_not_understood_says_why(cron: str, zone: str | None, reason: str) -> None:
    assert preview(cron, zone, NOW) == CronPreview(words=None, reason=reason)
    assert count_runs(cron, zone, NOW, NOW + timedelta(days=1)) == RunCount(count=None, reason=reason)


@pytest.mark.parametrize(
    ("cron", "zone", "hours", "expected"),
    [
        ("0 * * * *", None, 24, 23),
        # Neither a run at the start nor one at the end counts, as the SDKs have it.
        ("0 12 * * *", None, 24, 0),
        ("0 12 * * *", None, 25, 1),
        ("*/30 * * * * *", None, 1, 119),
        # An hour is missing in Berlin that night.
        ("30 * * * *", "Europe/Berlin", 24, 24),
        ("0 0 29 2 *", None, 24 * 366, 0),
    ],
)
def test_runs_of_a_backfill_are_counted(cron: str, zone: str | None, hours: int, expected: int) -> None:
    found = count_runs(cron, zone, NOW, NOW + timedelta(hours=hours))
    assert (found.count, found.more, found.reason) == (expected, False, "")
    assert (found.first is None) is (expected == 0)
    assert found.last is None or NOW < found.last < NOW + timedelta(hours=hours)


def test_counting_stops_at_its_limit_and_says_so() -> None:
    end = NOW + timedelta(days=366)
    found = count_runs("* * * * *", None, NOW, end)
    assert (found.count, found.more, found.last, found.words) == (2_000, True, None, "more than 2,000 runs")
    assert count_runs("@daily", None, NOW, NOW + timedelta(days=1)).words == "1 run"
    assert count_runs("nonsense", None, NOW, end).words == ""


def test_ends_of_time_are_no_failure() -> None:
    last = datetime(9999, 12, 31, 23, 0, tzinfo=UTC)
    assert preview("0 0 1 1 *", None, last) == CronPreview(
        words="At 00:00 on January 1", reason="it does not come again"
    )
    found = count_runs("0 0 1 1 *", None, last, datetime.max.replace(tzinfo=UTC))
    assert (found.count, found.reason) == (None, "the period is too long")


parts = st.lists(st.sampled_from([*"*/-,#L0159W?", "MON", "JAN", "7L", "LW", "99"]), max_size=5).map("".join)


@given(st.one_of(st.text(max_size=20), st.lists(parts, min_size=4, max_size=7).map(" ".join)))
@settings(deadline=None, max_examples=300)
def test_no_expression_makes_it_fail(cron: str) -> None:
    found = preview(cron, "Europe/Berlin", NOW)
    assert bool(found.words) == bool(found.next_runs)
    assert found.words or found.reason
    counted = count_runs(cron, "Europe/Berlin", NOW, NOW + timedelta(hours=2), limit=50)
    assert (counted.count is None) == bool(counted.reason)
