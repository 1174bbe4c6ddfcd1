"""Which schedules are overdue, in their own time zones and across shifts of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest

from conductor_lite.policies.alert_schedules import ScheduleWatch, missed_run
from conductor_lite.protocol import ScheduleRecord


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _schedule(
    cron: str = "0 * * * *", last: str | None = None, zone: str | None = None, status: str | None = "ACTIVE"
) -> ScheduleRecord:
    return ScheduleRecord(
        schedule_name="nightly", cron=cron, last_fired_at=last, cron_timezone=zone, status=status
    )


@pytest.mark.parametrize(
    ("last", "now", "missed"),
    [
        ("2026-01-01T10:00:00+00:00", "2026-01-01T11:01:00", False),
        ("2026-01-01T10:00:00+00:00", "2026-01-01T11:01:01", True),
        ("2026-01-01T11:00:00+00:00", "2026-01-01T11:30:00", False),
        # As an SDK in another zone writes it.
        ("2026-01-01T12:00:00+01:00", "2026-01-01T11:30:00", False),
        # Never run, or unreadable: counted from when it was first seen, 10:30.
        (None, "2026-01-01T10:59:00", False),
        (None, "2026-01-01T11:02:00", True),
        ("yesterday", "2026-01-01T11:02:00", True),
        # Fired long before it was paused; what fell due meanwhile is nobody's miss.
        ("2025-12-01T00:00:00+00:00", "2026-01-01T10:45:00", False),
    ],
)
def test_run_is_missed_once_it_is_later_than_its_grace(last: str | None, now: str, missed: bool) -> None:
    found = missed_run(_schedule(last=last), _utc("2026-01-01T10:30:00"), 60, _utc(now))
    assert (found is not None) is missed


def test_run_near_a_shift_of_the_clocks_gets_an_hour_more() -> None:
    nightly = _schedule("30 2 * * *", "2026-03-28T02:30:00+01:00", "Europe/Berlin")
    since = _utc("2026-03-28T12:00:00")
    assert missed_run(nightly, since, 60, _utc("2026-03-29T01:30:00")) is None
    assert missed_run(nightly, since, 60, _utc("2026-03-29T02:02:00")) is not None


def test_schedule_that_was_paused_counts_from_its_resumption() -> None:
    watch, start = ScheduleWatch(), _utc("2026-01-01T10:00:00")
    (first,) = watch.look([_schedule()], start).values()
    assert first[1] == start
    (again,) = watch.look([_schedule()], start + timedelta(hours=1)).values()
    assert again[1] == start
    assert watch.look([_schedule(status="PAUSED")], start + timedelta(hours=2)) == {}
    (resumed,) = watch.look([_schedule()], start + timedelta(hours=3)).values()
    assert resumed[1] == start + timedelta(hours=3)


def test_schedule_whose_times_change_is_another_one() -> None:
    watch, start = ScheduleWatch(), _utc("2026-01-01T10:00:00")
    watch.look([_schedule()], start)
    (changed,) = watch.look([_schedule("30 * * * *")], start + timedelta(hours=1)).values()
    assert changed[1] == start + timedelta(hours=1)


def test_calendar_set_back_does_not_hide_misses() -> None:
    watch, start = ScheduleWatch(), _utc("2026-01-01T10:00:00")
    watch.look([_schedule()], start)
    (back,) = watch.look([_schedule()], start - timedelta(days=1)).values()
    assert back[1] == start - timedelta(days=1)
