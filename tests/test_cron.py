"""Cron arithmetic in time zones."""

from datetime import UTC, datetime

import pytest

from conductor_lite.cron import next_run


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("*/5 * * * *", None, "2026-01-01T00:04:59", "2026-01-01T00:05:00"),
        ("*/10 * * * * *", None, "2026-01-01T00:00:05", "2026-01-01T00:00:10"),
        ("0 9 * * MON-FRI", None, "2026-01-02T09:00:00", "2026-01-05T09:00:00"),
        # Nine o'clock in New York is 14:00 in winter and 13:00 in summer.
        ("0 9 * * *", "America/New_York", "2026-03-07T00:00:00", "2026-03-07T14:00:00"),
        ("0 9 * * *", "America/New_York", "2026-03-08T00:00:00", "2026-03-08T13:00:00"),
        # Half past two does not exist in Berlin that night: it runs as the clocks jump.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:00:00"),
        ("not a cron", None, "2026-01-01T00:00:00", None),
        ("0 9 * * *", "Not/AZone", "2026-01-01T00:00:00", None),
        ("0 0 30 2 *", None, "2026-01-01T00:00:00", None),
    ],
)
def test_next_time_is_told_in_the_schedules_own_zone(
    cron: str, zone: str | None, after: str, expected: str | None
) -> None:
    found = next_run(cron, zone, _utc(after))
    assert (found and found.astimezone(UTC)) == (expected and _utc(expected))
