"""Whether and when a calendar that jumps is believed by those who delete by it."""

from datetime import timedelta

from support.fake_clock import START, FakeClock

from conductor_lite.policies.trusted_time import DOUBT_SECS, TrustedTime

HOUR = 3_600.0
YEAR = 365 * 24 * HOUR


def test_a_calendar_that_goes_like_the_other_clock_is_followed() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    for secs in (0, 5, 40 * HOUR, YEAR):
        clock.advance(secs)
        # As a clock is that is set right a little now and then.
        clock.time += timedelta(minutes=20)
        assert time.now() == clock.now()


def test_a_jump_ahead_is_believed_after_a_day_and_time_goes_on_meanwhile() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    clock.advance(HOUR)
    clock.set_back(-YEAR)
    assert time.now() == START + timedelta(hours=1)
    clock.advance(DOUBT_SECS - 1)
    assert time.now() == START + timedelta(hours=1, seconds=DOUBT_SECS - 1)
    clock.advance(1)
    assert time.now() == clock.now()


def test_a_jump_that_is_taken_back_was_none_and_the_next_is_doubted_as_long() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    for _ in range(3):
        clock.set_back(-YEAR)
        clock.advance(DOUBT_SECS - HOUR)
        assert time.now() < START + timedelta(days=4)
        clock.set_back(YEAR)
        assert time.now() == clock.now()


def test_a_calendar_that_is_set_back_is_believed_at_once() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    clock.set_back(YEAR)
    assert time.now() == START - timedelta(seconds=YEAR)
    clock.advance(HOUR)
    assert time.now() == clock.now()
