"""Whether and when a calendar that jumps is believed by those who delete by it."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.fake_clock import START, FakeClock

from conductor_lite.config import Settings
from conductor_lite.policies.trusted_time import DOUBT_SECS, START_DOUBT_SECS, TrustedTime
from conductor_lite.server import open_conductor

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


@pytest.mark.parametrize("ahead_secs", [60, -YEAR])
def test_a_calendar_that_agrees_with_what_is_on_record_is_followed_from_the_start(ahead_secs: float) -> None:
    clock = FakeClock()
    clock.known = START - timedelta(seconds=ahead_secs)
    time = TrustedTime(clock)
    assert time.now() == clock.now()
    clock.set_back(-YEAR)
    clock.advance(START_DOUBT_SECS + 1)
    assert time.now() < START + timedelta(days=1)


def test_a_calendar_that_is_ahead_right_at_the_start_is_believed_after_a_while() -> None:
    clock = FakeClock()
    clock.known = START - timedelta(days=400)
    time = TrustedTime(clock)
    assert time.now() == clock.known
    clock.advance(START_DOUBT_SECS - 1)
    assert time.now() == clock.known + timedelta(seconds=START_DOUBT_SECS - 1)
    clock.advance(1)
    assert time.now() == clock.now()
    # From then on it is doubted for a day as ever.
    clock.set_back(-YEAR)
    clock.advance(START_DOUBT_SECS + 1)
    assert time.now() < START + timedelta(days=1)


def test_a_server_knows_from_its_database_when_it_ran_last(tmp_path: Path) -> None:
    async def doubted() -> timedelta:
        async with open_conductor(Settings(data_dir=tmp_path, port=0)) as conductor:
            return datetime.now(UTC) - conductor._retention._time.now()

    assert asyncio.run(doubted()) < timedelta(minutes=1)
    assert asyncio.run(doubted()) < timedelta(minutes=1)
    # As if this machine had begun with a calendar that is ten days ahead.
    for file in tmp_path.glob("conductor.db*"):
        before = file.stat().st_mtime - 10 * 24 * HOUR
        os.utime(file, (before, before))
    assert timedelta(days=9) < asyncio.run(doubted()) < timedelta(days=11)
